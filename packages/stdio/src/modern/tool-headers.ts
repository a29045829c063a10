import {
  decodeHeaderValue,
  isObject,
  mcpParamHeaders,
  mcpParamText,
  mcpParamValue,
  type McpParamHeader,
} from "mcp-tunnel-shared";
import { paramsOf, type Message, type RequestMessage } from "../message.js";
import { mismatch, type Refusal } from "./refusal.js";

/** Tools whose declarations are remembered. The one that was learnt first is forgotten for a further one. */
const maxTools = 1_000;
const decimal = /^-?\d+(\.\d+)?$/;

/**
 * The header fields `Mcp-Param-*` that tools declare by `x-mcp-header` in their `inputSchema` (MCP
 * 2026-07-28, Streamable HTTP, "Custom Headers from Tool Parameters"). The bridge learns them from the
 * answers to `tools/list` that pass through.
 */
export class ToolHeaders {
  readonly #tools = new Map<string, readonly McpParamHeader[]>();

  /** Reads an answer to `tools/list`. */
  learn(answer: Message): void {
    const result = answer.value["result"];
    const tools = isObject(result) && Array.isArray(result["tools"]) ? (result["tools"] as unknown[]) : [];
    for (const tool of tools) {
      if (!isObject(tool) || typeof tool["name"] !== "string") continue;
      this.#tools.delete(tool["name"]);
      const declarations = mcpParamHeaders(tool["inputSchema"]);
      if (declarations.length > 0) this.#tools.set(tool["name"], declarations);
    }
    for (const name of this.#tools.keys()) {
      if (this.#tools.size <= maxTools) break;
      this.#tools.delete(name);
    }
  }

  /**
   * Compares the header fields of a `tools/call` with its arguments. A tool that no visitor has listed yet is
   * not checked: the bridge asks the server nothing of its own, and the arguments, which are what counts,
   * pass anyway.
   */
  check({ headers }: Request, call: RequestMessage): Refusal | undefined {
    if (call.value.method !== "tools/call") return undefined;
    const params = paramsOf(call);
    const name = params?.["name"];
    if (typeof name !== "string") return undefined;
    for (const declaration of this.#tools.get(name) ?? []) {
      const refusal = checkField(headers, declaration, params?.["arguments"]);
      if (refusal !== undefined) return refusal;
    }
    return undefined;
  }
}

function checkField(headers: Headers, declaration: McpParamHeader, args: unknown): Refusal | undefined {
  const { path, name, type } = declaration;
  const value = mcpParamValue(args, declaration);
  const expected = mcpParamText(value);
  if (expected === undefined) return undefined;
  const field = `Mcp-Param-${name}`;
  const given = headers.get(field);
  const carried = `${path.join(".")}=${JSON.stringify(value)}`;
  if (given === null) return mismatch(field, `the body carries ${carried} but the ${field} header is absent`);
  const decoded = decodeHeaderValue(given);
  if (decoded === undefined)
    return mismatch(field, `the ${field} header carries an invalid Base64 sentinel value`);
  const isNumeric = (type === "integer" || type === "number") && typeof value === "number";
  if (isNumeric && decimal.test(decoded) ? Number(decoded) === value : decoded === expected) return undefined;
  const named = JSON.stringify(decoded);
  return mismatch(field, `the ${field} header decodes to ${named} but the body carries ${carried}`);
}
