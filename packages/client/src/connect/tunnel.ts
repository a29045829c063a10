import { AnySpelling, closeCodes, TunnelError, visitorField } from "mcp-tunnel-protocol";
import { defaultWindow, JsonClientSession, V1ClientSession } from "mcp-tunnel-protocol/sessions";
import type {
  AcceptStream,
  Link,
  RegisterMessage,
  RequestHead,
  SessionHandler,
  Wire,
} from "mcp-tunnel-protocol";
import type { Registration } from "./connect.js";
import { ignored } from "../service/service.js";
import type { ResolvedOptions } from "../options.js";

/** How long a session without a link is worth keeping if the relay does not say, in milliseconds. */
const defaultResumeTimeoutMs = 60_000;

/** A session with the relay, on either wire, which may go on over another link. */
export interface Tunnel {
  readonly wire: Wire;
  /**
   * The relay closes a session normally only if it ends the session on purpose (PROTOCOL.md, section 9). An
   * original relay closes normally for any reason.
   */
  readonly isNormalCloseFinal: boolean;
  readonly streamCount: number;
  readonly rttMs: number | undefined;
  /**
   * The part of the next registration that resumes this session. Undefined if the session cannot be resumed.
   */
  readonly resume: RegisterMessage["resume"];
  probe(timeoutMs: number): void;
  /**
   * Goes on over another link, from the byte that the relay has reached.
   * @throws TunnelError when the session is over, or the two ends do not agree on how far they got.
   */
  goOn(link: Link, relayReceived: number): void;
  /** The link is gone: keeps the session as long as the relay does. */
  keep(): void;
  /** Takes no new streams. Resolves when the open streams have finished, or cannot finish. */
  finish(): Promise<void>;
  close(code: number, reason: string): void;
  /** Gives the session up: every stream ends with `error`. */
  destroy(error: TunnelError): void;
}

/**
 * Opens the session that a registration has agreed on.
 * @throws TunnelError `protocol_error` when the relay chose a version that was not offered.
 */
export function openTunnel(
  registration: Registration,
  accept: AcceptStream,
  handler: SessionHandler,
  options: ResolvedOptions,
): Tunnel {
  const { protocol, visitorAddress } = registration.acknowledge;
  const acceptChecked: AcceptStream = (stream, head, end) =>
    accept(stream, withoutTunnelFields(head, visitorAddress === true), end);
  if (protocol === undefined) return new JsonTunnel(registration, acceptChecked, handler, options);
  if (protocol === 1) return new V1Tunnel(registration, acceptChecked, handler, options);
  throw new TunnelError(
    "protocol_error",
    `the relay chose protocol version ${protocol}, which was not offered`,
  );
}

const tunnelFields = new AnySpelling([], ["x-tunnel-"]);

/**
 * Removes the fields by which the ends of a tunnel speak to the local service, because the visitor wrote them
 * (PROTOCOL.md, "Heads and trailers"). Our relay has done so; the client does not rely on it.
 * `isVisitorOwn`: the relay writes `X-Tunnel-Visitor`, so that this field stays.
 */
function withoutTunnelFields(head: RequestHead, isVisitorOwn: boolean): RequestHead {
  const { headers } = head;
  // This runs for every request, and nearly none has such a field.
  for (let i = 0; i < headers.length; i += 2) {
    if (isForeign(headers[i] as string, isVisitorOwn)) {
      return {
        ...head,
        headers: headers.filter((_, at) => !isForeign(headers[at - (at % 2)] as string, isVisitorOwn)),
      };
    }
  }
  return head;
}

function isForeign(name: string, isVisitorOwn: boolean): boolean {
  // Many names begin with `x-`, but few of them go on with a `t`, in either case.
  if ((name.charCodeAt(2) | 0x20) !== 0x74 || !tunnelFields.has(name)) return false;
  return !(isVisitorOwn && name.toLowerCase() === lowerVisitorField);
}

const lowerVisitorField = visitorField.toLowerCase();

class V1Tunnel implements Tunnel {
  readonly wire = "v1";
  readonly isNormalCloseFinal = true;
  readonly #session: V1ClientSession;
  readonly #ticket: { id: string; secret: string } | undefined;
  readonly #resumeTimeoutMs: number;
  #expiry: NodeJS.Timeout | undefined;

  constructor(
    { link, acknowledge }: Registration,
    accept: AcceptStream,
    handler: SessionHandler,
    options: ResolvedOptions,
  ) {
    this.#ticket = acknowledge.session;
    this.#resumeTimeoutMs = acknowledge.resumeTimeoutMs ?? defaultResumeTimeoutMs;
    this.#session = new V1ClientSession(accept, handler, {
      liveness: options.liveness,
      receiveWindow: defaultWindow,
      sendWindow: acknowledge.window ?? defaultWindow,
      // One stream more than the client serves. The client refuses it as `overloaded`, so that the visitor is
      // told to come back.
      maxStreams: options.maxStreams + 1,
    });
    this.#session.attach(link, 0);
  }

  get streamCount(): number {
    return this.#session.streamCount;
  }

  get rttMs(): number | undefined {
    return this.#session.rttMs;
  }

  get resume(): RegisterMessage["resume"] {
    if (this.#ticket === undefined || this.#session.closed) return undefined;
    return { session: this.#ticket.id, secret: this.#ticket.secret, received: this.#session.received };
  }

  probe(timeoutMs: number): void {
    this.#session.probe(timeoutMs);
  }

  goOn(link: Link, relayReceived: number): void {
    this.#session.attach(link, relayReceived);
    clearTimeout(this.#expiry);
  }

  keep(): void {
    this.#expiry = setTimeout(() => {
      this.destroy(
        new TunnelError("session_lost", `the relay was away for more than ${this.#resumeTimeoutMs} ms`),
      );
    }, this.#resumeTimeoutMs);
    this.#expiry.unref();
  }

  finish(): Promise<void> {
    if (!this.#session.attached) {
      this.destroy(new TunnelError("session_lost", "the client was closed while the relay was away"));
    }
    // Streams that the relay opens before it hears of this are served: `idle` waits until the relay has
    // heard.
    this.#session.goaway();
    return this.#session.idle();
  }

  close(code: number, reason: string): void {
    clearTimeout(this.#expiry);
    this.#session.close(code, reason);
  }

  destroy(error: TunnelError): void {
    clearTimeout(this.#expiry);
    this.#session.destroy(error);
  }
}

class JsonTunnel implements Tunnel {
  readonly isNormalCloseFinal = false;
  readonly resume = undefined;
  readonly #session: JsonClientSession;
  #finishing = false;

  constructor(
    { link }: Registration,
    accept: AcceptStream,
    handler: SessionHandler,
    options: ResolvedOptions,
  ) {
    const acceptUnlessFinishing: AcceptStream = (stream, head, end) => {
      const streamHandler = this.#finishing ? undefined : accept(stream, head, end);
      if (streamHandler !== undefined) return streamHandler;
      // This wire cannot tell the relay to stop sending requests.
      stream.reset("refused", "the client is closing");
      return ignored;
    };
    this.#session = new JsonClientSession(link, acceptUnlessFinishing, handler, {
      liveness: options.liveness,
      // One stream more than the client serves. The client refuses it as `overloaded`, so that the visitor is
      // told to come back.
      maxStreams: options.maxStreams + 1,
    });
  }

  get wire(): Wire {
    return this.#session.wire;
  }

  get streamCount(): number {
    return this.#session.streamCount;
  }

  get rttMs(): number | undefined {
    return this.#session.rttMs;
  }

  probe(timeoutMs: number): void {
    this.#session.probe(timeoutMs);
  }

  goOn(): void {
    throw new TunnelError("protocol_error", "the relay resumed a session of a wire that cannot");
  }

  /** Never called: a session of this wire ends with its link. */
  keep(): void {}

  finish(): Promise<void> {
    this.#finishing = true;
    return this.#session.idle();
  }

  close(code: number, reason: string): void {
    this.#session.close(code, reason);
  }

  destroy(error: TunnelError): void {
    this.#session.close(closeCodes.normal, error.message);
  }
}
