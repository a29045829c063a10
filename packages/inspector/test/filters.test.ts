import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import type { Captured } from "../src/captured.js";
import type { ExchangeSummary } from "../src/model.js";
import { readFilters } from "../src/query/filters.js";
import { captured } from "./support/captured.js";
import { summaryOfTest } from "./support/page.js";

function matches(query: string, entry: Captured, summary: Partial<ExchangeSummary> = {}): boolean {
  const summaryOf = (one: Captured): ExchangeSummary => ({ ...summaryOfTest(one), ...summary });
  return readFilters(new URLSearchParams(query), summaryOf)(entry);
}

it.each<[query: string, summary: Partial<ExchangeSummary>, expected: boolean]>([
  ["", {}, true],
  ["text=&path=&status=", {}, true],
  ["method=POST", {}, true],
  ["method=get,post", {}, true],
  ["method=GET", {}, false],
  ["path=/MCP", {}, true],
  ["path=key=s3", {}, true],
  ["path=/x", {}, false],
  ["status=404", { status: 404 }, true],
  ["status=4xx", { status: 404 }, true],
  ["status=4XX", { status: 500 }, false],
  ["status=200-299,404", { status: 299 }, true],
  ["status=200-299, 404", { status: 404 }, true],
  ["status=200-299,404", { status: 300 }, false],
  ["kind=http,refused", { kind: "http" }, true],
  ["kind=stream", { kind: "http" }, false],
  ["mcp=tools/call", { mcp: { method: "tools/call" } }, true],
  ["mcp=tools", { mcp: { method: "tools/call" } }, true],
  ["mcp=call", { mcp: { method: "tools/call" } }, true],
  ["mcp=ools", { mcp: { method: "tools/call" } }, false],
  ["mcp=tools/list", { mcp: { method: "tools/call" } }, false],
  ["mcp=tools", {}, false],
  ["tool=add", { mcp: { method: "tools/call", name: "add" } }, true],
  ["tool=ad", { mcp: { method: "tools/call", name: "add" } }, false],
  ["session=s1", { mcp: { method: "ping", session: "s1" } }, true],
  ["session=s1", { mcp: { method: "ping", session: "s11" } }, false],
  ["errors=1", { status: 400 }, true],
  ["errors=1", { status: 399 }, false],
  ["errors=1", { mcp: { method: "x", error: { message: "" } } }, true],
  ["errors=1", { state: "failed" }, true],
  ["errors=1", { state: "cancelled" }, false],
  ["errors=1", { kind: "refused" }, true],
  ["slower=11", { durationMs: 11.5 }, true],
  ["slower=12", { durationMs: 12 }, false],
  ["slower=0", { kind: "refused", durationMs: 5 }, false],
  ["replays=0", {}, true],
  ["replays=1", {}, false],
  ["method=POST&status=404&path=mcp", { status: 404 }, true],
  ["method=POST&status=404&path=mcp", { status: 200 }, false],
])("%s of %j: %s", (query, summary, expected) => {
  expect(matches(query, captured({ method: "POST", path: "/mcp?key=s3cret" }), summary)).toBe(expected);
});

describe("a text", () => {
  it.each<[where: string, given: Parameters<typeof captured>[0]]>([
    ["the method", { method: "NEEDLE" }],
    ["the target", { path: "/a?q=nEEdle" }],
    ["a name in the request", { headers: ["X-Needle", "1"] }],
    ["a value in the request", { headers: ["A", "b", "C", "a needle"] }],
    [
      "the head for the service",
      { entry: { serviceHead: { method: "GET", path: "/", headers: ["a", "needle"] } } },
    ],
    ["trailers", { entry: { requestTrailers: ["a", "needle"] } }],
    ["the request's body", { body: '{"a":"Needle"}' }],
    ["the answer's head", { answerHeaders: ["a", "needle"] }],
    ["the answer's body", { answer: "<p>NEEDLE</p>" }],
    ["an event", { events: [{ data: "x" }, { data: "a needle" }] }],
    ["an event's name", { events: [{ data: "x", event: "needle" }] }],
    ["a message of a WebSocket", { messages: [{ data: "needle" }] }],
  ])("is found in %s, whatever its case", (_where, given) => {
    expect(matches("text=NeeDle", captured(given))).toBe(true);
    expect(matches("text=haystack", captured(given))).toBe(false);
  });

  it("is found in encoded bodies, even if only their beginning is there", () => {
    const answerHeaders = ["Content-Encoding", "gzip"];
    const whole = gzipSync(`needle ${"and much more ".repeat(1_000)}`);
    expect(matches("text=needle", captured({ answer: whole, answerHeaders }))).toBe(true);
    expect(matches("text=needle", captured({ answer: whole.subarray(0, 60), answerHeaders }))).toBe(true);
    expect(matches("text=needle", captured({ answer: "needle", answerHeaders }))).toBe(false);
  });

  it("is not looked for in bodies when another filter says no, or a head has it", () => {
    const requestBody = {
      ...captured().requestBody,
      kept: 1,
      bufferOf: () => {
        throw new Error("was read");
      },
    };
    expect(matches("text=needle&method=POST", captured({ entry: { requestBody } }))).toBe(false);
    expect(matches("text=needle", captured({ path: "/needle", entry: { requestBody } }))).toBe(true);
  });

  it("asks for no summary, and other filters for one", () => {
    let asked = 0;
    const summaryOf = (entry: Captured): ExchangeSummary => {
      asked++;
      return summaryOfTest(entry);
    };
    readFilters(new URLSearchParams("text=x&path=y"), summaryOf)(captured());
    expect(asked).toBe(0);
    readFilters(new URLSearchParams("status=200&errors=1&slower=1"), summaryOf)(captured());
    expect(asked).toBe(1);
  });
});

it.each([
  ["statuss=1", "there is no filter 'statuss'"],
  ["__proto__=1", "there is no filter '__proto__'"],
  ["constructor=1", "there is no filter 'constructor'"],
  ["status=4x", "404, 4xx or 200-299"],
  ["status=-1", "404, 4xx or 200-299"],
  ["kind=stream,sse", "there is no kind 'sse'"],
  ["errors=0", "'errors' is 1"],
  ["slower=1s", "milliseconds"],
  ["replays=2", "'replays' is 1"],
  ["path=a&path=b", "'path' is there twice"],
])("%s is refused in words", (query, message) => {
  expect(() => readFilters(new URLSearchParams(query), summaryOfTest)).toThrow(message);
});
