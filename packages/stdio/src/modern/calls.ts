import {
  cancelledOf,
  progressOf,
  type NotificationMessage,
  type RequestMessage,
  type ResponseMessage,
} from "../message.js";
import type { PipeEnd } from "../pipe.js";
import { subscriptionOf, toServer, toVisitor, type VisitorNames } from "./rewrite.js";

/** Who made a request. The texts have the ids of the visitor again. */
export interface Caller {
  notify(text: string): void;
  /** The last call. */
  answer(text: string, message: ResponseMessage): void;
  /** The server has ended one of its own accord: there will be no answer. The last call. */
  end(): void;
  /**
   * The process has ended, and with it all requests. `wasSent`: it may have begun to work on the request. The
   * last call.
   */
  fail(end: PipeEnd, wasSent: boolean): void;
}

interface Call {
  readonly caller: Caller;
  readonly names: VisitorNames;
  readonly isSubscription: boolean;
}

/**
 * How long a request that was cancelled is taken into account, in milliseconds. Servers need not answer one
 * (MCP 2026-07-28, "Cancellation"), so that its end is not always seen.
 */
const cancelledMs = 60_000;
const maxCancelled = 10_000;

/**
 * The requests to one process that have no answer yet, of all visitors. Each has a number that no other
 * request to the process has: it is the id and the progress token that the server sees.
 */
export class Calls {
  readonly #pending = new Map<number, Call>();
  /** When each request was cancelled, by `performance.now()`. The oldest is the first. */
  readonly #cancelled = new Map<number, number>();
  #last = 0;

  get size(): number {
    return this.#pending.size;
  }

  /** Enters a request. Returns its number, and its text for the server. */
  add(request: RequestMessage, caller: Caller): { number: number; text: string } {
    const number = ++this.#last;
    const { text, names } = toServer(request, number);
    const isSubscription = request.value.method === "subscriptions/listen";
    this.#pending.set(number, { caller, names, isSubscription });
    return { number, text };
  }

  /**
   * Forgets a request whose caller is gone. What the server still says about it is dropped. False: the
   * request had ended before.
   */
  cancel(number: number): boolean {
    const call = this.#pending.get(number);
    if (call === undefined) return false;
    this.#pending.delete(number);
    if (!call.isSubscription) this.#cancelled.set(number, performance.now());
    this.#forgetCancelled();
    return true;
  }

  /** Takes an answer to its caller. An answer to a request that was cancelled is dropped. */
  answer(message: ResponseMessage): void {
    const number = message.value.id;
    if (typeof number !== "number") return;
    const call = this.#pending.get(number);
    this.#pending.delete(number);
    this.#cancelled.delete(number);
    call?.caller.answer(toVisitor(message, number, call.names), message);
  }

  /** Takes a notification to the caller whom it concerns. False: nobody can be told to be the one. */
  notify(message: NotificationMessage): boolean {
    const number = this.#concernedBy(message);
    const call = number === undefined ? undefined : this.#pending.get(number);
    if (number === undefined || call === undefined) return false;
    if (progressOf(message) !== undefined && call.names.progressToken === undefined) return false;
    call.caller.notify(toVisitor(message, number, call.names));
    // A server that ends a subscription of its own accord sends no answer to it.
    if (call.isSubscription && cancelledOf(message) === number && this.#pending.delete(number))
      call.caller.end();
    return true;
  }

  /** Ends all subscriptions. Returns their numbers. */
  endSubscriptions(): number[] {
    const ended = [...this.#pending].filter(([, { isSubscription }]) => isSubscription);
    for (const [number, { caller }] of ended) {
      this.#pending.delete(number);
      caller.end();
    }
    return ended.map(([number]) => number);
  }

  /** Tells all callers that there will be no answers. */
  fail(end: PipeEnd): void {
    const calls = [...this.#pending.values()];
    this.#pending.clear();
    // A process that was never there has got nothing.
    const wasSent = end.code !== "not_found" && end.code !== "not_started";
    for (const { caller } of calls) caller.fail(end, wasSent);
  }

  #concernedBy(message: NotificationMessage): number | undefined {
    const named = concernOf(message);
    if (named === undefined) return this.#onlyOutstanding();
    return typeof named === "number" ? named : undefined;
  }

  /**
   * The request that a notification concerns which names none: the only one that the server can be working
   * on. Subscriptions do not count, because what is sent for them names them. A request that was cancelled
   * counts, because the server may still be working on it: its messages are nobody else's business.
   */
  #onlyOutstanding(): number | undefined {
    this.#forgetCancelled();
    if (this.#cancelled.size > 0) return undefined;
    let only: number | undefined;
    for (const [number, { isSubscription }] of this.#pending) {
      if (isSubscription) continue;
      if (only !== undefined) return undefined;
      only = number;
    }
    return only;
  }

  #forgetCancelled(): void {
    const oldest = performance.now() - cancelledMs;
    for (const [number, since] of this.#cancelled) {
      if (since > oldest && this.#cancelled.size <= maxCancelled) break;
      this.#cancelled.delete(number);
    }
  }
}

/** What a notification names as the request that it concerns. */
export function concernOf(message: NotificationMessage): unknown {
  return progressOf(message) ?? subscriptionOf(message) ?? cancelledOf(message);
}
