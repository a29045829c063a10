import { errorCodes, errorText, type RequestId } from "../message.js";
import { shortBytes, type Unread } from "./unread.js";
import { UnreadBody } from "./unread-body.js";

/** A response whose body is JSON. */
export function jsonResponse(text: string, status = 200, headers: Record<string, string> = {}): Response {
  return new Response(text, { status, headers: jsonHeaders(headers) });
}

/** The server's answer to the request `id` as JSON, or an error in its place if there is no room for it. */
export function jsonAnswer(
  unread: Unread,
  id: RequestId,
  text: string,
  status = 200,
  headers: Record<string, string> = {},
): Response {
  const body = new UnreadBody(unread);
  if (!body.write(text)) body.force(tooMuchUnread(id));
  return unreadJson(body, status, headers);
}

/** A response whose JSON has been written into `body`. */
export function unreadJson(body: UnreadBody, status: number, headers: Record<string, string>): Response {
  body.end();
  // A short answer is worth no stream.
  const content = body.bytes <= shortBytes ? body.takeAll() : body.open();
  return new Response(content, { status, headers: jsonHeaders(headers) });
}

/** The text of the error in place of an answer that there is no room for. */
export function tooMuchUnread(id: RequestId): string {
  return errorText(id, errorCodes.internalError, "Too many answers wait to be taken");
}

function jsonHeaders(headers: Record<string, string>): Record<string, string> {
  return { "Content-Type": "application/json", ...headers };
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

/** 400 for what is no sound JSON-RPC, or out of place. */
export function invalidRequest(reason: string, id: RequestId | null = null): Response {
  return errorResponse(400, errorCodes.invalidRequest, `Invalid Request: ${reason}`, { id });
}

/** 503 with the time after which the host should try again, in milliseconds. */
export function unavailable(message: string, retryAfterMs: number, id: RequestId | null = null): Response {
  const seconds = Math.max(1, Math.ceil(retryAfterMs / 1_000));
  return errorResponse(503, errorCodes.internalError, message, {
    id,
    headers: { "Retry-After": String(seconds) },
  });
}
