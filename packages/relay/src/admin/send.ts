import type { ServerResponse } from "node:http";
import { printableJson } from "mcp-tunnel-shared";

/** Answers with JSON. */
export function send(
  res: ServerResponse,
  status: number,
  body: object,
  headers: Record<string, string> = {},
): void {
  const text = `${printableJson(body)}\n`;
  if (status === 401) res.setHeader("WWW-Authenticate", "Bearer");
  res.writeHead(status, {
    "Content-Type": "application/json",
    "Content-Length": Buffer.byteLength(text),
    "Cache-Control": "no-store",
    ...headers,
  });
  res.end(text);
}
