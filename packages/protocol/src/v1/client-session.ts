import type { AcceptStream, SessionHandler } from "../tunnel.js";
import { decodeRequestHead } from "./decode.js";
import { describeFrame, endFlag, upgradeFlag } from "./frame.js";
import { decodeRefusals } from "./refused.js";
import { V1Session } from "./session.js";
import type { V1Options } from "./session.js";
import { silence, V1Stream } from "./stream.js";
import { Violation } from "./violation.js";

/** Heads up to this size, in bytes, do not count as queued, because the number of streams is limited. */
const smallHeadBytes = 16_384;

/** The client's end of a version 1 session: it is told of each stream that the relay opens. */
export class V1ClientSession extends V1Session {
  protected override readonly peerAnswers = false;
  readonly #accept: AcceptStream;
  readonly #maxStreams: number;
  #lastStreamId = 0;

  constructor(accept: AcceptStream, handler: SessionHandler, options: V1Options = {}) {
    super(handler, options);
    this.#accept = accept;
    this.#maxStreams = options.maxStreams ?? 4_096;
  }

  protected override wasOpened(streamId: number): boolean {
    return streamId <= this.#lastStreamId;
  }

  protected override receiveRequest(flags: number, streamId: number, payload: Buffer): void {
    if (streamId <= this.#lastStreamId) {
      throw new Violation(`stream id ${streamId} is not above ${this.#lastStreamId}`);
    }
    this.#lastStreamId = streamId;
    const upgrade = (flags & upgradeFlag) !== 0;
    const head = decodeRequestHead(payload, upgrade);
    const end = (flags & endFlag) !== 0;
    const stream = new V1Stream(streamId, this.streams, silence, this.windows, upgrade);
    this.streams.add(stream);
    if (head === undefined) {
      this.refuseFields(stream);
      return;
    }
    if (this.streams.size > this.#maxStreams) {
      stream.reset("refused", `the client already serves ${this.#maxStreams} streams`);
      return;
    }
    if (payload.length > smallHeadBytes) stream.holdHead(payload.length);
    if (stream.finished) return;
    try {
      stream.accepted(this.#accept(stream, head, end));
      if (end) stream.receiveEnd([], false);
      else stream.startWide();
    } catch (error) {
      this.streams.fault(stream, error);
    }
  }

  protected override receiveRefused(payload: Buffer): void {
    if (this.handler.onRefused === undefined) throw new Violation("REFUSED was not announced");
    this.handler.onRefused(decodeRefusals(payload));
  }

  protected override receiveAnswer(stream: V1Stream, type: number, end: boolean, payload: Buffer): void {
    const flags = end ? endFlag : 0;
    throw new Violation(`not for a relay to send: ${describeFrame(type, flags, stream.id, payload.length)}`);
  }
}
