import { printable, stackOf } from "mcp-tunnel-shared";
import type { Limits } from "../../limits.js";
import { relayError } from "../answer/errors.js";
import { readRefusal, type Refusal } from "../answer/refusal.js";
import { refuse } from "../answer/respond.js";
import type { OpenExchange } from "../exchange/active-exchanges.js";
import type { ExchangeContext } from "../exchange/context.js";
import { isLater } from "../../tunnels/directory.js";
import type { Judge, Judgment } from "./judge.js";
import { reportVisit, tellClient, type VisitEnd } from "./report.js";
import { areChanges, readChanges } from "./request-changes.js";
import type { IncomingVisit } from "./visit.js";

/** What a hearing needs of the router. */
export interface HearingOwner {
  /** All judges let the visit pass. */
  onAdmitted(): void;
  /** Runs an event of a judge, of Node or of a timer for this visit. */
  guard(action: () => void): void;
}

/**
 * The state of a hearing.
 *
 *   judging -> over                   every judge lets it pass, or the visitor has left
 *   judging -> answering -> over      refused: the answer is on its way
 */
type State = "judging" | "answering" | "over";

/**
 * A visit before the judges of the program that embeds the relay, one after the other. While a judge takes
 * its time, the visit counts as an open exchange: it keeps its place among its address's requests, a visitor
 * who leaves ends it, and a relay that shuts down waits for it as long as for any exchange.
 */
export class Hearing implements OpenExchange {
  place = -1;
  readonly route = undefined;
  readonly requestBytes = 0;
  readonly responseBytes = 0;
  readonly #context: ExchangeContext;
  readonly #judges: readonly Judge[];
  readonly #visit: IncomingVisit;
  readonly #owner: HearingOwner;
  #state: State = "judging";
  #timer: NodeJS.Timeout | undefined;
  /** What the request holds meanwhile is counted with that of the requests that wait for a client. */
  #uncount: (() => void) | undefined;

  constructor(context: ExchangeContext, judges: readonly Judge[], visit: IncomingVisit, owner: HearingOwner) {
    this.#context = context;
    this.#judges = judges;
    this.#visit = visit;
    this.#owner = owner;
  }

  start(): void {
    this.#judge(() => this.#hear(0));
  }

  /** The relay stops. An answer that is on its way is cut with its connection. */
  cut(reason: string): void {
    if (this.#state !== "judging") return;
    this.#visit.giveUp();
    this.#owner.guard(() => this.#answer(relayError("tunnel_draining"), { detail: reason }));
  }

  /** Asks the judges. `from`: the first that has not answered. */
  #hear(from: number): void {
    for (let i = from; i < this.#judges.length; i++) {
      const word = this.#judges[i]?.(this.#visit);
      if (isLater(word)) {
        this.#await(word, i + 1);
        return;
      }
      if (!this.#letsPass(word)) return;
    }
    this.#admit();
  }

  /** Whether a judge lets the visit pass, perhaps with other fields. If not, the visitor gets an answer. */
  #letsPass(word: Judgment): boolean {
    if (word === undefined) return true;
    if (!areChanges(word)) {
      this.#refuse(word);
      return false;
    }
    const changes = readChanges(word);
    if (typeof changes !== "string") {
      this.#visit.change(changes);
      return true;
    }
    this.#fail(`the changes that it wants are not possible: ${changes}`);
    return false;
  }

  /**
   * Runs an action that asks a judge or reads its answer. All of this may throw, a getter of the answer too.
   * Once the visitor's answer is decided, a fault is the relay's own.
   */
  #judge(action: () => void): void {
    try {
      action();
    } catch (error) {
      if (this.#state !== "judging") throw error;
      this.#fail(stackOf(error));
    }
  }

  #await(word: PromiseLike<Judgment>, following: number): void {
    this.#hold();
    // One time limit for all judges together.
    this.#timer ??= setTimeout(
      () => this.#owner.guard(() => this.#onTimeout()),
      this.#context.options.responseTimeoutMs,
    );
    const settle = (action: () => void): void => {
      // Otherwise the answer comes too late: the visitor has left, or has been answered.
      if (this.#state === "judging") this.#owner.guard(() => this.#judge(action));
    };
    void Promise.resolve(word).then(
      (said) =>
        settle(() => {
          if (this.#letsPass(said)) this.#hear(following);
        }),
      (error: unknown) => settle(() => this.#fail(stackOf(error))),
    );
    this.#count();
  }

  #count(): void {
    if (this.#uncount !== undefined) return;
    const { holds, limits } = this.#context;
    const { name, body, address } = this.#visit;
    const counted = holds.wait(name, body.isPresent ? body.contentLength : 0, true, ignore);
    if (typeof counted !== "string") {
      this.#uncount = counted;
      return;
    }
    limits.hit("held_requests", { address, name });
    this.#visit.giveUp();
    this.#answer(relayError("tunnel_overloaded"), { limit: counted });
  }

  /** It waits for no judge any more. */
  #stopWaiting(): void {
    clearTimeout(this.#timer);
    this.#uncount?.();
  }

  #onTimeout(): void {
    const { address, name } = this.#visit;
    this.#context.limits.hit("response_time", { address, name });
    this.#visit.giveUp();
    this.#fail("it has not decided within the relay's time limit for a response", "responseTimeoutMs");
  }

  #admit(): void {
    this.#state = "over";
    this.#stopWaiting();
    if (this.#context.exchanges.delete(this)) this.#visit.res.unwatchClose(this.#onResponseClose);
    this.#owner.onAdmitted();
  }

  #refuse(said: Refusal): void {
    const refusal = readRefusal(said);
    if (typeof refusal === "string") this.#fail(`what it answers is no refusal: ${refusal}`);
    else this.#answer(refusal);
  }

  /** A fault of the judge. It costs only this visit. */
  #fail(error: string, limit?: keyof Limits): void {
    this.#hold();
    this.#context.options.logger.error({ name: printable(this.#visit.name), error }, "a judge failed");
    this.#answer({ ...relayError("internal_error"), status: 500 }, { limit });
  }

  #answer(refusal: Refusal, why: { detail?: string; limit?: keyof Limits | undefined } = {}): void {
    this.#hold();
    this.#state = "answering";
    this.#stopWaiting();
    const { options, draining } = this.#context;
    const { req, res, body, visitor, name } = this.#visit;
    if (draining) res.shouldKeepAlive = false;
    // A redirect, or the answer to a preflight, is no error.
    if (refusal.status >= 400) tellClient(this.#context, name, refusal, this.#visit, why.limit);
    const progress = { ...body, pending: body.isPresent, read: undefined };
    refuse(req, res, refusal, visitor.requestId, progress, {
      writeTimeoutMs: options.writeTimeoutMs,
      operator: options.operator,
      sent: (status, bytes) =>
        this.#end({ outcome: "refused", status, bytes, code: refusal.code, detail: why.detail }),
      guard: (action) => this.#owner.guard(action),
    });
  }

  /** From here on the visit counts as an open exchange, until it is admitted or over. */
  #hold(): void {
    const { exchanges } = this.#context;
    if (exchanges.has(this)) return;
    exchanges.add(this);
    this.#visit.req.on("error", ignore);
    this.#visit.res.on("error", ignore);
    this.#visit.res.watchClose(this.#onResponseClose);
  }

  /** The visitor has left. An answer that was handed over would have ended the hearing before. */
  readonly #onResponseClose = (): void => {
    if (!this.#context.exchanges.has(this)) return;
    this.#visit.giveUp();
    this.#owner.guard(() => this.#end({ outcome: "cancelled", status: undefined, bytes: 0 }));
  };

  #end(end: VisitEnd): void {
    this.#state = "over";
    this.#stopWaiting();
    if (!this.#context.exchanges.delete(this)) return;
    const { res, addressKey } = this.#visit;
    res.unwatchClose(this.#onResponseClose);
    if (addressKey !== undefined) this.#context.requests.leave(addressKey);
    reportVisit(this.#context, this.#visit, end, true);
  }
}

const ignore = (): void => {};
