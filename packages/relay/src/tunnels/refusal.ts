import type { Refusal, RefusalCode } from "mcp-tunnel-protocol";
import { withoutQuery } from "mcp-tunnel-shared";
import { type Limits, refusalLimit } from "../limits.js";
import type { Tunnel } from "./tunnel.js";

/** A request that the relay has refused, or an answer that it has cut. */
export interface RefusedRequest {
  code: RefusalCode;
  /** What the visitor got; `undefined` when an answer was cut after its head. */
  status: number | undefined;
  /** Empty when it is not known. */
  method: string;
  /** The target in origin form, with its query; empty when it is not known. */
  path: string;
  /** By which limit it was refused. */
  limit?: keyof Limits | undefined;
}

/**
 * Tells a tunnel's client that a request was refused in its name: it sees nothing of what does not reach it.
 */
export function tellRefusal(
  tunnel: Tunnel | undefined,
  { code, status, method, path, limit }: RefusedRequest,
  limits: Limits,
): void {
  if (tunnel?.info.takesRefusals !== true) return;
  const refusal: Refusal = {
    code,
    status,
    count: 1,
    method,
    path: withoutQuery(path),
    limit: limit === undefined ? undefined : refusalLimit(limit, limits),
  };
  tunnel.tellRefusals([refusal]);
}
