import { describe, expect, it } from "vitest";
import type { ToolInfo } from "../../src/model.js";
import { warningOf } from "../../src/replay/judgement.js";
import { readMessages } from "../../src/rpc.js";
import { captured } from "../support/captured.js";
import { mcpOf, startReplays } from "../support/replay-rig.js";

const tool = (name: string, more: Partial<ToolInfo> = {}): ToolInfo => ({
  name,
  inputSchema: {},
  readOnly: false,
  idempotent: false,
  destructive: false,
  bytes: 1,
  ...more,
});

const tools: Readonly<Record<string, ToolInfo>> = {
  look: tool("look", { readOnly: true }),
  set: tool("set", { idempotent: true, destructive: true }),
  send: tool("send"),
};

const toolOf = (name: string): ToolInfo | undefined => (Object.hasOwn(tools, name) ? tools[name] : undefined);
const rpc = (method: string, params: object = {}) => ({ jsonrpc: "2.0", id: 1, method, params });
const call = (name: unknown) => rpc("tools/call", { name });

const service = {
  open: 0,
  accept: () => ({ onData() {}, onEnd() {}, onReset() {} }),
  close: async () => {},
};

describe("what may happen again", () => {
  it.each<[string, string, unknown]>([
    ["GET", "GET", undefined],
    ["HEAD", "HEAD", undefined],
    ["OPTIONS", "OPTIONS", undefined],
    ["a tool that only reads", "POST", call("look")],
    ["a tool that may be repeated", "POST", call("set")],
    ["a list", "POST", rpc("tools/list")],
    ["a resource", "POST", rpc("resources/read", { uri: "file:///a" })],
    ["initialize", "POST", rpc("initialize")],
    [
      "a notification",
      "POST",
      { jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 1 } },
    ],
    ["an answer", "POST", { jsonrpc: "2.0", id: 1, result: {} }],
  ])("nothing: %s", (_what, method, message) => {
    expect(warningOf(method, readMessages(JSON.stringify(message ?? "")), false, toolOf)).toBe(undefined);
  });

  it.each<[string, string, unknown, RegExp]>([
    ["a POST that is not of MCP", "POST", "hello", /^POST may change/],
    ["PUT", "PUT", undefined, /^PUT may change/],
    ["DELETE", "DELETE", undefined, /^DELETE may change/],
    ["a method of the user's own", "get", undefined, /^get may change/],
    ["MCP by another method", "PATCH", rpc("tools/list"), /^PATCH may change/],
    ["a tool that says nothing", "POST", call("send"), /"send".*readOnlyHint/],
    ["a tool that nobody has listed", "POST", call("other"), /"other".*no tools\/list/],
    ["a tool whose name is one of JavaScript's", "POST", call("__proto__"), /no tools\/list/],
    ["a tool without a name", "POST", call(7), /no tools\/list/],
    ["a method that nobody knows", "POST", rpc("things/do"), /^things\/do may change/],
    ["one of a batch", "POST", [call("look"), call("send")], /"send"/],
  ])("something: %s", (_what, method, message, expected) => {
    expect(warningOf(method, readMessages(JSON.stringify(message ?? "")), false, toolOf)).toMatch(expected);
  });

  it("nothing ends but the replay's own session", () => {
    expect(warningOf("DELETE", [], true, toolOf)).toBe(undefined);
  });

  it("is asked about before it is sent, and so is what an edit may do", async () => {
    const mcp = mcpOf("modern", { tool: (_session, name) => toolOf(name) });
    const { replayer } = startReplays(service, mcp);
    const harmless = captured({ method: "POST", path: "/mcp", body: JSON.stringify(call("look")) });
    expect(replayer.warning(harmless)).toBe(undefined);
    await replayer.replay(harmless, {});
    const needs = { status: 409, code: "needs_confirmation" };
    const body = JSON.stringify(call("send"));
    await expect(replayer.replay(harmless, { edit: { body } })).rejects.toMatchObject(needs);
    await expect(replayer.replay(captured(), { edit: { method: "DELETE" } })).rejects.toMatchObject(needs);
    const harmful = captured({ method: "POST", path: "/mcp", body });
    expect(replayer.warning(harmful)).toMatch(/"send"/);
    await expect(replayer.replay(harmful, { confirmed: false })).rejects.toMatchObject(needs);
    await replayer.replay(harmful, { confirmed: true });
    replayer.close();
  });

  it("is asked about where no server of MCP has answered, whatever a request looks like", async () => {
    // A visitor orders something, and the order says that it is a ping.
    const { replayer } = startReplays(service, mcpOf("modern"));
    const body = JSON.stringify({ ...rpc("ping"), item: "bread" });
    const order = captured({ method: "POST", path: "/orders", body });
    const edited = replayer.replay(captured({ method: "POST", path: "/mcp", body }), {
      edit: { path: "/orders" },
    });
    for (const replay of [replayer.replay(order, {}), edited]) {
      await expect(replay).rejects.toMatchObject({ status: 409, code: "needs_confirmation" });
    }
    replayer.close();
  });

  it("is found out with one look at each tool, however often a batch calls it", () => {
    let looks = 0;
    const mcp = mcpOf("legacy", { tool: (_session, name) => ((looks += 1), toolOf(name)) });
    const { replayer } = startReplays(service, mcp);
    const body = JSON.stringify(Array(3_000).fill(call("look")));
    expect(replayer.warning(captured({ method: "POST", path: "/mcp", body }))).toBe(undefined);
    expect(looks).toBe(1);
    replayer.close();
  });
});
