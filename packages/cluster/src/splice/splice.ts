import {
  isSendableCode,
  type Link,
  type LinkHandler,
  Liveness,
  type LivenessOptions,
} from "mcp-tunnel-protocol";

/**
 * Bytes that wait on one link before the other is read no further. A link that is not read does not answer
 * pings, so they have to leave in a fraction of `pingTimeoutMs` over a slow link as well.
 */
const highWater = 262_144;

/**
 * Joins a client's link with a link to the relay that has the client's session. Messages and close codes pass
 * both ways, as they are: the two ends speak to one another. `first` is what the client has said already.
 *
 * The other relay's pings end here, and so do the client's. So this end pings both links, and a client that
 * is silent is cut as it would be at its own relay.
 */
export function splice(client: Link, owner: Link, first: string, liveness: LivenessOptions = {}): void {
  const toOwner = new Half(client, owner, liveness);
  const toClient = new Half(owner, client, liveness);
  toOwner.opposite = toClient;
  toClient.opposite = toOwner;
  owner.send(first);
  // What the client has said meanwhile follows, so this comes after the first message.
  owner.handler = toClient;
  client.handler = toOwner;
}

/** One direction: what comes on one link leaves on the other. */
class Half implements LinkHandler {
  opposite!: Half;
  readonly #from: Link;
  readonly #to: Link;
  readonly #livenessOptions: LivenessOptions;
  #liveness: Liveness;
  /** The link is not read, because too much waits on the other. */
  #isPaused = false;
  /** Nothing was heard while the link was not read, which proves nothing. */
  #isSilent = false;
  #isBatching = false;
  #isOver = false;

  constructor(from: Link, to: Link, liveness: LivenessOptions) {
    this.#from = from;
    this.#to = to;
    this.#livenessOptions = liveness;
    this.#liveness = this.#watch();
  }

  onMessage(message: Buffer | string): void {
    this.#liveness.heard();
    if (!this.#isBatching) this.#batch();
    this.#to.send(message);
    if (this.#to.bufferedBytes > highWater && !this.#isPaused) {
      this.#isPaused = true;
      this.#from.pause();
    }
  }

  /** The link on which this half's messages leave has room: `opposite` hears of it, and calls this. */
  proceed(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    if (this.#isSilent) {
      this.#isSilent = false;
      this.#liveness = this.#watch();
    }
    this.#from.resume();
  }

  onDrain(): void {
    this.opposite.proceed();
  }

  onPong(): void {
    this.#liveness.pong();
  }

  onClose(code: number, reason: string): void {
    if (this.#isOver) return;
    this.#end();
    if (isSendableCode(code)) this.#to.close(code, reason);
    // A link that was cut, and not closed, is told as that: the session goes on over another link.
    else this.#to.terminate();
  }

  /** Messages that came in one piece leave in one. */
  #batch(): void {
    this.#isBatching = true;
    this.#to.cork();
    queueMicrotask(() => {
      this.#isBatching = false;
      this.#to.uncork();
    });
  }

  #watch(): Liveness {
    return new Liveness(this.#from, this.#livenessOptions, () => {
      if (this.#isPaused) this.#isSilent = true;
      else this.#from.terminate();
    });
  }

  #end(): void {
    for (const half of [this, this.opposite]) {
      half.#isOver = true;
      half.#liveness.stop();
    }
  }
}
