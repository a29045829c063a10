import { isObject } from "mcp-tunnel-shared";
import { jsonAnswer, jsonResponse, unavailable } from "../http/answers.js";
import { EventStream, eventStreamHeaders } from "../http/event-stream.js";
import type { Unread } from "../http/unread.js";
import { errorCodes, errorText, type Message, type RequestId } from "../message.js";

type State =
  /** Nothing was sent to the visitor yet. */
  | {
      readonly name: "silent";
      readonly resolve: (response: Response) => void;
      readonly timer: NodeJS.Timeout;
    }
  | { readonly name: "streaming"; readonly stream: EventStream; isFull: boolean }
  | { readonly name: "over" };

/**
 * The statuses with which an error is answered that is the first message to the visitor, as the SDK's
 * endpoint of revision 2026-07-28 answers them. Other errors, such as those of a tool, have status 200.
 */
const statusOfError = new Map<unknown, number>([
  [errorCodes.parseError, 400],
  [errorCodes.invalidRequest, 400],
  [errorCodes.methodNotFound, 404],
  [errorCodes.headerMismatch, 400],
  [errorCodes.missingCapability, 400],
  [errorCodes.unsupportedVersion, 400],
]);

/**
 * The HTTP answer to one request: JSON if the first message for the visitor is the answer itself, otherwise a
 * stream of events. A request that gets no message for `keepAliveMs` is given the stream, because comments on
 * it keep proxies from giving the connection up.
 */
export class Exchange {
  readonly response: Promise<Response>;
  readonly #id: RequestId;
  readonly #keepAliveMs: number;
  readonly #unread: Unread;
  readonly #signal: AbortSignal;
  readonly #onAbort = (): void => this.#leave();
  readonly #onGone: () => void;
  #state: State;

  /**
   * @param request One that was not aborted yet.
   * @param onGone The visitor is gone, or takes too little: nothing can be sent any more. It is not called
   *   once the exchange has ended.
   */
  constructor(request: Request, id: RequestId, keepAliveMs: number, unread: Unread, onGone: () => void) {
    this.#id = id;
    this.#keepAliveMs = keepAliveMs;
    this.#unread = unread;
    this.#signal = request.signal;
    this.#onGone = onGone;
    let settle: (response: Response) => void = () => {};
    this.response = new Promise((resolve) => {
      settle = resolve;
    });
    const timer = setTimeout(() => this.#stream(), keepAliveMs);
    this.#state = { name: "silent", resolve: settle, timer };
    this.#signal.addEventListener("abort", this.#onAbort, { once: true });
  }

  /** Sends a notification. A visitor who has not taken what was sent before is given up. */
  notify(text: string): void {
    const streaming = this.#stream();
    if (streaming === undefined) return;
    const sent = streaming.isFull ? "refused" : streaming.stream.send(text);
    if (sent === "refused") this.#giveUp();
    else streaming.isFull = sent === "full";
  }

  /** Sends the answer, and ends the exchange. */
  answer(text: string, { value }: Message): void {
    const code = isObject(value["error"]) ? value["error"]["code"] : undefined;
    this.#end(text, () => jsonAnswer(this.#unread, this.#id, text, statusOfError.get(code) ?? 200));
  }

  /**
   * There will be no answer. `retryAfterMs`: when the visitor may try again; `undefined` if the server may
   * have begun to work on the request, which is then not to be repeated by a host that does so on 503.
   */
  fail(message: string, retryAfterMs: number | undefined): void {
    const text = errorText(this.#id, errorCodes.internalError, message);
    this.#end(text, () =>
      retryAfterMs === undefined ? jsonResponse(text) : unavailable(message, retryAfterMs, this.#id),
    );
  }

  /** Ends a stream that has no answer. */
  end(): void {
    const state = this.#over();
    if (state.name === "streaming") state.stream.end();
    else if (state.name === "silent") state.resolve(new Response(null, { status: 499 }));
  }

  /** Ends the exchange with `text` on the stream, or with a response if there is no stream. */
  #end(text: string, respond?: () => Response): void {
    const state = this.#over();
    if (state.name === "streaming") {
      // A visitor who is behind gets the last message all the same: there are no more to come.
      state.stream.answer(this.#id, text);
    } else if (state.name === "silent" && respond !== undefined) state.resolve(respond());
  }

  #stream(): Extract<State, { name: "streaming" }> | undefined {
    const state = this.#state;
    if (state.name !== "silent") return state.name === "streaming" ? state : undefined;
    clearTimeout(state.timer);
    const owner = {
      onTaken: () => this.#onTaken(),
      onGone: () => this.#leave(),
      onStalled: () => this.#giveUp(),
    };
    const stream = new EventStream(owner, this.#keepAliveMs, this.#unread);
    const streaming: State = { name: "streaming", stream, isFull: false };
    this.#state = streaming;
    state.resolve(new Response(stream.body, { headers: eventStreamHeaders }));
    return streaming;
  }

  #onTaken(): void {
    if (this.#state.name === "streaming") this.#state.isFull = false;
  }

  /** Cuts off a visitor who takes too little. */
  #giveUp(): void {
    this.#end(errorText(this.#id, errorCodes.internalError, "Too many messages waited to be taken"));
    this.#onGone();
  }

  #leave(): void {
    if (this.#state.name === "over") return;
    this.end();
    this.#onGone();
  }

  #over(): State {
    const state = this.#state;
    if (state.name === "silent") clearTimeout(state.timer);
    this.#signal.removeEventListener("abort", this.#onAbort);
    this.#state = { name: "over" };
    return state;
  }
}
