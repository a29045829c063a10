import { TunnelError } from "../errors.js";
import { maxFields, maxHeadBytes } from "../headers.js";
import type { Refusal } from "../refusals.js";
import { carriedBy } from "../tunnel.js";
import type {
  Carries,
  OpeningSession,
  RequestHead,
  SessionHandler,
  StreamHandler,
  TunnelStream,
} from "../tunnel.js";
import { decodeResponseHead } from "./decode.js";
import { canTravelAsRequest, encodeFields, encodeTarget } from "./encode.js";
import { endFlag, frameTypes, upgradeFlag } from "./frame.js";
import { encodeRefusals } from "./refused.js";
import { V1Session } from "./session.js";
import type { V1Options } from "./session.js";
import { V1Stream } from "./stream.js";
import { Violation } from "./violation.js";

/**
 * From this stream id on the relay asks the client to register anew, because ids have 32 bits and never start
 * over.
 */
const lastComfortableId = 0xf000_0000;
const lastId = 0xffff_fff0;

/** The relay's end of a version 1 session: it opens streams. */
export class V1RelaySession extends V1Session implements OpeningSession {
  readonly carries: Carries = carriedBy.v1;
  protected override readonly peerAnswers = true;
  readonly #maxStreams: number;
  protected lastStreamId = 0;

  constructor(handler: SessionHandler, options: V1Options = {}) {
    super(handler, options);
    this.#maxStreams = options.maxStreams ?? 1_024;
  }

  get heldBytes(): number {
    return this.queuedBytes + this.unacknowledgedBytes;
  }

  open(head: RequestHead, end: boolean, handler: StreamHandler): TunnelStream {
    if (this.closed) throw new TunnelError("session_closed", "the tunnel's session is over");
    if (this.peerGoing) throw new TunnelError("draining", "the client takes no new requests");
    if (this.streams.size >= this.#maxStreams) {
      throw new TunnelError("overloaded", `the tunnel already carries ${this.streams.size} streams`);
    }
    if (!this.sender.hasRoom) {
      throw new TunnelError("overloaded", "the client does not acknowledge what it was sent");
    }
    if (this.lastStreamId >= lastId) throw new TunnelError("overloaded", "the session has run out of ids");
    const target = encodeTarget(head);
    const fields = encodeFields(head.headers);
    if (target.length + fields.length > maxHeadBytes || head.headers.length > 2 * maxFields) {
      throw new TunnelError(
        "head_too_large",
        `the request head is over ${maxHeadBytes} bytes or ${maxFields} fields`,
      );
    }
    if (!canTravelAsRequest(fields, head)) {
      throw new TunnelError("invalid_option", "the request head is not HTTP");
    }
    this.lastStreamId += 1;
    const id = this.lastStreamId;
    if (id === lastComfortableId) this.goaway();
    const upgrade = head.upgrade === true;
    const stream = new V1Stream(id, this.streams, handler, this.windows, upgrade);
    this.streams.add(stream);
    const flags = (end ? endFlag : 0) | (upgrade ? upgradeFlag : 0);
    this.sender.text(frameTypes.request | flags, id, target, fields);
    stream.startWide();
    if (end) stream.localEndSent();
    return stream;
  }

  /** Returns false while there is no link, or while the client does not acknowledge what it was sent. */
  tellRefused(refusals: readonly Refusal[]): boolean {
    if (this.closed || !this.attached || !this.sender.hasRoom) return false;
    this.sender.text(frameTypes.refused, 0, encodeRefusals(refusals));
    return true;
  }

  protected override wasOpened(streamId: number): boolean {
    return streamId <= this.lastStreamId;
  }

  protected override receiveRefused(): void {
    throw new Violation("REFUSED is not for a client to send");
  }

  protected override receiveRequest(): void {
    throw new Violation("a client may not open streams");
  }

  protected override receiveAnswer(stream: V1Stream, type: number, end: boolean, payload: Buffer): void {
    const head = decodeResponseHead(payload);
    if (head === undefined) {
      this.refuseFields(stream);
      return;
    }
    const interim = head.status < 200 && head.status !== 101;
    if (interim !== (type === frameTypes.interim)) {
      throw new Violation(`status ${head.status} in the wrong frame`);
    }
    if (interim) stream.receiveInterim(head);
    else stream.receiveHead(head, end);
  }
}
