import type { Link } from "../link.js";
import type { LivenessOptions } from "../liveness.js";
import type { AcceptStream, Session, SessionHandler, Wire } from "../tunnel.js";
import type { ClientStream, ClientStreamOwner } from "./client-stream.js";
import { JsonConnection } from "./connection.js";
import { guard, IdleWaiters } from "./guard.js";
import { defaultMaxQueuedBytes, stalledReader, StreamIntake } from "./intake.js";
import { headBytes, readRequest, type Message } from "./messages.js";
import { StreamingClientStream } from "./streaming-client-stream.js";
import { WholeClientStream } from "./whole-client-stream.js";

/** A sender is asked to wait once this many bytes wait for the link. */
const highWaterBytes = 1024 * 1024;

/** Options of a {@link JsonClientSession}. */
export interface JsonClientSessionOptions {
  /** When the link counts as dead. Default: see {@link LivenessOptions}. */
  liveness?: LivenessOptions;
  /** Streams open at one time; a relay may not make the client hold more. Default 1024. */
  maxStreams?: number;
  /**
   * Bytes held at one time, over all streams: heads of requests, and incomplete responses for a 0.1 relay. A
   * quarter as many bytes of request bodies may wait for their readers. Default 67,108,864.
   */
  maxQueuedBytes?: number;
}

/**
 * The client's end of the original's JSON wire (JSON-WIRE.md). A request with a `kind` comes from a 0.2 relay
 * and is answered piece by piece. A request without one comes from a 0.1 relay and is answered in one
 * message.
 */
export class JsonClientSession implements Session {
  #wire: Wire = "json";
  #nextId = 1;
  readonly #streams = new Map<string, ClientStream>();
  readonly #idle = new IdleWaiters();
  readonly #handler: SessionHandler;
  readonly #waiting = new Set<ClientStream>();
  readonly #connection: JsonConnection;
  readonly #accept: AcceptStream;
  readonly #maxStreams: number;
  readonly #maxQueuedBytes: number;
  #heldBytes = 0;

  /** The session takes the link over once the relay has acknowledged the registration. */
  constructor(
    link: Link,
    accept: AcceptStream,
    handler: SessionHandler,
    options: JsonClientSessionOptions = {},
  ) {
    this.#handler = handler;
    this.#accept = accept;
    this.#maxStreams = options.maxStreams ?? 1024;
    this.#maxQueuedBytes = options.maxQueuedBytes ?? defaultMaxQueuedBytes;
    this.#connection = new JsonConnection(
      link,
      options.liveness ?? {},
      {
        onMessage: (message) => this.#onMessage(message),
        onDrain: () => this.#onDrain(),
        onFault: (error) => handler.onFault?.(error),
        onClose: (error, code, reason) => {
          for (const stream of this.#streams.values()) {
            guard(handler, stream, () => stream.lost("session_lost", error.message));
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

  probe(timeoutMs?: number): void {
    this.#connection.probe(timeoutMs);
  }

  /** Does nothing: this wire has no message for it. */
  goaway(): void {}

  /** Resolves when no stream is open. Sent messages may still be on their way; they leave before a close. */
  idle(): Promise<void> {
    const idle = this.#idle.wait();
    if (this.#streams.size === 0) this.#idle.resolve();
    return idle;
  }

  close(code: number, reason: string): void {
    this.#connection.close(code, reason);
  }

  #onMessage(message: Message): void {
    switch (message.kind) {
      case "cancel": {
        const stream = this.#streams.get(message.id);
        if (stream === undefined) return;
        guard(this.#handler, stream, () => stream.lost("cancelled", "The visitor went away"));
        return;
      }
      case "request":
      case undefined:
        this.#onRequest(message);
    }
  }

  #onRequest(message: Message): void {
    // A second request with an id in use could not be told from the first.
    if (this.#streams.has(message.id)) return;
    const streaming = message.kind === "request";
    const request = readRequest(message);
    // A message without a method is no 0.1 request. It gets no answer because it may be of some other kind.
    if (typeof request === "string" && !streaming && message["method"] === undefined) return;
    if (this.#wire === "json") this.#wire = streaming ? "json-0.2" : "json-0.1";

    const intake = new StreamIntake(this.#connection.intake);
    const stream = new (streaming ? StreamingClientStream : WholeClientStream)(
      this.#nextId++,
      message.id,
      this.#owner,
      intake,
    );
    intake.onStalled = () => guard(this.#handler, stream, () => stream.cut("overloaded", stalledReader));
    // The original skips a request that it cannot read, and the visitor waits for the relay's timeout.
    if (typeof request === "string") {
      stream.reset("bad_message", `The relay's request is not usable: ${request}`);
      return;
    }
    if (this.#streams.size >= this.#maxStreams) {
      stream.reset("overloaded", `The client has ${this.#maxStreams} open requests, its limit`);
      return;
    }
    const { head, body } = request;
    this.#streams.set(message.id, stream);
    if (!stream.hold(headBytes(head))) return;
    if (body !== undefined) head.headers.push("Content-Length", String(body.length));
    guard(this.#handler, stream, () => {
      stream.handler = this.#accept(stream, head, body === undefined);
      stream.deliver(body);
    });
  }

  #onDrain(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const stream of waiting) guard(this.#handler, stream, () => stream.drained());
  }

  readonly #owner: ClientStreamOwner = {
    send: (messages, stream) => {
      this.#connection.send(...messages);
      if (this.#connection.bufferedBytes <= highWaterBytes) return true;
      this.#waiting.add(stream);
      return false;
    },
    guard: (stream, action) => guard(this.#handler, stream, action),
    hold: (bytes) => {
      this.#heldBytes += bytes;
      return this.#heldBytes <= this.#maxQueuedBytes;
    },
    mayHoldBack: () => this.#heldBytes + this.#connection.bufferedBytes <= this.#maxQueuedBytes / 4,
    remove: (stream) => {
      this.#streams.delete(stream.wireId);
      this.#waiting.delete(stream);
      if (this.#streams.size === 0) this.#idle.resolve();
    },
  };
}
