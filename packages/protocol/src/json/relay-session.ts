import { TunnelError } from "../errors.js";
import type { Link } from "../link.js";
import type { LivenessOptions } from "../liveness.js";
import { carriedBy } from "../tunnel.js";
import type {
  Carries,
  OpeningSession,
  RequestHead,
  SessionHandler,
  StreamHandler,
  TunnelStream,
  Wire,
} from "../tunnel.js";
import { JsonConnection } from "./connection.js";
import { guard, IdleWaiters } from "./guard.js";
import { defaultMaxQueuedBytes, queuedShare, StreamIntake } from "./intake.js";
import { readReply, writeCancel, type Message } from "./messages.js";
import { RelayStream, type RelayStreamOwner } from "./relay-stream.js";

/**
 * Share of `maxQueuedBytes` that may wait for the link, with one more body in base64. The link breaks at a
 * share of 2.
 */
const bodiesShare = 1.5;

/** Options of a {@link JsonRelaySession}. */
export interface JsonRelaySessionOptions {
  /** When the link counts as dead. Default: see {@link LivenessOptions}. */
  liveness?: LivenessOptions;
  /** Largest body of a 0.1 response, in bytes; the receiver counts 0.2 bodies. Default 10 MiB. */
  maxResponseBody?: number;
  /** Streams open at one time. Default 1024. */
  maxStreams?: number;
  /**
   * Bytes of incomplete request bodies held at one time, over all streams. As many bytes of complete
   * responses may wait for visitors. A quarter as many bytes may wait for the link, and a quarter as many of
   * incomplete responses for visitors. Default 67,108,864.
   */
  maxQueuedBytes?: number;
}

/**
 * The relay's end of the original's JSON wire (JSON-WIRE.md). It serves 0.1 and 0.2 clients alike: the shape
 * of a response shows the client's version.
 */
export class JsonRelaySession implements OpeningSession {
  readonly carries: Carries = carriedBy.json;
  readonly heldBytes = 0;
  readonly leaving = false;
  #wire: Wire = "json";
  #nextId = 1;
  #collectedBytes = 0;
  readonly #streams = new Map<string, RelayStream>();
  readonly #idle = new IdleWaiters();
  readonly #handler: SessionHandler;
  readonly #connection: JsonConnection;
  readonly #maxStreams: number;
  readonly #maxQueuedBytes: number;
  readonly #owner: RelayStreamOwner;

  /** The session takes over an open link whose client was acknowledged. */
  constructor(link: Link, handler: SessionHandler, options: JsonRelaySessionOptions = {}) {
    this.#handler = handler;
    this.#maxStreams = options.maxStreams ?? 1024;
    this.#maxQueuedBytes = options.maxQueuedBytes ?? defaultMaxQueuedBytes;
    this.#owner = this.#streamOwner(options.maxResponseBody ?? 10 * 1024 * 1024);
    this.#connection = new JsonConnection(
      link,
      options.liveness ?? {},
      {
        onMessage: (message) => this.#onMessage(message),
        onDrain: () => {},
        onFault: (error) => handler.onFault?.(error),
        onClose: (error, code, reason) => {
          for (const stream of this.#streams.values()) {
            guard(handler, stream, () => stream.cut("session_lost", error.message));
          }
          handler.onClose(error, code, reason);
        },
      },
      this.#maxQueuedBytes,
    );
  }

  get wire(): Wire {
    return this.#wire;
  }

  get streamCount(): number {
    return this.#streams.size;
  }

  get rttMs(): number | undefined {
    return this.#connection.rttMs;
  }

  /** `head.upgrade` is ignored: the wire carries no upgrades, so the request goes as an ordinary one. */
  open(head: RequestHead, end: boolean, handler: StreamHandler): TunnelStream {
    if (this.#connection.closed) {
      throw new TunnelError("session_closed", "The tunnel's session has ended");
    }
    if (this.#streams.size >= this.#maxStreams) {
      throw new TunnelError("overloaded", `The tunnel has ${this.#maxStreams} open streams, its limit`);
    }
    const maxWaiting = this.#maxQueuedBytes * queuedShare;
    if (this.#connection.bufferedBytes > maxWaiting) {
      throw new TunnelError("overloaded", `Over ${maxWaiting} bytes wait to be sent to the client`);
    }
    const intake = new StreamIntake(this.#connection.intake);
    const stream = new RelayStream(this.#nextId++, head, handler, this.#owner, intake);
    intake.onStalled = () => {
      guard(this.#handler, stream, () => stream.stalled());
      this.#handler.onOverloaded?.();
    };
    this.#streams.set(stream.wireId, stream);
    if (end) stream.end();
    return stream;
  }

  probe(timeoutMs?: number): void {
    this.#connection.probe(timeoutMs);
  }

  /** Does nothing: this wire has no message for it. */
  goaway(): void {}

  /** Does nothing: this wire has no message for it. */
  tellRefused(): boolean {
    return false;
  }

  /** Resolves when no stream is open. Sent messages may still be on their way; they leave before a close. */
  idle(): Promise<void> {
    const idle = this.#idle.wait();
    if (this.#streams.size === 0) this.#idle.resolve();
    return idle;
  }

  close(code: number, reason: string): void {
    this.#connection.close(code, reason);
  }

  #streamOwner(maxResponseBody: number): RelayStreamOwner {
    return {
      maxResponseBody,
      send: (message) => this.#connection.send(message),
      cancel: (wireId) => {
        // A 0.1 client would skip a cancel, which has no method. A client that has not answered yet may be
        // 0.1 or 0.2.
        if (this.#wire !== "json-0.1") this.#connection.send(writeCancel(wireId));
      },
      remove: (stream) => {
        this.#streams.delete(stream.wireId);
        if (this.#streams.size === 0) this.#idle.resolve();
      },
      collect: (bytes) => {
        this.#collectedBytes += bytes;
        if (this.#collectedBytes <= this.#maxQueuedBytes) return true;
        if (bytes > 0) this.#handler.onOverloaded?.();
        return false;
      },
      mayQueue: (bytes) => {
        const inBase64 = (bytes * 4) / 3;
        if (this.#connection.bufferedBytes + inBase64 <= this.#maxQueuedBytes * bodiesShare) return true;
        this.#handler.onOverloaded?.();
        return false;
      },
    };
  }

  #onMessage(message: Message): void {
    // An unknown id belongs to a request that was cancelled a moment ago or answered already, or to none of
    // ours.
    const stream = this.#streams.get(message.id);
    if (stream === undefined) return;
    const reply = readReply(message);
    if (reply === undefined) return;
    if (this.#wire === "json") this.#wire = message.kind === undefined ? "json-0.1" : "json-0.2";
    guard(this.#handler, stream, () => stream.receive(reply));
  }
}
