import { errorResponse } from "../http/answers.js";
import { errorCodes, type RequestId } from "../message.js";

/** The revisions of MCP that have sessions, the latest first, as MCP's SDKs list them in their error. */
export const legacyRevisions: readonly string[] = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];

/**
 * From this revision on a client takes an event without data (SEP-1699), which gives it an id to resume from
 * before there is a message.
 */
export const primingSince = "2025-11-25";

/**
 * 400 for a revision that a server with sessions does not speak. Hosts that know both eras fall back on it.
 */
export function unsupportedRevision(revision: string, id: RequestId | null): Response {
  const supported = legacyRevisions.join(", ");
  return errorResponse(
    400,
    errorCodes.badRequest,
    `Bad Request: Unsupported protocol version: ${revision} (supported versions: ${supported})`,
    { id },
  );
}
