import { isMcp, jsonRpcRefusal, type RawHeaders } from "mcp-tunnel-protocol";
import { isObject } from "mcp-tunnel-shared";

/** How many bytes of a request are read, at most, only to find its id. */
export const maxJsonRpcBytes = 65_536;

/**
 * The error object that a JSON-RPC client understands, or `undefined` when the request is not JSON-RPC.
 * `body`: what was read of the request. Without the whole of it the id is not known, and the error's id is
 * null.
 */
export function jsonRpcError(
  headers: RawHeaders,
  body: Buffer | undefined,
  code: string,
  status: number,
  text: string,
): string | undefined {
  const id = requestId(body);
  if (id === undefined && !isMcp(headers)) return undefined;
  return jsonRpcRefusal({ id: id ?? null, code, status, text });
}

/**
 * The request's id; null when it has none (a notification), `undefined` when the body is not a JSON-RPC
 * request.
 */
function requestId(body: Buffer | undefined): string | number | null | undefined {
  if (body === undefined || body.length > maxJsonRpcBytes) return undefined;
  try {
    const request: unknown = JSON.parse(body.toString("utf8"));
    if (!isObject(request) || request["jsonrpc"] !== "2.0") return undefined;
    const { id } = request;
    if (id === undefined) return null;
    return typeof id === "string" || (typeof id === "number" && Number.isFinite(id)) ? id : undefined;
  } catch {
    return undefined;
  }
}
