import { decodeHeaderValue, mcpNameMember } from "mcp-tunnel-shared";
import { metaOf, paramsOf, type RequestMessage } from "../message.js";
import { protocolVersionKey } from "./meta-keys.js";
import { mismatch, type Refusal } from "./refusal.js";

/**
 * The part of the checks of header fields that `@modelcontextprotocol/server` does in its own endpoint alone:
 * fields that a request must have, and `Mcp-Name`. The order and the words are the SDK's, so that hosts see
 * no difference.
 */
export function checkStandardHeaders({ headers }: Request, request: RequestMessage): Refusal | undefined {
  const { method } = request.value;
  if (headers.get("mcp-protocol-version") === null) {
    const named = `the body envelope names protocol version ${String(metaOf(request)?.[protocolVersionKey])}`;
    return mismatch("(missing)", `${named} but the required MCP-Protocol-Version header is absent`);
  }
  if (headers.get("mcp-method") === null)
    return mismatch(
      "(missing)",
      `the body names method ${method} but the required Mcp-Method header is absent`,
    );
  const member = mcpNameMember(method);
  if (member === undefined) return undefined;
  return checkName(headers.get("mcp-name"), member, paramsOf(request)?.[member]);
}

function checkName(header: string | null, member: string, value: unknown): Refusal | undefined {
  const name = typeof value === "string" ? value : undefined;
  if (header === null) {
    if (name === undefined) return undefined;
    const body = `the body carries params.${member}="${name}" but the required Mcp-Name header is absent`;
    return mismatch("(missing)", body);
  }
  const decoded = decodeHeaderValue(header);
  if (decoded === undefined)
    return mismatch(header, "the Mcp-Name header carries an invalid Base64 sentinel value");
  if (name === undefined || decoded === name) return undefined;
  const body = `the body carries params.${member}="${name}" but the Mcp-Name header names "${decoded}"`;
  return mismatch(header, body);
}
