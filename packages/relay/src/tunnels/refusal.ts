import type { Route } from "mcp-tunnel-cluster/relay";
import type { Refusal, RefusalCode } from "mcp-tunnel-protocol";
import { withoutQuery } from "mcp-tunnel-shared";
import { type Limits, refusalLimit } from "../limits.js";

/** A request that the relay has refused, or an answer that it has cut. */
export interface RefusedRequest {
  code: RefusalCode;
  /** What the visitor got; `undefined` when an answer was cut after its head. */
  status: number | undefined;
  /** Empty when it is not known. */
  method: string;
  /** The target in origin form, with its query; empty when it is not known. */
  path: string;
  /** The limit by which it was refused. */
  limit?: keyof Limits | undefined;
}

/**
 * Tells the client of a route that a request was refused in its name. No other sign of the request reaches
 * the client.
 */
export function tellRefusal(
  route: Pick<Route, "takesRefusals" | "tellRefusals">,
  { code, status, method, path, limit }: RefusedRequest,
  limits: Limits,
): void {
  if (!route.takesRefusals) return;
  const refusal: Refusal = {
    code,
    status,
    count: 1,
    method,
    path: withoutQuery(path),
    limit: limit === undefined ? undefined : refusalLimit(limit, limits),
  };
  route.tellRefusals([refusal]);
}
