import { failed, ok, skipped, warning } from "mcp-tunnel-shared/command";
import type { Finding } from "mcp-tunnel-shared/command";
import type { Case } from "./case.js";
import { lookAtMcp } from "./mcp-look.js";
import type { Ask } from "./question.js";
import { askAt } from "./visit.js";

/** Whether an MCP server answers from outside as it does here. */
export async function publicMcpFinding(it: Case, path: string, signal: AbortSignal): Promise<Finding> {
  const { publicUrl, trial } = it;
  if (publicUrl === undefined || (trial === undefined && !it.isInUse)) return skipped("there is no tunnel");
  const local = it.looks.get(path)?.greeting;
  if (local !== undefined && local.server === undefined && !local.isLoginNeeded) {
    return skipped("there is none here either");
  }
  const bare = askAt(publicUrl, it.wayTo(publicUrl));
  const ask: Ask = (question, stop) =>
    bare({ ...question, headers: { ...trial?.keyHeaders, ...question.headers } }, stop);
  const { greeting, tools } = await lookAtMcp(ask, path, signal);
  const where = new URL(path, publicUrl).href;
  if (trial === undefined) it.openTools.set(path, tools);
  if (greeting.server === undefined) {
    if (!greeting.isLoginNeeded) {
      return failed(
        `${where} gives no MCP: ${greeting.said}`,
        trial === undefined ? "Does the client that has the name serve this service?" : undefined,
      );
    }
    const isAsLocal = local?.server === undefined && local?.isLoginNeeded === true;
    if (isAsLocal || trial === undefined) return ok(`${where} wants visitors to sign in (401)`);
    return failed(`${where} wants visitors to sign in (401), which the service itself does not`);
  }
  if (local?.server === undefined || local.server.title === greeting.server.title) {
    return ok(`${greeting.server.title}, answers at ${where}`);
  }
  return failed(
    `${greeting.server.title}, answers at ${where}, and ${local.server.title}, here`,
    "The client that has the name serves another service.",
  );
}

/** Whether everybody may use the tools. */
export function openToolsFinding(it: Case, path: string): Finding {
  const { trial, settings, openTools, looks } = it;
  const local = looks.get(path)?.greeting;
  if (local?.server === undefined && local?.isLoginNeeded !== true) return skipped("there is no MCP server");
  // A client that has the name was visited without a key.
  const wasVisited = trial === undefined && openTools.has(path);
  const kinds = settings.tunnel?.visitors?.kinds ?? [];
  if (!wasVisited && kinds.length > 0) return ok(`visitors have to show a proof: ${kinds.join(", ")}`);
  const tools = wasVisited ? openTools.get(path) : looks.get(path)?.tools;
  if (tools === undefined) return ok("nobody is told the tools without a login");
  return warning(
    `tools/list is answered without authentication (${tools === 1 ? "1 tool" : `${tools} tools`}): everybody who ` +
      "knows or guesses the URL can use this MCP server with your rights",
    "--visitor-auth oauth,bearer lets in those whom you allow.",
  );
}
