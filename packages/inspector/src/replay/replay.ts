import type { RequestEvent } from "mcp-tunnel-client";
import type { ResetCode } from "mcp-tunnel-protocol";
import type { Captured } from "../captured.js";
import type { Initialize } from "../mcp/view.js";
import { LegacySession } from "./legacy.js";
import type { Outgoing } from "./outgoing.js";
import { Sending } from "./sending.js";
import type { AnswerReader, Way } from "./sending.js";

/** How long a replay may take. A service that answers for ever holds a place until then. */
const maxDurationMs = 600_000;

/** What is sent, and in what kind of session. */
export interface Plan {
  readonly request: Outgoing;
  /**
   * `none`: a request that stands alone. `own`: a request of a session of MCP, for which one is begun.
   * `begins`: the request begins a session itself.
   */
  readonly session: "none" | "own" | "begins";
  readonly initialize: Initialize | undefined;
}

/** The request that was to be sent again: its entry, and its report once it is over. */
export interface Call {
  readonly entry: Captured;
  readonly over: Promise<RequestEvent>;
}

/**
 * One replay: the request that is sent again, and those of its session of MCP. All are captured, as replays
 * of the same exchange.
 */
export class Replay {
  readonly #way: Way;
  readonly #plan: Plan;
  readonly #session: LegacySession;
  readonly #ids = new Set<number>();
  readonly #open = new Set<Sending>();
  /** `closed`: the service takes nothing any more. */
  #state: "open" | "cancelled" | "closed" = "open";

  constructor(way: Way, plan: Plan) {
    this.#way = way;
    this.#plan = plan;
    this.#session = new LegacySession((request, reader) => this.#send(request, reader), plan.request);
  }

  /**
   * Sends the request, once its session has begun. If there is no session, the request's entry says why.
   * `onOver`: nothing is open any more.
   */
  async begin(onOver: () => void): Promise<Call> {
    const timer = setTimeout(
      () => this.#cut("upstream_timeout", `no end within ${maxDurationMs / 60_000} minutes`),
      maxDurationMs,
    );
    const end = (): void => {
      clearTimeout(timer);
      onOver();
    };
    try {
      const call = await this.#call();
      void call.over.then(() => this.#session.end()).finally(end);
      return call;
    } catch (error) {
      end();
      throw error;
    }
  }

  /** Whether one of the requests has this id. */
  has(id: number): boolean {
    return this.#ids.has(id);
  }

  /** The user wants no more of it. */
  cancel(): void {
    if (this.#state === "open") this.#state = "cancelled";
    this.#cut("cancelled", "cancelled in the inspector");
  }

  /** Nothing can be sent to the service any more. */
  close(): void {
    this.#state = "closed";
    this.#cut("cancelled", "the client was closed");
  }

  async #call(): Promise<Call> {
    const { request, session, initialize } = this.#plan;
    if (session !== "own") {
      const reader = session === "begins" ? this.#session.beginning : undefined;
      return this.#send(request, reader) ?? this.#failed("it was cancelled");
    }
    const problem = await this.#session.begin(initialize);
    if (problem !== undefined) return this.#failed(problem);
    if (this.#state !== "open") return this.#failed("it was cancelled");
    return this.#send(this.#session.request, this.#session.reader) ?? this.#failed("it was cancelled");
  }

  #send(request: Outgoing, reader?: AnswerReader): Sending | undefined {
    if (this.#state === "closed") return undefined;
    const sending = new Sending(this.#way, request, reader);
    this.#ids.add(sending.entry.id);
    this.#open.add(sending);
    void sending.over.then(() => this.#open.delete(sending));
    return sending;
  }

  /** An entry for the request that was not sent. */
  #failed(message: string): Call {
    const { head } = this.#plan.request;
    const { recorder, replayOf, name } = this.#way;
    const { entry, observer } = recorder.begin(head, replayOf, name);
    const { method, path } = head;
    const over = {
      method,
      path,
      status: undefined,
      durationMs: 0,
      requestBytes: 0,
      responseBytes: 0,
      error: { code: "upstream_failed" as const, message },
    };
    observer.onOver?.(over);
    return { entry, over: Promise.resolve(over) };
  }

  #cut(code: ResetCode, message: string): void {
    for (const sending of this.#open) sending.cut(code, message);
  }
}
