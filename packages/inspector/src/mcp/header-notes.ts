import { headerValue, type RawHeaders } from "mcp-tunnel-protocol";
import {
  decodeHeaderValue,
  mcpNameMember,
  mcpParamText,
  mcpParamValue,
  type McpParamHeader,
} from "mcp-tunnel-shared";
import { metaOf, type RpcMessage } from "../rpc.js";
import { isSecretField, isSecretMember } from "../secrets/names.js";
import { protocolVersionKey } from "./modern.js";

/** How much of a value is told in a note, in characters. */
const maxTold = 100;

/**
 * Where the header fields of a request of revision 2026-07-28 disagree with its message, in words. A server
 * has to refuse such a request. `declared`: the fields that the tool asks for, as far as they are known.
 */
export function headerDisagreements(
  headers: RawHeaders,
  message: RpcMessage,
  declared: readonly McpParamHeader[],
): string[] {
  const { method, params } = message;
  const told = [
    disagreement(headers, "MCP-Protocol-Version", "_meta", metaOf(params)[protocolVersionKey]),
    disagreement(headers, "Mcp-Method", "method", method),
  ];
  const member = mcpNameMember(method ?? "");
  if (member !== undefined) told.push(disagreement(headers, "Mcp-Name", `params.${member}`, params[member]));
  for (const header of declared) {
    const value = mcpParamValue(params["arguments"], header);
    told.push(disagreement(headers, `Mcp-Param-${header.name}`, `arguments.${header.path.join(".")}`, value));
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
  const expected = mcpParamText(value);
  if (expected === undefined) return undefined;
  const given = headerValue(headers, field.toLowerCase());
  // In a sentence, nothing else gives a secret away.
  const isSecret = isSecretField(field) || isSecretMember(member.slice(member.lastIndexOf(".") + 1));
  const quoted = isSecret ? () => "a secret" : quotedPart;
  const says = `${member} is ${quoted(expected)}`;
  if (given === undefined) return `${says}, but the header field ${field} is missing`;
  const decoded = decodeHeaderValue(given);
  if (decoded === undefined) return `${says}, but the base64 in the header field ${field} is broken`;
  if (decoded === expected || (typeof value === "number" && Number(decoded) === value)) return undefined;
  return `${says}, but the header field ${field} says ${quoted(decoded)}`;
}

function quotedPart(text: string): string {
  return JSON.stringify(text.length > maxTold ? `${text.slice(0, maxTold)}…` : text);
}
