import { closeCodes, TunnelError } from "mcp-tunnel-protocol";
import { messageOf } from "mcp-tunnel-shared";
import { anotherAttempt } from "./connect.js";
import type { Registration } from "./connect.js";

export interface AttemptsOptions {
  /** Registers once. `signal` gives the attempt up. */
  connect(signal: AbortSignal): Promise<Registration>;
  /**
   * Resumes the session that was lost (true), or opens a new one (false). If it throws, the attempt has
   * failed.
   */
  adopt(registration: Registration): boolean;
  onRegistered(registration: Registration, resumed: boolean): void;
  onFailed(reason: unknown): void;
}

/**
 * Attempts to register, one at a time: now, or after a wait. The result of an attempt that was given up or
 * replaced is thrown away.
 */
export class Attempts {
  readonly #options: AttemptsOptions;
  #running: AbortController | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: AttemptsOptions) {
    this.#options = options;
  }

  /** An attempt is under way, or planned. */
  get isActive(): boolean {
    return this.#running !== undefined || this.#timer !== undefined;
  }

  /** Begins an attempt, in the place of any that is under way or planned. */
  begin(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#running?.abort(anotherAttempt);
    const attempt = new AbortController();
    this.#running = attempt;
    this.#options.connect(attempt.signal).then(
      (registration) => this.#onRegistered(attempt, registration),
      (reason: unknown) => this.#onFailed(attempt, reason),
    );
  }

  beginAfter(delayMs: number): void {
    this.#timer = setTimeout(() => this.begin(), delayMs);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#running?.abort();
    this.#running = undefined;
  }

  #onRegistered(attempt: AbortController, registration: Registration): void {
    const { link } = registration;
    if (this.#running !== attempt) {
      if (attempt.signal.reason === anotherAttempt) link.terminate();
      else link.close(closeCodes.normal, "");
      return;
    }
    let resumed: boolean;
    try {
      resumed = this.#options.adopt(registration);
    } catch (error) {
      // The client does not want this tunnel, and the relay has done nothing wrong.
      const isOwn = error instanceof TunnelError && ["invalid_option", "refused"].includes(error.code);
      if (isOwn) link.close(closeCodes.normal, "the client cannot serve at this URL");
      else link.close(closeCodes.protocolError, messageOf(error));
      // A listener that was told of the ended session may have stopped all attempts.
      this.#onFailed(attempt, error);
      return;
    }
    this.#running = undefined;
    this.#options.onRegistered(registration, resumed);
  }

  #onFailed(attempt: AbortController, reason: unknown): void {
    if (this.#running !== attempt) return;
    this.#running = undefined;
    this.#options.onFailed(reason);
  }
}
