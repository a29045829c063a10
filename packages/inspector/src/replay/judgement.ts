import type { Captured } from "../captured.js";
import type { ToolInfo } from "../model.js";
import { subjectOf } from "../rpc.js";
import type { RpcMessage } from "../rpc.js";

/** Why an entry cannot be sent again. */
export function whyNot(entry: Captured): string | undefined {
  const { head, requestBody: body } = entry;
  if (entry.refusal !== undefined) return "The relay has answered it: there is no request to send again.";
  if (head.upgrade === true || entry.socket !== undefined)
    return "A WebSocket cannot be opened again from here.";
  if (head.method.toUpperCase() === "CONNECT") return "CONNECT is not forwarded.";
  if (entry.requestEndMs === undefined) {
    return entry.over === undefined
      ? "The request is not complete yet."
      : "The request has never been complete: the visitor left, or nobody wanted the rest.";
  }
  if (!entry.reachedService) return "The service never got it: a gate, or the client, has answered it.";
  if (body.missed) return "Its body was not kept, because too much came at once.";
  if (body.kept < body.bytes) return `Only the first ${body.kept} bytes of its body are kept.`;
  return undefined;
}

/** Methods that change nothing (RFC 9110 section 9.2.1). */
const safeMethods: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "TRACE"]);

/** Requests of MCP that only read, or that concern nothing but the session in which they are sent again. */
const readingMethods: ReadonlySet<string> = new Set([
  ...["initialize", "server/discover", "ping", "logging/setLevel", "completion/complete"],
  ...["tools/list", "prompts/list", "prompts/get"],
  ...["resources/list", "resources/templates/list", "resources/read"],
  ...["resources/subscribe", "resources/unsubscribe", "subscriptions/listen"],
  ...["tasks/get", "tasks/list", "tasks/result"],
]);

/**
 * What may happen again if a request is sent. `isOwnSession`: it is sent in a session of MCP of its own, so
 * that nothing ends but that.
 */
export function warningOf(
  method: string,
  messages: readonly RpcMessage[],
  isOwnSession: boolean,
  toolOf: (name: string) => ToolInfo | undefined,
): string | undefined {
  if (safeMethods.has(method)) return undefined;
  if (isOwnSession && method === "DELETE") return undefined;
  if (method !== "POST" || messages.length === 0) {
    return `${method} may change something: the service does again what it did for this request.`;
  }
  for (const message of messages) {
    const warning = messageWarning(message, toolOf);
    if (warning !== undefined) return warning;
  }
  return undefined;
}

function messageWarning(
  message: RpcMessage,
  toolOf: (name: string) => ToolInfo | undefined,
): string | undefined {
  const { kind, method = "" } = message;
  if (kind !== "request" || readingMethods.has(method)) return undefined;
  if (method !== "tools/call") return `${method} may change something: the server does again what it did.`;
  const name = subjectOf(message);
  const tool = name === undefined ? undefined : toolOf(name);
  if (tool?.readOnly === true || tool?.idempotent === true) return undefined;
  const why =
    tool === undefined
      ? "no tools/list has told what it does"
      : "its annotations say neither that it only reads (readOnlyHint) nor that it may be repeated (idempotentHint)";
  return `The tool ${JSON.stringify(name ?? "")} does again what it did: ${why}.`;
}
