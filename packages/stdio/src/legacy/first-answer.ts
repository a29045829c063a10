import { isResponse, type Message, type RequestId } from "../message.js";

/** What became of the first request of a session. */
export type FirstOutcome =
  | { readonly type: "answered"; readonly answer: Message }
  /** The server has ended. */
  | { readonly type: "server ended" }
  /** The server has not answered in time. */
  | { readonly type: "timed out" }
  /** The visitor has left: nobody knows the session. */
  | { readonly type: "visitor left" }
  /** The bridge was closed. */
  | { readonly type: "closed" };

/** The wait for the answer to the first request of a session. */
export class FirstAnswer {
  readonly outcome: Promise<FirstOutcome>;
  readonly #id: RequestId;
  readonly #signal: AbortSignal;
  readonly #timeout: NodeJS.Timeout;
  readonly #onLeft = () => this.settle({ type: "visitor left" });
  #resolve: (outcome: FirstOutcome) => void = () => {};

  /** `signal`: that of the visitor's request. */
  constructor(id: RequestId, signal: AbortSignal, timeoutMs: number) {
    this.#id = id;
    this.#signal = signal;
    this.outcome = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    this.#timeout = setTimeout(() => this.settle({ type: "timed out" }), timeoutMs);
    signal.addEventListener("abort", this.#onLeft, { once: true });
    if (signal.aborted) this.#onLeft();
  }

  isAnsweredBy(message: Message): boolean {
    return isResponse(message) && message.value.id === this.#id;
  }

  /** Ends the wait. Only the first call counts. */
  settle(outcome: FirstOutcome): void {
    clearTimeout(this.#timeout);
    this.#signal.removeEventListener("abort", this.#onLeft);
    this.#resolve(outcome);
  }
}
