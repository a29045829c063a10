import { errorText, type RequestId } from "../message.js";

/** A response whose body is JSON. */
export function jsonResponse(text: string, status = 200, headers: Record<string, string> = {}): Response {
  return new Response(text, { status, headers: { "Content-Type": "application/json", ...headers } });
}

interface ErrorDetails {
  /** The request that the error answers. Default null: none could be read. */
  readonly id?: RequestId | null;
  readonly data?: unknown;
  readonly headers?: Record<string, string>;
}

/** An error of the bridge's own, for the host: a JSON-RPC error in the body, whatever the status. */
export function errorResponse(
  status: number,
  code: number,
  message: string,
  { id = null, data, headers = {} }: ErrorDetails = {},
): Response {
  return jsonResponse(errorText(id, code, message, data), status, headers);
}

/** 503 with the time after which the host should try again, in milliseconds. */
export function unavailable(message: string, retryAfterMs: number, id: RequestId | null = null): Response {
  const seconds = Math.max(1, Math.ceil(retryAfterMs / 1_000));
  return errorResponse(503, -32_603, message, { id, headers: { "Retry-After": String(seconds) } });
}
