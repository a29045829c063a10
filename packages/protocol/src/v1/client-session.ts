import { TunnelError } from "../errors.js";
import type { AcceptStream, SessionHandler, StreamHandler } from "../tunnel.js";
import { decodeRequestHead } from "./decode.js";
import { describeFrame, endFlag, upgradeFlag } from "./frame.js";
import { V1Session } from "./session.js";
import type { V1Options } from "./session.js";
import { V1Stream } from "./stream.js";

/** Stands in until the accepting side has said who handles the stream. */
const nobody: StreamHandler = { onData() {}, onEnd() {}, onReset() {} };

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
      throw new TunnelError("protocol_error", `stream id ${streamId} is not above ${this.#lastStreamId}`);
    }
    this.#lastStreamId = streamId;
    const head = decodeRequestHead(payload, (flags & upgradeFlag) !== 0);
    const end = (flags & endFlag) !== 0;
    const stream = new V1Stream(streamId, this, nobody, this.windows);
    this.streams.set(streamId, stream);
    if (this.streams.size > this.#maxStreams) {
      stream.reset("refused", `the client already serves ${this.#maxStreams} streams`);
      return;
    }
    // Before the handler answers, so that an answer given at once finishes the stream.
    if (end) stream.remoteEndReceived();
    try {
      stream.handler = this.#accept(stream, head, end);
    } catch (error) {
      this.fault(stream, error);
      return;
    }
    if (end && this.streams.has(streamId)) stream.handler.onEnd([]);
  }

  protected override receiveAnswer(stream: V1Stream, type: number, end: boolean, payload: Buffer): void {
    const flags = end ? endFlag : 0;
    throw new TunnelError(
      "protocol_error",
      `not for a relay to send: ${describeFrame(type, flags, stream.id, payload.length)}`,
    );
  }

  /** The relay asks to register anew. */
  protected override receiveGoaway(): void {
    this.handler.onGoaway?.();
  }
}
