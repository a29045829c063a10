import { describe, expect, it } from "vitest";
import type { OpenLine, RequestLine } from "../../inspector/src/lines.js";
import { RequestLines } from "../src/render/request-line.js";

const noon = new Date(2026, 10, 30, 12, 3, 7);

function linesAt(columns: number | undefined, colors = false): RequestLines {
  return new RequestLines(
    colors,
    () => columns,
    () => noon.getTime(),
  );
}

const base: RequestLine = {
  ...{ id: 1, kind: "http", startedAt: 0, method: "POST", path: "/mcp", mcp: undefined, headers: [] },
  ...{ status: 200, durationMs: 12, requestBytes: 0, responseBytes: 0, error: undefined },
  ...{ wasOpen: false, events: undefined },
};

/** The line of a request on a terminal of 80 columns. */
function at80(fields: Partial<RequestLine>): string {
  return linesAt(80).request({ ...base, ...fields });
}

const call = { method: "tools/call", name: "add" };

describe("the line of a request", () => {
  it("has time, method, path, status and duration", () => {
    expect(at80({})).toBe("12:03:07 POST /mcp 200 12 ms");
    expect(at80({ method: "GET", path: "/", status: 304, durationMs: 0.84 })).toBe(
      "12:03:07 GET  / 304 0.8 ms",
    );
  });

  it.each([
    [9.94, "9.9 ms"],
    [9.96, "10 ms"],
    [999, "999 ms"],
    [6_004, "6.0 s"],
    [126_000, "2.1 min"],
    [7_200_000, "2.0 h"],
  ])("says %d ms as %s", (durationMs, text) => {
    expect(at80({ durationMs })).toBe(`12:03:07 POST /mcp 200 ${text}`);
  });

  it("says what it is in MCP", () => {
    expect(at80({ mcp: call })).toBe("12:03:07 POST /mcp 200 tools/call add  12 ms");
    expect(at80({ mcp: { ...call, batch: 3 } })).toBe("12:03:07 POST /mcp 200 tools/call add +2 more  12 ms");
    expect(at80({ mcp: { method: "initialize", client: "claude-ai 0.1.0" } })).toBe(
      "12:03:07 POST /mcp 200 initialize claude-ai 0.1.0  12 ms",
    );
    expect(at80({ status: 202, mcp: { method: "elicitation/create", isAnswer: true } })).toBe(
      "12:03:07 POST /mcp 202 answer to elicitation/create  12 ms",
    );
    expect(at80({ status: 202, mcp: { method: "(answer)", isAnswer: true } })).toBe(
      "12:03:07 POST /mcp 202 answer  12 ms",
    );
  });

  it("shows errors of JSON-RPC and of tools, though the status is 200", () => {
    expect(at80({ mcp: { ...call, error: { code: -32_602, message: "Unknown tool" } } })).toBe(
      "12:03:07 POST /mcp 200 tools/call add  12 ms error -32602: Unknown tool",
    );
    expect(at80({ mcp: { ...call, error: { message: "Division by zero" } } })).toBe(
      "12:03:07 POST /mcp 200 tools/call add  12 ms tool error: Division by zero",
    );
    expect(at80({ mcp: { ...call, error: { message: "" } } })).toMatch(/ tool error$/);
  });

  it("has the first words of an error, up to the second row", () => {
    const mcp = { ...call, error: { message: "word ".repeat(40) } };
    expect(at80({ mcp })).toMatch(/^.{157}\.\.\.$/);
    // A log has no rows.
    expect(linesAt(undefined).request({ ...base, mcp })).toContain(mcp.error.message);
  });

  it("fits a terminal: a long path loses its middle", () => {
    const path = `/assets/${"folder/".repeat(20)}index-3f9a7c.js`;
    const line = at80({ method: "GET", path });
    expect(line).toMatch(/^12:03:07 GET {2}\/assets\/folder.*\.\.\..*\/index-3f9a7c\.js 200 12 ms$/);
    expect(line).toHaveLength(80);
    expect(at80({ path, mcp: call })).toHaveLength(80);
    expect(linesAt(undefined).request({ ...base, path })).toContain(` ${path} `);
    // However narrow it is, something of the path is left.
    expect(linesAt(10).request({ ...base, path })).toMatch(/ \/assets\/fol\.\.\.-3f9a7c\.js /);
  });

  it("keeps what strangers choose short, and escapes it", () => {
    const mcp = { method: "\u001b[2J", name: `\u202e${"x".repeat(200)}` };
    const line = at80({ method: `M${"m".repeat(99)}`, path: "/\u009b", mcp });
    expect(line).toContain("Mmmmmmmmmmmmm... /\\u009b 200 \\u001b[2J \\u202exxx");
    expect(line.length).toBeLessThan(120);
  });

  it("tells a stream and a connection as they open, and as they end", () => {
    const open: OpenLine = { ...base, method: "GET", kind: "stream", status: 200 };
    expect(linesAt(80).opened(open)).toBe("12:03:07 GET  /mcp 200 stream open");
    expect(linesAt(80).opened({ ...base, kind: "stream", status: 200, mcp: call })).toBe(
      "12:03:07 POST /mcp 200 tools/call add  stream open",
    );
    const ended = { ...open, wasOpen: true, durationMs: 126_000, events: 14 };
    expect(at80(ended)).toBe("12:03:07 GET  /mcp 200 stream ended after 2.1 min, 14 events");
    expect(at80({ ...ended, events: undefined })).toMatch(/ after 2\.1 min$/);
    // One that was short is told like any other answer.
    expect(at80({ ...ended, wasOpen: false })).toBe("12:03:07 GET  /mcp 200 2.1 min");
    const socket = { kind: "websocket", status: 101, wasOpen: true } as const;
    expect(linesAt(80).opened({ ...open, ...socket })).toBe("12:03:07 GET  /mcp 101 WebSocket open");
    expect(at80({ ...ended, ...socket, requestBytes: 340, responseBytes: 1_229 })).toBe(
      "12:03:07 GET  /mcp 101 WebSocket ended after 2.1 min, 340 B in, 1.2 KiB out",
    );
  });

  it("says why a service does not answer, and on a terminal does not say it twice", () => {
    const error = {
      code: "upstream_unreachable" as const,
      message: "cannot reach http://localhost:3000: connection refused (is the local service running?)",
    };
    const failed = { ...base, status: 502, error };
    const [terminal, log] = [linesAt(80), linesAt(undefined)];
    expect(terminal.request(failed)).toBe(`12:03:07 POST /mcp 502 12 ms ${error.message}`);
    expect(terminal.request(failed)).toBe("12:03:07 POST /mcp 502 12 ms cannot reach http://localhost:3000");
    terminal.request(base);
    expect(terminal.request(failed)).toContain(error.message);
    for (let i = 0; i < 2; i++) expect(log.request(failed)).toContain(error.message);
  });

  it("marks a replay", () => {
    const event = { id: 9, replayOf: 3, method: "POST", path: "/mcp", status: 200, durationMs: 12 };
    expect(linesAt(80).replay({ ...event, error: undefined, mcp: call })).toBe(
      "12:03:07 replay POST /mcp 200 tools/call add  12 ms",
    );
    const error = { code: "upstream_failed", message: "it broke off" };
    expect(linesAt(80).replay({ ...event, error, mcp: undefined })).toMatch(
      /^12:03:07 replay .* it broke off$/,
    );
  });
});

describe("a status on the screen", () => {
  const [red, green] = ["\u001b[31m", "\u001b[32m"];
  const inColor = (fields: Partial<RequestLine>): string => linesAt(80, true).request({ ...base, ...fields });

  it("is green for a visitor who got it whole, or left", () => {
    expect(inColor({})).toContain(`${green}200`);
    expect(inColor({ error: { code: "cancelled", message: "" } })).toContain(`${green}200`);
  });

  it("has beside it what the relay says of a visitor who did not wait", () => {
    const error = { code: "cancelled" as const, message: "the visitor stopped sending" };
    expect(inColor({ status: undefined, error })).toContain(error.message);
  });

  it("is red for one who did not", () => {
    const error = { code: "upstream_failed" as const, message: "it broke off" };
    expect(inColor({ error })).toContain(`${red}200`);
    expect(inColor({ status: 999 })).toContain(`${red}999`);
  });
});
