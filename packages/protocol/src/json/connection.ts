import { closeCodes } from "../close-codes.js";
import { TunnelError } from "../errors.js";
import type { Link } from "../link.js";
import { Liveness, type LivenessOptions } from "../liveness.js";
import { Intake } from "./intake.js";
import { isExcessive, parseMessage, type Message } from "./messages.js";

/** Callbacks of a {@link JsonConnection} for its session. */
export interface JsonConnectionHandler {
  onMessage(message: Message): void;
  onDrain(): void;
  /** `onMessage` threw; `onClose` follows. */
  onFault(error: unknown): void;
  /** Called once, as the last callback. */
  onClose(error: TunnelError, code: number, reason: string): void;
}

/**
 * The link of a session on the JSON wire. It parses messages, watches that the peer is alive, brakes and
 * closes.
 */
export class JsonConnection {
  readonly intake: Intake;
  #closed = false;
  #rttMs: number | undefined;
  #isOverfull = false;
  #liveness: Liveness;
  readonly #link: Link;
  readonly #livenessOptions: LivenessOptions;
  readonly #handler: JsonConnectionHandler;
  /**
   * Bytes that wait for the peer at which the session ends. All bodies that an end may hold fit into it in
   * base64.
   */
  readonly #maxUnsent: number;

  /** `maxQueuedBytes`: as in the sessions' options. */
  constructor(
    link: Link,
    livenessOptions: LivenessOptions,
    handler: JsonConnectionHandler,
    maxQueuedBytes: number,
  ) {
    this.#maxUnsent = 2 * maxQueuedBytes;
    this.#link = link;
    this.#livenessOptions = livenessOptions;
    this.#handler = handler;
    this.intake = new Intake(link, () => this.#onPauseOrResume(), maxQueuedBytes);
    link.handler = {
      onMessage: (message) => this.#onMessage(message),
      onDrain: () => {
        if (!this.#closed) this.#handler.onDrain();
      },
      onPong: () => this.#liveness.pong(),
      onClose: (code, reason) => this.#end(peerCloseError(code, reason), code, reason),
    };
    this.#liveness = this.#watch();
  }

  get closed(): boolean {
    return this.#closed;
  }

  get bufferedBytes(): number {
    return this.#link.bufferedBytes;
  }

  get rttMs(): number | undefined {
    return this.#liveness.rttMs ?? this.#rttMs;
  }

  /** Sends the messages in one write. */
  send(...messages: string[]): void {
    if (this.#closed) return;
    this.#link.cork();
    for (const message of messages) this.#link.send(message);
    this.#link.uncork();
    if (this.#isOverfull || this.#link.bufferedBytes <= this.#maxUnsent) return;
    this.#isOverfull = true;
    // The session ends in a later turn because `send` may run inside a call of a stream's handler.
    setImmediate(this.#onOverfull);
  }

  readonly #onOverfull = (): void => {
    if (this.#closed) return;
    this.#end(new TunnelError("overloaded", "The peer does not take what it is sent"), 1006, "");
    this.#link.terminate();
  };

  probe(timeoutMs?: number): void {
    this.#liveness.probe(timeoutMs);
  }

  close(code: number, reason: string): void {
    if (this.#closed) return;
    // A paused link would not read the peer's answer to the close.
    if (this.intake.paused) this.#link.resume();
    this.#end(new TunnelError("session_closed", `The session was closed here: ${reason}`), code, reason);
    this.#link.close(code, reason);
  }

  #onMessage(message: Buffer | string): void {
    if (this.#closed) return;
    this.#liveness.heard();
    if (typeof message === "string" && isExcessive(message)) {
      this.close(closeCodes.tooLarge, "the message has too much besides its body");
      return;
    }
    // Binary messages have no meaning here; the original skips them.
    const parsed = typeof message === "string" ? parseMessage(message) : undefined;
    if (parsed === undefined) return;
    try {
      this.#handler.onMessage(parsed);
    } catch (error) {
      // This is a fault of this package: the state of the session is not known any more.
      this.#handler.onFault(error);
      this.close(closeCodes.internal, "internal error");
    }
  }

  #end(error: TunnelError, code: number, reason: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#liveness.stop();
    this.intake.stop();
    this.#handler.onClose(error, code, reason);
  }

  #watch(): Liveness {
    return new Liveness(this.#link, this.#livenessOptions, () => this.#link.terminate());
  }

  /** A paused link reads no pongs either, so silence proves nothing about the peer. */
  #onPauseOrResume(): void {
    if (this.#closed) return;
    if (this.intake.paused) {
      this.#rttMs = this.#liveness.rttMs;
      this.#liveness.stop();
    } else this.#liveness = this.#watch();
  }
}

function peerCloseError(code: number, reason: string): TunnelError {
  const said = reason === "" ? `close code ${code}` : `close code ${code}, ${reason}`;
  switch (code) {
    case closeCodes.authenticationFailed:
      return new TunnelError("refused", `The relay refused the client: ${reason}`);
    case closeCodes.evicted:
      return new TunnelError("evicted", reason === "" ? "Another client registered the same name" : reason);
    case closeCodes.normal:
    case closeCodes.goingAway:
      return new TunnelError("session_closed", `The peer closed the session (${said})`);
    default:
      return new TunnelError("session_lost", `The connection to the peer was lost (${said})`);
  }
}
