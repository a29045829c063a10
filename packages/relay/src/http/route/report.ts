import { plainAddress, withoutQuery } from "mcp-tunnel-shared";
import { type Limits, refusalLimit } from "../../limits.js";
import type { ExchangeOutcome } from "../../telemetry/observer.js";
import { noteAt } from "../../tunnels/directory.js";
import { tellRefusal } from "../../tunnels/refusal.js";
import { refusalCodeOf } from "../answer/errors.js";
import type { Refusal } from "../answer/refusal.js";
import type { ExchangeContext } from "../exchange/context.js";
import type { IncomingVisit } from "./visit.js";

/** The end of a visit that has not become an exchange. */
export interface VisitEnd {
  outcome: ExchangeOutcome;
  /** The status that the visitor got; `undefined` if there was no answer. */
  status: number | undefined;
  /** Bytes of the answer's body. */
  bytes: number;
  /** The code of the refusal, if it was refused. */
  code?: string;
  /** More than the code says, in words. */
  detail?: string | undefined;
}

/**
 * Tells the observers. `isNamed`: the request has passed the relay's own judges, and counts for its tunnel.
 */
export function reportVisit(
  { observers }: ExchangeContext,
  visit: IncomingVisit,
  { outcome, status, bytes, code, detail }: VisitEnd,
  isNamed: boolean,
): void {
  const visitor = isNamed ? visit.visitor : undefined;
  observers.onEnd({
    name: isNamed ? visit.name : undefined,
    address: visitor?.address ?? plainAddress(visit.req.remoteAddress),
    method: visit.method,
    path: withoutQuery(visit.path),
    status,
    requestBytes: 0,
    responseBytes: bytes,
    durationMs: performance.now() - visit.startedAt,
    outcome,
    code,
    detail,
    wire: undefined,
    requestId: visitor?.requestId,
    visitorRequestId: visitor?.visitorRequestId,
    httpVersion: visit.httpVersion,
    headers: visit.req.rawHeaders,
  });
}

/** What a tunnel's client is told of a request. */
export interface Asked {
  readonly method: string;
  readonly path: string;
}

/**
 * Tells the client of the tunnel of that name, if there is one, that a request was refused in its name, and
 * by which limit.
 */
export function tellClient(
  { directory, options }: ExchangeContext,
  name: string,
  refusal: Refusal,
  { method, path }: Asked,
  limit: keyof Limits | undefined,
): void {
  const { status } = refusal;
  const refused = { code: refusalCodeOf(refusal), status, method, path };
  const reached = limit && refusalLimit(limit, options);
  noteAt(directory, name, options.logger, (route) => tellRefusal(route, refused, reached));
}
