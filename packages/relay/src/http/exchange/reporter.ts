import type { Pool, Route } from "mcp-tunnel-cluster/relay";
import type { RefusalCode } from "mcp-tunnel-protocol";
import { withoutQuery } from "mcp-tunnel-shared";
import { type LimitName, type Limits, refusalLimit } from "../../limits.js";
import type { ExchangeCode, ExchangeOutcome, Traffic } from "../../telemetry/observer.js";
import { reportFault } from "../../telemetry/report.js";
import { isPool, noteAt, unattended } from "../../tunnels/directory.js";
import { tellRefusal } from "../../tunnels/refusal.js";
import type { VisitorRequest } from "../message.js";
import type { ExchangeContext } from "./context.js";
import type { RouteLookup } from "./lookup.js";
import type { ExchangeRequest } from "./request.js";

/** Tells others of an exchange: the client of its tunnel, the observers, and the log of limits. */
export class ExchangeReporter {
  readonly #context: ExchangeContext;
  readonly #req: VisitorRequest;
  readonly #request: ExchangeRequest;
  readonly #lookup: RouteLookup;

  constructor(context: ExchangeContext, req: VisitorRequest, request: ExchangeRequest, lookup: RouteLookup) {
    this.#context = context;
    this.#req = req;
    this.#request = request;
    this.#lookup = lookup;
  }

  /** A limit has taken effect. */
  hitLimit(limit: LimitName): void {
    const { name, visitor } = this.#request;
    this.#context.limits.hit(limit, { address: visitor.address, name });
  }

  /**
   * Tells the client that the relay has answered in its tunnel's place, or cut an answer. `status`: what the
   * visitor gets; `undefined` when an answer is cut after its head.
   */
  refused(code: RefusalCode, status: number | undefined, limit?: keyof Limits): void {
    // The reset of the stream tells the client as much.
    if (code === "invalid_response") return;
    const { options } = this.#context;
    const refused = { code, status, method: this.#req.method ?? "", path: this.#request.path };
    const reached = limit && refusalLimit(limit, options);
    this.#note((route) => tellRefusal(route, refused, reached));
  }

  /** The exchange is over. `code` and `detail` say why it did not end well. */
  ended(
    outcome: ExchangeOutcome,
    status: number | undefined,
    { requestBytes, responseBytes }: Traffic,
    code?: ExchangeCode,
    detail?: string,
  ): void {
    const { name, path, visitor } = this.#request;
    const { route } = this.#lookup;
    try {
      if (route !== undefined) route.count(requestBytes, responseBytes);
      else this.#note((found) => found.count(requestBytes, responseBytes));
    } catch (error) {
      // A route may be a program's own. The observers hear of the exchange all the same.
      reportFault(this.#context.options.logger, name, error);
    }
    this.#context.observers.onEnd({
      name,
      address: visitor.address,
      method: this.#req.method ?? "",
      path: withoutQuery(path),
      status,
      requestBytes,
      responseBytes,
      durationMs: performance.now() - this.#request.startedAt,
      outcome,
      code,
      detail,
      wire: route === undefined || isPool(route) ? undefined : route.wire,
      requestId: visitor.requestId,
      visitorRequestId: visitor.visitorRequestId,
      httpVersion: this.#req.httpVersion,
      headers: this.#req.rawHeaders,
    });
  }

  /**
   * Calls `use` with the request's route. A request that was refused before the lookup concerns the tunnel of
   * its name as well.
   */
  #note(use: (route: Route | Pool) => void): void {
    const { directory, options } = this.#context;
    const { name } = this.#request;
    const { route, isStarted } = this.#lookup;
    if (route !== undefined) unattended(options.logger, name, () => use(route));
    else if (!isStarted) noteAt(directory, name, options.logger, use);
  }
}
