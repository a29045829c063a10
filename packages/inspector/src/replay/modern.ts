import { headerValue } from "mcp-tunnel-protocol";
import type { RawHeaders } from "mcp-tunnel-protocol";
import {
  encodeHeaderValue,
  isObject,
  mcpNameMember,
  mcpParamHeaders,
  mcpParamText,
  mcpParamValue,
  splice,
} from "mcp-tunnel-shared";
import type { ToolInfo } from "../model.js";
import { withBody, withField } from "./outgoing.js";
import type { Outgoing } from "./outgoing.js";

/**
 * A number for the next request. A server may still be at work on the captured one, and some servers count
 * all requests of their clients together.
 */
let nextId = 1_000_000 + Math.floor(Math.random() * 1_000_000_000);

/**
 * A request of revision 2026-07-28 under an id of its own. Its progress has the same name. All else in the
 * text stays byte for byte.
 */
export function withNewId(request: Outgoing): Outgoing {
  // One char for each byte, so that bytes that are no UTF-8 stay as they are too.
  const text = request.body.toString("latin1");
  if (parsed(text) === undefined) return request;
  const to = String((nextId += 1));
  const edits = [
    { path: ["id"], to },
    { path: ["params", "_meta", "progressToken"], to },
  ];
  return withBody(request, Buffer.from(splice(text, edits).text, "latin1"));
}

/**
 * The header fields that repeat parts of the message, after the message was edited (MCP 2026-07-28,
 * Streamable HTTP, "Standard Request Headers" and "Custom Headers from Tool Parameters"). A field that the
 * user has written himself stays as he wrote it, so that he can try what the server says to it.
 *
 * @param captured The fields of the captured request.
 */
export function withMcpFields(
  request: Outgoing,
  captured: RawHeaders,
  toolOf: (name: string) => ToolInfo | undefined,
): Outgoing {
  const message = parsed(request.body.toString());
  if (message === undefined || typeof message["method"] !== "string") return request;
  const params = isObject(message["params"]) ? message["params"] : {};
  let { headers } = request.head;
  const given = headers;
  const set = (name: string, text: string | undefined): void => {
    const field = name.toLowerCase();
    if (headerValue(given, field) !== headerValue(captured, field)) return;
    headers = withField(headers, name, text === undefined ? undefined : encodeHeaderValue(text));
  };
  const method = message["method"];
  const member = mcpNameMember(method);
  const subject = member === undefined ? undefined : params[member];
  set("Mcp-Method", method);
  set("Mcp-Name", typeof subject === "string" ? subject : undefined);
  const tool = method === "tools/call" && typeof subject === "string" ? toolOf(subject) : undefined;
  if (tool !== undefined) {
    for (const name of paramFieldsOf(given)) set(name, undefined);
    for (const declared of mcpParamHeaders(tool.inputSchema)) {
      const value = mcpParamValue(params["arguments"], declared);
      set(`Mcp-Param-${declared.name}`, mcpParamText(value));
    }
  }
  return { ...request, head: { ...request.head, headers } };
}

function paramFieldsOf(headers: RawHeaders): string[] {
  return headers.filter((name, index) => index % 2 === 0 && /^mcp-param-/i.test(name));
}

/** The one message of a body. Later revisions have no batches. */
function parsed(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
