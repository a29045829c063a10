import { errorResponse, unavailable } from "../http/answers.js";
import { errorCodes, type RequestId } from "../message.js";

// Statuses and texts are those of MCP's SDKs, where they have them.

/** After how long a visitor may try again when too much is pending, in milliseconds. */
const retryMs = 1_000;

export function sessionIdRequired(id: RequestId | null): Response {
  return badRequest("Bad Request: Mcp-Session-Id header is required", id);
}

export function sessionNotFound(id: RequestId | null = null): Response {
  return errorResponse(404, errorCodes.sessionNotFound, "Session not found", { id });
}

export function eventsNotKept(): Response {
  return badRequest("Bad Request: the events after this Last-Event-ID are no longer kept, or never were");
}

export function notAcceptable(): Response {
  return errorResponse(406, errorCodes.badRequest, "Not Acceptable: Client must accept text/event-stream");
}

export function secondStream(): Response {
  return errorResponse(409, errorCodes.badRequest, "Conflict: Only one SSE stream is allowed per session");
}

export function tooMuchPending(id: RequestId | null = null): Response {
  return unavailable("Too many requests of this session are pending", retryMs, id);
}

function badRequest(message: string, id: RequestId | null = null): Response {
  return errorResponse(400, errorCodes.badRequest, message, { id });
}
