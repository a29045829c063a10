import { readMessage, type RpcMessage } from "../rpc.js";
import { elementsOf, membersOf, type Span, wholeSpan } from "./json-spans.js";

/** Members whose values are read of a message that was cut off. */
const peeked = new Set(["jsonrpc", "id", "method"]);
/** Members of `params`, of a result and of an error. */
const peekedBelow = new Set([
  ...["name", "uri", "_meta", "progressToken", "requestId"],
  ...["isError", "resultType", "code", "message"],
]);

/**
 * What can be read of JSON-RPC messages whose text was cut off: whole ones of a batch, and the start of the
 * one that was cut. Programs write the id before or after the rest, so it may be missing. A request without
 * its id looks like a notification: {@link RpcMessage.kind} follows the method's name then. Undefined stands
 * in the place of what is no message.
 */
export function peekPlaces(text: string): (RpcMessage | undefined)[] {
  const whole = wholeSpan(text);
  if (whole === undefined) return [];
  const spans = text[whole.from] === "[" ? elementsOf(text, whole) : [whole];
  return Array.from(spans, (span) =>
    span.isWhole ? readMessage(parsed(text, span)) : peekMessage(text, span),
  );
}

function peekMessage(text: string, span: Span): RpcMessage | undefined {
  const found = new Map<string, unknown>();
  for (const [name, value] of membersOf(text, span)) {
    if (peeked.has(name)) found.set(name, parsed(text, value));
    else if (name === "params" || name === "result" || name === "error")
      found.set(name, value.isWhole ? parsed(text, value) : peekMembers(text, value));
  }
  // The member `jsonrpc` may stand behind the cut.
  const message = readMessage({ jsonrpc: "2.0", ...Object.fromEntries(found) });
  if (message?.kind !== "notification" || found.has("id")) return message;
  return message.method?.startsWith("notifications/") === true ? message : { ...message, kind: "request" };
}

function peekMembers(text: string, span: Span): Record<string, unknown> {
  const found: [string, unknown][] = [];
  for (const [name, value] of membersOf(text, span)) {
    if (peekedBelow.has(name) && value.isWhole) found.push([name, parsed(text, value)]);
  }
  return Object.fromEntries(found);
}

function parsed(text: string, { from, to }: Span): unknown {
  try {
    return JSON.parse(text.slice(from, to));
  } catch {
    return undefined;
  }
}

/** A member of a message as it stands in its text. Undefined if it is not there, or not whole. */
export function memberText(message: string, name: string): string | undefined {
  const whole = wholeSpan(message);
  if (whole === undefined) return undefined;
  let text: string | undefined;
  // Of a member that is there twice, JSON.parse takes the last.
  for (const [member, { from, to }] of membersOf(message, whole)) {
    if (member === name) text = message.slice(from, to);
  }
  return text;
}
