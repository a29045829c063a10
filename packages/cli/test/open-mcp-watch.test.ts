import { expect, it } from "vitest";
import type { ExchangeStart, ServedTunnel } from "mcp-tunnel-client";
import { observeLines } from "../../inspector/src/lines.js";
import { watchForOpenMcp } from "../src/tunnel/open-mcp-watch.js";

const list = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/list" });
const json = ["Content-Type", "application/json; charset=utf-8"];

interface Exchange {
  readonly method?: string;
  readonly headers?: string[];
  readonly body?: string;
  readonly status?: number;
  readonly answer?: string;
}

/** Lets the exchanges pass, each with its body in two pieces. Returns how often the watch has called. */
function warningsOf(exchanges: readonly Exchange[]): number {
  let warnings = 0;
  const watch = watchForOpenMcp(() => warnings++);
  const observe = observeLines({ opened() {}, over: watch });
  for (const { method = "POST", headers = json, body = list, status = 200, answer = "{}" } of exchanges) {
    const head = { method, path: "/mcp", headers };
    const start: ExchangeStart = { id: 1, head, tunnel: {} as ServedTunnel, streamId: 1, startedAtMs: 0 };
    const observer = observe(start);
    const bytes = Buffer.from(body);
    observer?.onRequestData?.(bytes.subarray(0, 10));
    observer?.onRequestData?.(bytes.subarray(10));
    observer?.onRequestEnd?.([]);
    observer?.onHead?.({ status, headers: json }, false);
    observer?.onData?.(Buffer.from(answer));
    observer?.onEnd?.([]);
    const sizes = { durationMs: 1, requestBytes: bytes.length, responseBytes: answer.length };
    observer?.onOver?.({ method, path: "/mcp", status, ...sizes, error: undefined });
  }
  return warnings;
}

it("tells once that tools/list was answered to a visitor without any proof", () => {
  expect(warningsOf([{}])).toBe(1);
  expect(warningsOf([{ status: 401 }, {}, {}])).toBe(1);
});

it.each<[string, Exchange]>([
  ["refused", { status: 401 }],
  ["redirected", { status: 302 }],
  ["of a visitor with a token", { headers: [...json, "Authorization", "Bearer x"] }],
  ["of a visitor with a key", { headers: [...json, "x-api-key", "x"] }],
  ["of a visitor with a cookie", { headers: [...json, "Cookie", "x=1"] }],
  ["another method of MCP", { body: JSON.stringify({ jsonrpc: "2.0", method: "ping", id: "tools/list" }) }],
  ["another method of HTTP", { method: "PUT" }],
  ["another type", { headers: ["Content-Type", "text/plain"] }],
  ["no JSON", { body: `${list}}` }],
  [
    "answered with an error",
    { answer: JSON.stringify({ jsonrpc: "2.0", id: 1, error: { code: -32_001, message: "Unauthorized" } }) },
  ],
])("says nothing of a request that is %s", (_, exchange) => {
  expect(warningsOf([exchange])).toBe(0);
});
