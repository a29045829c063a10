import { headerValue, type RawHeaders } from "./headers.js";

/** Whether this may be a JSON-RPC request, by its head. Only the body tells for certain. */
export function mayBeJsonRpc(method: string, headers: RawHeaders): boolean {
  return method === "POST" && /^application\/json\b/i.test(headerValue(headers, "content-type") ?? "");
}

/** Whether the headers alone show an MCP client. Every MCP client accepts an event stream as the answer. */
export function isMcp(headers: RawHeaders): boolean {
  if (headerValue(headers, "accept")?.toLowerCase().includes("text/event-stream") === true) return true;
  return ["mcp-protocol-version", "mcp-session-id", "mcp-method"].some(
    (name) => headerValue(headers, name) !== undefined,
  );
}

/** What is answered to a JSON-RPC request in place of its server. */
export interface JsonRpcRefusal {
  /** The request's id; null if it is not known. */
  readonly id: string | number | null;
  /** A stable token, for programs. */
  readonly code: string;
  /** Of the HTTP answer. */
  readonly status: number;
  /** What happened, in words for a person. */
  readonly text: string;
}

/** The error object that a JSON-RPC client understands. */
export function jsonRpcRefusal({ id, code, status, text }: JsonRpcRefusal): string {
  // -32000 is the first of the codes that JSON-RPC leaves to the server.
  return JSON.stringify({
    jsonrpc: "2.0",
    id,
    error: { code: -32000, message: text, data: { code, status } },
  });
}
