import { headerValue, type RawHeaders } from "mcp-tunnel-protocol";
import { decodeHeaderValue } from "mcp-tunnel-shared";
import { isObject, metaOf, type RpcMessage } from "../rpc.js";
import { protocolVersionKey } from "./modern.js";
import type { ParameterHeader } from "./tool-list.js";

/**
 * The member of `params` that `Mcp-Name` repeats (MCP 2026-07-28, Streamable HTTP, "Standard Request
 * Headers", and the tasks extension).
 */
const namedBy = new Map([
  ["tools/call", "name"],
  ["prompts/get", "name"],
  ["resources/read", "uri"],
  ["tasks/get", "taskId"],
  ["tasks/update", "taskId"],
  ["tasks/cancel", "taskId"],
]);

/** How much of a value is told in a note, in characters. */
const maxTold = 100;

/**
 * Where the header fields of a request of revision 2026-07-28 disagree with its message, in words. A server
 * has to refuse such a request. `declared`: the fields that the tool asks for, as far as they are known.
 */
export function headerDisagreements(
  headers: RawHeaders,
  message: RpcMessage,
  declared: readonly ParameterHeader[],
): string[] {
  const { method, params } = message;
  const told = [
    disagreement(headers, "MCP-Protocol-Version", "_meta", metaOf(params)[protocolVersionKey]),
    disagreement(headers, "Mcp-Method", "method", method),
  ];
  const member = namedBy.get(method ?? "");
  if (member !== undefined) told.push(disagreement(headers, "Mcp-Name", `params.${member}`, params[member]));
  for (const { name, path } of declared) {
    let value: unknown = params["arguments"];
    for (const below of path)
      value = isObject(value) && Object.hasOwn(value, below) ? value[below] : undefined;
    told.push(disagreement(headers, `Mcp-Param-${name}`, `arguments.${path.join(".")}`, value));
  }
  return told.filter((text) => text !== undefined);
}

/** Undefined: the field says what the member says, or the member is not there. */
function disagreement(
  headers: RawHeaders,
  field: string,
  member: string,
  value: unknown,
): string | undefined {
  const expected = textOf(value);
  if (expected === undefined) return undefined;
  const given = headerValue(headers, field.toLowerCase());
  const says = `${member} is ${quoted(expected)}`;
  if (given === undefined) return `${says}, but the header field ${field} is missing`;
  const decoded = decodeHeaderValue(given);
  if (decoded === undefined) return `${says}, but the base64 in the header field ${field} is broken`;
  if (decoded === expected || (typeof value === "number" && Number(decoded) === value)) return undefined;
  return `${says}, but the header field ${field} says ${quoted(decoded)}`;
}

function textOf(value: unknown): string | undefined {
  switch (typeof value) {
    case "string":
      return value;
    case "boolean":
      return String(value);
    case "number":
      // The spelling of such a number in JSON is not known.
      return Number.isInteger(value) && !Number.isSafeInteger(value) ? undefined : String(value);
    default:
      return undefined;
  }
}

function quoted(text: string): string {
  return JSON.stringify(text.length > maxTold ? `${text.slice(0, maxTold)}…` : text);
}
