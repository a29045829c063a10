import type { Link } from "../link.js";
import { maxDataBytes } from "./frame.js";
import { FlightLimit } from "./flight-limit.js";
import { kept } from "./kept.js";
import { Outbox } from "./outbox.js";
import type { FramePort, TurnTaker } from "./ports.js";

/** A batch this large is sent at once. With `setImmediate` alone both processes would work in lockstep. */
const flushBytes = 8_192;
/**
 * DATA waits for its turn once this many bytes have not left the process, so that heads and small bodies get
 * ahead.
 */
const linkHighWaterBytes = 262_144;
/**
 * Chunks up to `smallChunkBytes` wait only once `smallChunkHighWaterBytes` have piled up, or once
 * `smallChunkFlights` times the flight limit is on its way.
 */
const smallChunkBytes = 4_096;
const smallChunkHighWaterBytes = 1_048_576;
const smallChunkFlights = 4;
/** Bytes that one stream may send in its turn. */
const turnBytes = 65_536;
/**
 * Bytes of DATA that go out between two turns of the event loop. Each of many large bodies may bring
 * megabytes in one turn, and a small request that arrives meanwhile would wait for all of them (measured: 8
 * times as long at the median).
 */
const loopTurnBytes = 131_072;

/** What a sender asks of its session, and tells it. */
export interface SenderOwner {
  /** The peer is owed an ACK that should leave with the next batch. */
  readonly wantsAck: boolean;
  sendOwedAck(): void;
  /** The peer acknowledges nothing, and too much has piled up for it. */
  onOverfull(): void;
}

/**
 * Puts the counted frames of a session on its links. It gathers them into batches, lets the streams' DATA
 * take turns, and keeps the frames that the peer has not acknowledged.
 */
export class Sender implements FramePort {
  readonly #owner: SenderOwner;
  readonly #maxUnacknowledged: number;
  readonly #outbox = new Outbox();
  readonly #flight = new FlightLimit();
  #link: Link | undefined;
  /**
   * Streams with DATA that waits for a turn, in the order of their turns. The set is made with its first use:
   * most tunnels never need it.
   */
  #waiting: Set<TurnTaker> | undefined;
  #pumping = false;
  #turnScheduled = false;
  #sentThisTurn = 0;
  #ended = false;

  /** `maxUnacknowledgedBytes`: beyond it streams wait; see `V1Options`. */
  constructor(owner: SenderOwner, maxUnacknowledgedBytes: number) {
    this.#owner = owner;
    this.#maxUnacknowledged = maxUnacknowledgedBytes;
  }

  /** Bytes that the peer has processed, as far as it has said so. */
  get acknowledged(): number {
    return this.#outbox.acknowledged;
  }

  /** Bytes kept until the peer acknowledges them. */
  get unacknowledgedBytes(): number {
    return this.#outbox.unacknowledgedBytes + this.#outbox.batchBytes;
  }

  /** Whether the bytes that the peer has not acknowledged leave room for more. */
  get hasRoom(): boolean {
    const own = this.#outbox.unacknowledgedBytes;
    return own < this.#maxUnacknowledged && kept.hasRoomForHead(own);
  }

  // ---- the link

  /** Goes on over this link, and sends again what is not acknowledged. */
  attach(link: Link): void {
    this.#link = link;
    this.#flight.restart();
    this.#send(this.#outbox.kept());
    this.flush();
    this.pump();
  }

  /** Goes on without a link: frames wait for the next one. */
  detach(): void {
    this.#link = undefined;
  }

  /** The session is over: nothing will be sent again. */
  end(): void {
    this.#ended = true;
    kept.change(this.#outbox.unacknowledgedBytes, 0);
  }

  /**
   * The peer has processed everything before `offset`. `minRttMs`: the link's shortest round trip.
   * @throws Violation for an offset outside what was sent and kept.
   */
  acknowledge(offset: number, minRttMs: number | undefined): void {
    const before = this.#outbox.acknowledged;
    const keptBefore = this.#outbox.unacknowledgedBytes;
    this.#outbox.acknowledge(offset);
    kept.change(keptBefore, this.#outbox.unacknowledgedBytes);
    this.#flight.acknowledged(offset - before, performance.now(), minRttMs);
  }

  // ---- frames

  text(typeAndFlags: number, streamId: number, payload: string, more = ""): void {
    this.#makeWay();
    this.#outbox.text(typeAndFlags, streamId, payload, more);
    this.#scheduleTurn();
  }

  number(typeAndFlags: number, streamId: number, payload: number): void {
    this.#makeWay();
    this.#outbox.number(typeAndFlags, streamId, payload);
    this.#scheduleTurn();
  }

  bytes(typeAndFlags: number, streamId: number, payload: Buffer): void {
    this.#makeWay();
    this.#outbox.bytes(typeAndFlags, streamId, payload);
    this.#sentThisTurn += payload.length;
    if (payload.length >= flushBytes) {
      this.flush();
      this.#flight.sent(this.#outbox.unacknowledgedBytes);
    }
    this.#scheduleTurn();
  }

  markEnd(streamId: number): boolean {
    return this.#outbox.markEnd(streamId);
  }

  /**
   * A batch that small frames have filled leaves when the next frame comes, not before: END may still be put
   * on its last frame. Otherwise one small response in seven ends in a frame of its own (measured: 8% of the
   * CPU time of both ends).
   */
  #makeWay(): void {
    if (this.#outbox.batchBytes >= flushBytes) this.flush();
  }

  /** Sends the batch now, or with the next link. */
  flush(): void {
    if (this.#outbox.batchBytes === 0 || this.#ended) return;
    const before = this.#outbox.unacknowledgedBytes;
    const batch = this.#outbox.take();
    kept.change(before, this.#outbox.unacknowledgedBytes);
    this.#send(batch);
  }

  #send(messages: readonly Buffer[]): void {
    const link = this.#link;
    if (link === undefined) return;
    const { wantsAck } = this.#owner;
    if (messages.length === 1 && !wantsAck) {
      link.send(messages[0] as Buffer);
      return;
    }
    link.cork();
    if (wantsAck) this.#owner.sendOwedAck();
    for (const message of messages) link.send(message);
    link.uncork();
  }

  // ---- turns

  canSendData(bytes: number): boolean {
    if (this.#link === undefined) return false;
    const unacknowledged = this.#outbox.unacknowledgedBytes;
    if (unacknowledged >= this.#maxUnacknowledged || !kept.hasRoomForData(unacknowledged)) {
      this.#flight.held();
      return false;
    }
    const isSmall = bytes <= smallChunkBytes;
    const waiting = this.#link.bufferedBytes + this.#outbox.batchBytes;
    if (waiting >= (isSmall ? smallChunkHighWaterBytes : linkHighWaterBytes)) {
      this.#flight.held();
      return false;
    }
    if (!isSmall && this.#sentThisTurn >= loopTurnBytes) return false;
    if (unacknowledged < this.#flight.bytes * (isSmall ? smallChunkFlights : 1)) return true;
    this.#flight.hit();
    return false;
  }

  awaitTurn(stream: TurnTaker): void {
    this.#waiting ??= new Set();
    this.#waiting.add(stream);
  }

  forget(stream: TurnTaker): void {
    this.#waiting?.delete(stream);
  }

  /** Gives turns to the streams that wait, as long as there is room. */
  pump(): void {
    const waiting = this.#waiting;
    if (this.#pumping || waiting === undefined || waiting.size === 0) return;
    this.#pumping = true;
    try {
      // A stream that wants another turn goes to the end of the set, and the loop reaches it again.
      for (const stream of waiting) {
        // Small chunks are held to this limit as well: they wait only if their stream has much to send.
        if (!this.canSendData(turnBytes)) break;
        waiting.delete(stream);
        if (this.#giveTurn(stream)) waiting.add(stream);
      }
    } finally {
      this.#pumping = false;
    }
  }

  #giveTurn(stream: TurnTaker): boolean {
    try {
      return stream.pump(turnBytes);
    } catch (error) {
      stream.fault(error);
      return false;
    }
  }

  /** In the next turn of the event loop the batch leaves, and DATA that has used up this turn goes on. */
  #scheduleTurn(): void {
    if (this.#turnScheduled) return;
    this.#turnScheduled = true;
    setImmediate(this.#onImmediate);
  }

  readonly #onImmediate = (): void => {
    this.#turnScheduled = false;
    this.#sentThisTurn = 0;
    this.flush();
    // DATA stops well before this limit, but heads and resets do not wait.
    if (this.#outbox.unacknowledgedBytes > 2 * (this.#maxUnacknowledged + maxDataBytes))
      this.#owner.onOverfull();
    this.pump();
  };
}
