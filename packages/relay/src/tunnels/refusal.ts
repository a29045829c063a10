import type { Route } from "mcp-tunnel-cluster/relay";
import type { RefusalCode, RefusalLimit } from "mcp-tunnel-protocol";
import { withoutQuery } from "mcp-tunnel-shared";

/** A request that the relay has refused, or an answer that it has cut. */
export interface RefusedRequest {
  code: RefusalCode;
  /** What the visitor got; `undefined` when an answer was cut after its head. */
  status: number | undefined;
  /** Empty when it is not known. */
  method: string;
  /** The target in origin form, with its query; empty when it is not known. */
  path: string;
}

/**
 * Tells the client of a route that a request was refused in its name. No other sign of the request reaches
 * the client. `limit`: the one by which it was refused, if it was one.
 */
export function tellRefusal(
  route: Pick<Route, "takesRefusals" | "tellRefusals">,
  { code, status, method, path }: RefusedRequest,
  limit: RefusalLimit | undefined,
): void {
  if (!route.takesRefusals) return;
  route.tellRefusals([{ code, status, count: 1, method, path: withoutQuery(path), limit }]);
}
