import { closeCodes } from "../close-codes.js";
import { resetCodes, StreamReset, TunnelError } from "../errors.js";
import type { ResetCode } from "../errors.js";
import type { Link } from "../link.js";
import { maxFields, type RawHeaders } from "../headers.js";
import type { LivenessOptions } from "../liveness.js";
import type { ResumableSession, SessionHandler } from "../tunnel.js";
import { Acks } from "./acks.js";
import type { AcksOwner } from "./acks.js";
import { Attachment } from "./attachment.js";
import type { AttachmentOwner } from "./attachment.js";
import { decodeTrailers } from "./decode.js";
import { writeFrameHeader } from "./encode.js";
import { describeFrame, endFlag, frameTypes, headerBytes } from "./frame.js";
import { Sender } from "./sender.js";
import type { SenderOwner } from "./sender.js";
import type { V1Stream } from "./stream.js";
import { Streams } from "./streams.js";
import type { StreamsOwner } from "./streams.js";
import { Violation } from "./violation.js";

/** Bytes of one stream that each end takes before it returns credit, unless it announces another number. */
export const defaultWindow = 1_048_576;

/** Options of a session of the binary protocol, at either end. */
export interface V1Options {
  /** When the link counts as dead. Default: see {@link LivenessOptions}. */
  liveness?: LivenessOptions;
  /** The window announced to the peer, in bytes. Default {@link defaultWindow}. */
  receiveWindow?: number;
  /** The window that the peer announced, in bytes. Default {@link defaultWindow}. */
  sendWindow?: number;
  /** Streams open at the same time. Default 1,024 for the relay, 4,096 for the client. */
  maxStreams?: number;
  /**
   * Received bytes, over all streams, that have not been passed on, and 256 for each chunk of them. Beyond
   * this number the stream with the most is reset. Default 67,108,864.
   */
  maxQueuedBytes?: number;
  /**
   * Bytes sent and not acknowledged at which streams have to wait, and no more are opened. At about twice as
   * many the session ends, because frames other than DATA never wait. Default 33,554,432.
   */
  maxUnacknowledgedBytes?: number;
  /** How much all windows of the session together may grow beyond their first size. Default 67,108,864. */
  maxWindowGrowthBytes?: number;
}

/**
 * A version 1 session (PROTOCOL.md): streams over a link that may be lost and replaced. relay-session.ts and
 * client-session.ts add what the two ends do differently.
 */
export abstract class V1Session implements ResumableSession {
  readonly wire = "v1";
  protected readonly handler: SessionHandler;
  protected readonly streams: Streams;
  protected readonly windows: { send: number; receive: number };
  /** The link; while there is none, the session waits for another unless it is closed. */
  #attachment: Attachment | undefined;
  #closed = false;
  readonly #liveness: LivenessOptions;
  /** Sends the frames of this end; streams use it themselves. */
  protected readonly sender: Sender;
  #goawaySent = false;
  /** The peer has sent GOAWAY. */
  protected peerGoing = false;
  readonly #acks: Acks;
  #idleWaiters: (() => void)[] = [];
  readonly #ports: AcksOwner & AttachmentOwner & SenderOwner & StreamsOwner;

  constructor(handler: SessionHandler, options: V1Options) {
    this.handler = handler;
    this.#liveness = options.liveness ?? {};
    this.windows = {
      send: options.sendWindow ?? defaultWindow,
      receive: options.receiveWindow ?? defaultWindow,
    };
    this.#ports = new V1Session.#Ports(this);
    this.#acks = new Acks(this.#ports);
    this.sender = new Sender(this.#ports, options.maxUnacknowledgedBytes ?? 33_554_432);
    this.streams = new Streams(this.sender, this.#ports, handler, {
      maxQueuedBytes: options.maxQueuedBytes ?? 67_108_864,
      maxWindowGrowthBytes: options.maxWindowGrowthBytes ?? 67_108_864,
    });
  }

  get received(): number {
    return this.#acks.received;
  }

  get acknowledged(): number {
    return this.sender.acknowledged;
  }

  /** Whether it has a link now. */
  get attached(): boolean {
    return this.#attachment !== undefined;
  }

  /** Whether it is over. */
  get closed(): boolean {
    return this.#closed;
  }

  /** This end has sent GOAWAY. */
  get leaving(): boolean {
    return this.#goawaySent;
  }

  get streamCount(): number {
    return this.streams.size;
  }

  get rttMs(): number | undefined {
    return this.#attachment?.liveness.rttMs;
  }

  /** Received bytes that have not been passed on, over all streams, and 256 for each chunk of them. */
  get queuedBytes(): number {
    return this.streams.queuedBytes;
  }

  /** Bytes kept until the peer acknowledges them. */
  get unacknowledgedBytes(): number {
    return this.sender.unacknowledgedBytes;
  }

  // ---- links

  attach(link: Link, peerReceived: number): void {
    if (this.#closed) throw new TunnelError("session_closed", "the session is over");
    this.sender.acknowledge(peerReceived, undefined);
    this.#unlink()?.terminate();
    const attachment = new Attachment(link, this.#onFrame, this.#liveness, this.#ports);
    this.#attachment = attachment;
    this.#acks.attach(this.peerGoing);
    link.handler = attachment;
    this.sender.attach(link);
    // `peerReceived` may have been the last missing acknowledgement.
    this.#checkIdle();
  }

  probe(timeoutMs?: number): void {
    this.#attachment?.liveness.probe(timeoutMs);
  }

  /**
   * Cuts the link, as if the network had cut it; the session waits for another. Does nothing without a link.
   */
  detach(cause: TunnelError): void {
    const link = this.#unlink();
    if (link === undefined) return;
    link.terminate();
    this.handler.onDetached?.(cause);
  }

  /** Takes the link away without a callback, and without a message to the peer. */
  #unlink(): Link | undefined {
    const attachment = this.#attachment;
    if (attachment === undefined) return undefined;
    this.#attachment = undefined;
    this.sender.detach();
    this.#acks.detach();
    attachment.release();
    return attachment.link;
  }

  #onLinkClose(attachment: Attachment, code: number, reason: string): void {
    // A link that was closed before it was attached reports it later, when another link may have taken its
    // place.
    if (this.#attachment !== attachment) return;
    this.#unlink();
    const error = closeError(code, reason, this.peerAnswers);
    if (error.code === "session_lost") this.handler.onDetached?.(error);
    else this.#end(error, code, reason);
  }

  // ---- the end

  goaway(): void {
    if (this.#closed || this.#goawaySent) return;
    this.#goawaySent = true;
    this.sender.text(frameTypes.goaway, 0, "");
  }

  close(code: number, reason: string): void {
    if (this.#closed) return;
    this.sender.flush();
    this.#unlink()?.close(code, reason);
    this.#end(new TunnelError("session_closed", reason || "the session was closed"), code, reason);
  }

  /** Ends the session with `error`, tells every stream of it, and cuts the link. */
  destroy(error: TunnelError): void {
    if (this.#closed) return;
    this.#unlink()?.terminate();
    this.#end(error);
  }

  idle(): Promise<void> {
    return new Promise((resolve) => {
      this.#idleWaiters.push(resolve);
      this.#checkIdle();
    });
  }

  #checkIdle(): void {
    if (this.#idleWaiters.length === 0) return;
    if (!this.#closed && (this.streams.size > 0 || this.unacknowledgedBytes > 0)) return;
    const waiters = this.#idleWaiters;
    this.#idleWaiters = [];
    for (const resolve of waiters) resolve();
  }

  #violation(error: Violation): void {
    this.#unlink()?.close(closeCodes.protocolError, error.message);
    this.#end(error);
  }

  #end(error: TunnelError, code?: number, reason?: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.sender.end();
    this.streams.fail(new StreamReset("session_lost", error.message));
    this.handler.onClose(error, code, reason);
    this.#checkIdle();
  }

  // ---- receiving

  #onLinkMessage(attachment: Attachment, message?: Buffer | string): void {
    if (this.#attachment !== attachment) return;
    try {
      if (typeof message === "string") throw new Violation("a text message in a version 1 session");
      if (message === undefined) attachment.decoder.proceed();
      else attachment.decoder.push(message);
      this.#acks.check();
      this.sender.pump();
    } catch (error) {
      if (error instanceof Violation) this.#violation(error);
      else this.#fault(error);
    }
  }

  /** A fault of this package: the state of the session is not known any more. */
  #fault(error: unknown): void {
    this.handler.onFault?.(error);
    this.close(closeCodes.internal, "internal error");
  }

  #sendAck(received: number): void {
    const frame = Buffer.allocUnsafe(headerBytes + 8);
    writeFrameHeader(frame, 0, frameTypes.ack, 8, 0);
    frame.writeUInt32BE(Math.floor(received / 0x1_0000_0000), headerBytes);
    frame.writeUInt32BE(received >>> 0, headerBytes + 4);
    this.#attachment?.link.send(frame);
  }

  readonly #onFrame = (type: number, flags: number, streamId: number, payload: Buffer): void => {
    if (type === frameTypes.ack) {
      const offset = payload.readUInt32BE(0) * 0x1_0000_0000 + payload.readUInt32BE(4);
      this.sender.acknowledge(offset, this.#attachment?.minRttMs);
      this.#checkIdle();
      return;
    }
    this.#acks.count(headerBytes + payload.length);
    if (type === frameTypes.goaway) {
      if (this.peerGoing) return;
      this.peerGoing = true;
      this.#acks.hurry();
      this.handler.onGoaway?.();
      return;
    }
    if (type === frameTypes.refused) {
      this.receiveRefused(payload);
      return;
    }
    if (type === frameTypes.request) {
      this.receiveRequest(flags, streamId, payload);
      return;
    }
    const stream = this.streams.get(streamId);
    if (stream === undefined) {
      if (this.wasOpened(streamId)) return; // The frame crossed the end of the stream.
      throw new Violation(`never opened: ${describeFrame(type, flags, streamId, payload.length)}`);
    }
    try {
      this.#receiveOn(stream, type, (flags & endFlag) !== 0, payload);
    } catch (error) {
      if (error instanceof Violation) throw error;
      this.streams.fault(stream, error);
    }
  };

  #receiveOn(stream: V1Stream, type: number, end: boolean, payload: Buffer): void {
    switch (type) {
      case frameTypes.data:
        stream.receiveData(payload, end, this.peerAnswers);
        return;
      case frameTypes.end:
        this.#receiveEnd(stream, decodeTrailers(payload));
        return;
      case frameTypes.credit:
        stream.receiveCredit(payload.readUInt32BE(0));
        return;
      case frameTypes.blocked:
        stream.receiveBlocked();
        return;
      case frameTypes.reset:
        if (payload.length < 2) throw new Violation("RESET without a code");
        stream.receiveReset(new StreamReset(resetName(payload.readUInt16BE(0)), payload.toString("utf8", 2)));
        return;
      default:
        this.receiveAnswer(stream, type, end, payload);
    }
  }

  #receiveEnd(stream: V1Stream, trailers: RawHeaders | undefined): void {
    if (trailers === undefined) this.refuseFields(stream);
    else stream.receiveEnd(trailers, this.peerAnswers);
  }

  /** Cuts the stream alone for too many fields: the frame is well-formed (PROTOCOL.md, section 2). */
  protected refuseFields(stream: V1Stream): void {
    this.streams.cut(stream, new StreamReset("bad_message", `more than ${maxFields} header fields`));
  }

  // ---- what its parts tell the session

  /**
   * The callbacks of the session's parts. Only a class inside `V1Session` sees its private members, and
   * closures would cost each tunnel half a kilobyte.
   */
  static readonly #Ports = class implements AcksOwner, AttachmentOwner, SenderOwner, StreamsOwner {
    readonly #session: V1Session;

    constructor(session: V1Session) {
      this.#session = session;
    }

    get minRttMs(): number | undefined {
      return this.#session.#attachment?.minRttMs;
    }

    get wantsAck(): boolean {
      return this.#session.#acks.wantsRide;
    }

    sendOwedAck(): void {
      this.#session.#acks.send();
    }

    sendAck(received: number): void {
      this.#session.#sendAck(received);
    }

    onStreamFinished(): void {
      this.#session.#checkIdle();
    }

    onOverfull(): void {
      const message = "the peer does not acknowledge what it was sent";
      this.#session.destroy(new TunnelError("overloaded", message));
    }

    onLinkMessage(attachment: Attachment, message?: Buffer | string): void {
      this.#session.#onLinkMessage(attachment, message);
    }

    onLinkDrain(): void {
      this.#session.sender.pump();
    }

    onLinkClose(attachment: Attachment, code: number, reason: string): void {
      this.#session.#onLinkClose(attachment, code, reason);
    }

    onLinkDead(): void {
      this.#session.detach(new TunnelError("timeout", "the link has gone silent"));
    }
  };

  // ---- what the two ends do differently

  /** True at the relay: the peer's direction starts with a response head. */
  protected abstract readonly peerAnswers: boolean;
  protected abstract wasOpened(streamId: number): boolean;
  protected abstract receiveRefused(payload: Buffer): void;
  protected abstract receiveRequest(flags: number, streamId: number, payload: Buffer): void;
  protected abstract receiveAnswer(stream: V1Stream, type: number, end: boolean, payload: Buffer): void;
}

const resetNames = new Map(
  Object.entries(resetCodes).map(([name, code]) => [code as number, name as ResetCode]),
);

function resetName(code: number): ResetCode {
  return resetNames.get(code) ?? "internal";
}

/**
 * The meaning of a link's close for the session (PROTOCOL.md, section 9). After `session_lost` the session
 * can be resumed.
 */
function closeError(code: number, reason: string, peerIsClient: boolean): TunnelError {
  const said = reason === "" ? "" : `: ${reason}`;
  switch (code) {
    case closeCodes.normal:
      return new TunnelError("session_closed", `the peer ended the session${said}`);
    case closeCodes.goingAway:
      // A client's process does not come back, but a relay's session may, behind the same address.
      if (!peerIsClient) break;
      return new TunnelError("session_closed", `the client is going away${said}`);
    case closeCodes.protocolError:
    case closeCodes.tooLarge:
      return new TunnelError("protocol_error", `the peer closed with ${code}${said}`);
    case closeCodes.authenticationFailed:
      return new TunnelError("refused", reason || "refused by the relay");
    case closeCodes.evicted:
      return new TunnelError("evicted", reason || "another client registered the name");
  }
  return new TunnelError("session_lost", `the link was lost (${code}${said})`);
}
