import { expect, it } from "vitest";
import type { RequestLine } from "../../inspector/src/lines.js";
import { JsonRenderer } from "../src/render/json.js";
import type { Renderer } from "../src/render/renderer.js";

/** The objects that a renderer prints. */
function printed(tell: (renderer: Renderer) => void): unknown[] {
  const lines: string[] = [];
  const out = (line: string): number => lines.push(line);
  tell(new JsonRenderer({ out, err() {}, colors: false }));
  return lines.map((line) => JSON.parse(line) as unknown);
}

const line: RequestLine = {
  ...{ id: 7, kind: "http", startedAt: 0, method: "POST", path: "/mcp", mcp: undefined, headers: [] },
  ...{ status: undefined, durationMs: 1.26, requestBytes: 10, responseBytes: 20, error: undefined },
  ...{ wasOpen: false, events: undefined },
};
const told = {
  ...{ event: "request", method: "POST", path: "/mcp", status: null, durationMs: 1.3, bytes: 20 },
  ...{ requestBytes: 10, id: 7, kind: "http", startedAt: "1970-01-01T00:00:00.000Z" },
};

it("a request has a record without what is not known of it", () => {
  expect(printed((to) => to.request(line))).toEqual([told]);
  const mcp = { method: "ping", isAnswer: true } as const;
  expect(printed((to) => to.request({ ...line, kind: "stream", status: 200, events: 3, mcp }))).toEqual([
    { ...told, kind: "stream", status: 200, events: 3, mcp: { method: "ping", answer: true } },
  ]);
});

it("a request for the gate's own pages loses its query, which may hold a code", () => {
  const path = "/.mcp-tunnel/authorize?state=x";
  expect(printed((to) => to.request({ ...line, path }))).toEqual([
    { ...told, path: "/.mcp-tunnel/authorize" },
  ]);
});

it("a replay is told when it begins, and when it is over", () => {
  const replay = { id: 9, replayOf: 7, method: "POST", path: "/mcp", error: undefined };
  const mcp = { method: "tools/call", name: "add" };
  const begun = { ...replay, status: undefined, durationMs: undefined, mcp };
  const over = { ...replay, status: undefined, durationMs: 1, mcp: undefined };
  expect(printed((to) => [begun, over].forEach((event) => to.replay(event)))).toEqual([
    { event: "replay", id: 9, replayOf: 7, method: "POST", path: "/mcp", mcp },
    { event: "replay", id: 9, replayOf: 7, method: "POST", path: "/mcp", status: null, durationMs: 1 },
  ]);
});
