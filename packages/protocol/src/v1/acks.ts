/** Received bytes of a session after which an ACK is due at once: a sender's limit relies on it. */
const ackBytes = 131_072;
/** The time after which an ACK leaves with the next batch, and costs no write of its own, in milliseconds. */
const rideAfterMs = 500;
/** The time after which an ACK is due anyway, in milliseconds. */
const ackDelayMs = 3_000;
/** The same once the peer is leaving, which waits for it. */
const leavingAckDelayMs = 100;
/**
 * Received bytes that are not acknowledged, over all sessions of this process. Peers keep as many. Beyond
 * this number the session that has owed its ACK longest sends it.
 */
const maxOwedBytes = 8_388_608;

export interface AcksOwner {
  /** Tells the peer that everything before the offset `received` has been processed. */
  sendAck(received: number): void;
}

/**
 * Counts what a session has received, and says when the peer is told (PROTOCOL.md, section 7). An ACK of its
 * own costs one end a write and the other one a read, as much as half a request. So an ACK waits for a batch
 * that it can leave with.
 */
export class Acks {
  readonly #owner: AcksOwner;
  #received = 0;
  #acknowledged = 0;
  /** The link is there, and the peer leaves. */
  #state: "detached" | "attached" | "leaving" = "detached";
  #timer: NodeJS.Timeout | undefined;
  /** What of this session counts in {@link Owing.bytes}. */
  owed = 0;
  /** When the ACK is due, on the clock of `performance.now()`. */
  dueAtMs = 0;

  constructor(owner: AcksOwner) {
    this.#owner = owner;
  }

  get received(): number {
    return this.#received;
  }

  /** A frame of so many bytes has been processed. */
  count(bytes: number): void {
    this.#received += bytes;
  }

  /** A link is attached. The registration has told the peer how much was received. */
  attach(isPeerLeaving: boolean): void {
    this.#acknowledged = this.#received;
    this.#state = isPeerLeaving ? "leaving" : "attached";
  }

  detach(): void {
    this.#state = "detached";
    this.#settle();
  }

  /** The peer has said that it is leaving. */
  hurry(): void {
    if (this.#state === "detached") return;
    this.#state = "leaving";
    if (this.owed === 0) return;
    owing.remove(this);
    this.check();
  }

  /** Whether the ACK has been owed long enough to leave with a batch. */
  get wantsRide(): boolean {
    return this.owed > 0 && performance.now() >= this.dueAtMs - ackDelayMs + rideAfterMs;
  }

  /** Sends the ACK if it is due. Call it when a message has been processed. */
  check(): void {
    const owed = this.#received - this.#acknowledged;
    if (owed === 0 || this.#state === "detached") return;
    if (owed >= ackBytes) this.send();
    else if (this.#state === "attached") owing.add(this, owed);
    else this.#timer ??= setTimeout(() => this.send(), leavingAckDelayMs);
  }

  send(): void {
    this.#settle();
    this.#acknowledged = this.#received;
    this.#owner.sendAck(this.#received);
  }

  #settle(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.owed > 0) owing.remove(this);
  }
}

/**
 * All sessions of this process that owe an ACK. There is one timer for all of them, and one bound for what
 * their peers keep.
 */
class Owing {
  /** In the order in which they are due, because all wait for the same time. */
  readonly #all = new Set<Acks>();
  #bytes = 0;
  #timer: NodeJS.Timeout | undefined;

  add(acks: Acks, owed: number): void {
    this.#bytes += owed - acks.owed;
    if (acks.owed === 0) {
      acks.dueAtMs = performance.now() + ackDelayMs;
      this.#all.add(acks);
      this.#timer ??= setTimeout(this.#sendDue, ackDelayMs).unref();
    }
    acks.owed = owed;
    if (this.#bytes > maxOwedBytes) this.#sendOldest();
  }

  remove(acks: Acks): void {
    this.#bytes -= acks.owed;
    acks.owed = 0;
    this.#all.delete(acks);
    if (this.#all.size > 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #sendOldest(): void {
    for (const acks of this.#all) {
      acks.send();
      if (this.#bytes <= maxOwedBytes) return;
    }
  }

  readonly #sendDue = (): void => {
    this.#timer = undefined;
    const now = performance.now();
    for (const acks of this.#all) {
      // A timer may come a fraction of a millisecond before its time.
      const leftMs = acks.dueAtMs - now;
      if (leftMs > 1) {
        this.#timer = setTimeout(this.#sendDue, leftMs).unref();
        return;
      }
      acks.send();
    }
  };
}

const owing = new Owing();
