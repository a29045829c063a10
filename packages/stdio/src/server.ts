import { Backoff } from "./child/backoff.js";
import { Processes } from "./child/processes.js";
import { unavailable } from "./http/answers.js";
import { Endpoint, methodNotAllowed } from "./http/endpoint.js";
import { Unread } from "./http/unread.js";
import { unsupportedRevision } from "./legacy/revisions.js";
import { Sessions } from "./legacy/sessions.js";
import { isRequest, metaOf, type Message } from "./message.js";
import { isModernVersion, looksModern } from "./modern/looks-modern.js";
import { protocolVersionKey } from "./modern/meta-keys.js";
import { SharedServer } from "./modern/shared-server.js";
import { resolveOptions, type StdioOptions } from "./options.js";

/** An MCP server that speaks over stdin and stdout, served over HTTP. */
export interface StdioServer {
  /**
   * Answers a request to the server's endpoint, whatever its path. The request's `signal` has to abort when
   * the visitor leaves.
   */
  fetch(request: Request): Promise<Response>;
  /** Whether the server speaks revision 2026-07-28. It is asked at the first call, unless `era` tells. */
  probe(): Promise<boolean>;
  /**
   * Ends the streams on which nobody waits for an answer: GET streams and subscriptions. Hosts keep them open
   * for as long as they run, so that whoever waits for open requests before {@link close} would wait in vain.
   */
  drain(): void;
  /** Ends all processes. Resolves when they are gone. */
  close(): Promise<void>;
  /** The open sessions of revisions up to 2025-11-25. */
  readonly sessions: number;
}

/**
 * Serves an MCP server over HTTP (Streamable HTTP, all revisions). No process is started before the first
 * request.
 *
 * @throws TunnelError `invalid_option`
 */
export function createStdioServer(options: StdioOptions): StdioServer {
  const resolved = resolveOptions(options);
  const processes = new Processes(resolved);
  const unread = new Unread(resolved.maxUnreadBytes);
  // A process that is asked for its revision may exit at a request that it does not know. Sessions must not
  // wait for that.
  const sessions = new Sessions(resolved, processes.open("session"), new Backoff(resolved), unread);
  const shared = new SharedServer(
    resolved,
    (purpose) => processes.open(purpose),
    new Backoff(resolved),
    unread,
  );

  const isOfModernKind = (request: Request): boolean =>
    resolved.era === "modern" || isModernVersion(request.headers.get("MCP-Protocol-Version"));

  const endpoint = new Endpoint(resolved, {
    async post(request, messages, isBatch) {
      const [message] = messages;
      // Revision 2026-07-28 has no batches.
      if (message === undefined || isBatch || !looksModern(request, message)) {
        return sessions.post(request, messages, isBatch);
      }
      if (await shared.probe()) return shared.post(request, message);
      const id = isRequest(message) ? message.value.id : null;
      if (shared.waitMs > 0) return unavailable("The MCP server could not be started", shared.waitMs, id);
      return unsupportedRevision(revisionOf(request, message), id);
    },
    // Revision 2026-07-28 has neither.
    async get(request) {
      return isOfModernKind(request) ? methodNotAllowed("POST") : sessions.get(request);
    },
    async delete(request) {
      return isOfModernKind(request) ? methodNotAllowed("POST") : sessions.delete(request);
    },
  });

  return {
    fetch: (request) => endpoint.fetch(request),
    probe: () => shared.probe(),
    drain() {
      sessions.drain();
      shared.drain();
    },
    async close() {
      await Promise.all([sessions.close(), shared.close()]);
      await processes.close();
      // Visitors had time to take what they were told of the end.
      unread.close();
    },
    get sessions() {
      return sessions.size;
    },
  };
}

function revisionOf(request: Request, message: Message): string {
  const asked = request.headers.get("MCP-Protocol-Version") ?? metaOf(message)?.[protocolVersionKey];
  // A visitor may have written an object, and String() throws for some.
  return typeof asked === "string" ? asked : "(no text)";
}
