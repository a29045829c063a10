import { isMcp, jsonRpcRefusal, type RawHeaders } from "mcp-tunnel-protocol";
import { z } from "zod";

/** How many bytes of a request are read, at most, only to find its id. */
export const maxJsonRpcBytes = 65_536;

const request = z.object({ jsonrpc: z.literal("2.0"), id: z.union([z.string(), z.number()]).optional() });

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
    const parsed = request.safeParse(JSON.parse(body.toString("utf8")));
    return parsed.success ? (parsed.data.id ?? null) : undefined;
  } catch {
    return undefined;
  }
}
