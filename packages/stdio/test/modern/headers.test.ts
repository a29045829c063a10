import { createMcpHandler, fromJsonSchema, McpServer } from "@modelcontextprotocol/server";
import { describe, expect, it } from "vitest";
import { parseMessage } from "../../src/message.js";
import { looksModern } from "../../src/modern/looks-modern.js";
import { messagesOf, post, postText, received, scriptedServer, started } from "./scripted-server.js";

const versionKey = "io.modelcontextprotocol/protocolVersion";
const encoded = (text: string) => `=?base64?${Buffer.from(text).toString("base64")}?=`;

const inputSchema = {
  type: "object",
  properties: {
    region: { type: "string", "x-mcp-header": "Region" },
    count: { type: "integer", "x-mcp-header": "Count" },
    deep: { type: "object", properties: { flag: { type: "boolean", "x-mcp-header": "Flag" } } },
    other: { type: "string" },
  },
};

/** The same server behind the SDK's own endpoint, to compare with. */
function sdkEndpoint() {
  return createMcpHandler(() => {
    const server = new McpServer({ name: "sdk", version: "1" }, { capabilities: { tools: {} } });
    server.registerTool("plain", {}, () => ({ content: [] }));
    server.registerTool("declaring", { inputSchema: fromJsonSchema(inputSchema) }, () => ({ content: [] }));
    return server;
  });
}

/** A scripted server that has listed the tools, and answers everything. */
async function answeringServer() {
  const scripted = scriptedServer();
  const listing = scripted.server.post(...post("tools/list"));
  const process = await started(scripted.processes);
  await received(process, 1);
  process.answer({ tools: [{ name: "declaring", inputSchema }, { name: "plain" }] });
  await listing;
  const send = process.send.bind(process);
  process.send = (text) => {
    const isTaken = send(text);
    queueMicrotask(() => process.answer({}));
    return isTaken;
  };
  return { ...scripted, process };
}

const call = (name: string, args: object = {}, headers: Record<string, string | null> = {}) =>
  post("tools/call", { params: { name, arguments: args }, headers });

const refused: [string, () => ReturnType<typeof post>][] = [
  ["no version in the header", () => call("plain", {}, { "mcp-protocol-version": null })],
  ["another version in the header", () => call("plain", {}, { "mcp-protocol-version": "2025-11-25" })],
  ["no Mcp-Method", () => call("plain", {}, { "mcp-method": null })],
  ["another Mcp-Method", () => call("plain", {}, { "mcp-method": "tools/list" })],
  ["no Mcp-Name", () => call("plain", {}, { "mcp-name": null })],
  ["another Mcp-Name", () => call("plain", {}, { "mcp-name": "other" })],
  ["another Mcp-Name in base64", () => call("plain", {}, { "mcp-name": encoded("other") })],
  ["an Mcp-Name that is no base64", () => call("plain", {}, { "mcp-name": "=?base64?a?=" })],
  ["an Mcp-Name that is no UTF-8", () => call("plain", {}, { "mcp-name": "=?base64?/w==?=" })],
  [
    "another Mcp-Name of a resource",
    () => post("resources/read", { params: { uri: "a:b" }, headers: { "mcp-name": "a:c" } }),
  ],
  [
    "another Mcp-Name of a task",
    () => post("tasks/get", { params: { taskId: "1" }, headers: { "mcp-name": "2" } }),
  ],
  [
    "no Mcp-Name of a prompt",
    () => post("prompts/get", { params: { name: "p" }, headers: { "mcp-name": null } }),
  ],
  ["no Mcp-Param", () => call("declaring", { region: "eu" })],
  ["another Mcp-Param", () => call("declaring", { region: "eu" }, { "mcp-param-region": "us" })],
  [
    "an Mcp-Param that is no base64",
    () => call("declaring", { region: "eu" }, { "mcp-param-region": "=?base64?a?=" }),
  ],
  ["another number", () => call("declaring", { count: 2 }, { "mcp-param-count": "3" })],
  [
    "another Mcp-Param of a nested member",
    () => call("declaring", { deep: { flag: true } }, { "mcp-param-flag": "false" }),
  ],
  [
    "a revision that nobody knows",
    () =>
      post("tools/list", {
        meta: { [versionKey]: "2025-06-18" },
        headers: { "mcp-protocol-version": "2025-06-18" },
      }),
  ],
  [
    "an envelope without the client",
    () =>
      postText(
        `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"${versionKey}":"2026-07-28"}}}`,
      ),
  ],
  ["no envelope", () => postText('{"jsonrpc":"2.0","id":1,"method":"tools/list"}')],
  [
    "initialize under the modern header",
    () => postText('{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}'),
  ],
  [
    "a notification with another Mcp-Method",
    () =>
      postText('{"jsonrpc":"2.0","method":"notifications/x"}', {
        headers: { "mcp-method": "notifications/y" },
      }),
  ],
];

const passed: [string, () => ReturnType<typeof post>][] = [
  ["Mcp-Name in base64", () => call("plain", {}, { "mcp-name": encoded("plain") })],
  ["Mcp-Name between spaces", () => call("plain", {}, { "mcp-name": " plain " })],
  ["no arguments with fields", () => call("declaring", { other: "x" })],
  ["null for a field", () => call("declaring", { region: null })],
  ["an equal Mcp-Param", () => call("declaring", { region: "eu" }, { "mcp-param-region": "eu" })],
  [
    "an equal Mcp-Param in base64",
    () => call("declaring", { region: "Größe" }, { "mcp-param-region": encoded("Größe") }),
  ],
  [
    "an equal number, written otherwise",
    () => call("declaring", { count: 42 }, { "mcp-param-count": "42.0" }),
  ],
  ["an equal nested member", () => call("declaring", { deep: { flag: true } }, { "mcp-param-flag": "true" })],
  [
    "an Mcp-Param of a tool that declares none",
    () => call("plain", { region: "eu" }, { "mcp-param-region": "us" }),
  ],
];

describe("the header fields of a request", () => {
  it.each(refused)("are refused as the SDK refuses them: %s", async (_what, make) => {
    const { server, process } = await answeringServer();
    const [ours, theirs] = await Promise.all([server.post(...make()), sdkEndpoint().fetch(make()[0])]);
    expect(ours.status).toBe(theirs.status);
    expect(ours.status).toBe(400);
    expect(await ours.json()).toEqual(await theirs.json());
    expect(process.received).toHaveLength(1);
  });

  it.each(passed)("pass: %s", async (_what, make) => {
    const { server, process } = await answeringServer();
    expect((await server.post(...make())).status).toBe(200);
    expect(process.received).toHaveLength(2);
  });

  it("of a tool that was not listed are not checked", async () => {
    const { server, processes } = scriptedServer();
    void server.post(...call("declaring", { region: "eu" }));
    await received(await started(processes), 1);
  });

  it.each([
    [
      "an array's items",
      { properties: { a: { items: { properties: { b: { type: "string", "x-mcp-header": "B" } } } } } },
    ],
    ["an alternative", { oneOf: [{ properties: { b: { type: "string", "x-mcp-header": "B" } } }] }],
    ["a definition", { $defs: { d: { type: "string", "x-mcp-header": "B" } } }],
    ["an object", { properties: { b: { type: "object", "x-mcp-header": "B" } } }],
    ["a type that has no text", { properties: { b: { type: { toString: 1 }, "x-mcp-header": "B" } } }],
    ["a name that is no token", { properties: { b: { type: "string", "x-mcp-header": "B B" } } }],
    [
      "two names that differ in case",
      {
        properties: {
          c: { type: "string", "x-mcp-header": "b" },
          d: { type: "string", "x-mcp-header": "B" },
        },
      },
    ],
  ])("are not checked if a schema is against the rules: %s", async (_what, wrong) => {
    const { server, processes } = scriptedServer();
    const listing = server.post(...post("tools/list"));
    const process = await started(processes);
    await received(process, 1);
    const sound = { a: { type: "string", "x-mcp-header": "A" } };
    const schema = {
      type: "object",
      ...wrong,
      properties: {
        ...sound,
        ...("properties" in wrong ? wrong.properties : {}),
        z: { type: "string", "x-mcp-header": "Z" },
      },
    };
    process.answer({ tools: [{ name: "t", inputSchema: schema }] });
    await listing;
    void server.post(...call("t", { z: "1" }));
    await received(process, 2);
  });

  it("of the tools that were listed last are remembered, and no more than 1,000", async () => {
    const { server, processes } = scriptedServer();
    const listing = server.post(...post("tools/list"));
    const process = await started(processes);
    await received(process, 1);
    process.answer({ tools: Array.from({ length: 1_001 }, (_, n) => ({ name: `t${n}`, inputSchema })) });
    await listing;
    expect((await server.post(...call("t1000", { region: "eu" }))).status).toBe(400);
    void server.post(...call("t0", { region: "eu" }));
    await received(process, 2);
  });

  it("of a tool whose name is no text are not looked for", async () => {
    const { server, process } = await answeringServer();
    const response = await server.post(...post("tools/call", { params: { name: { toString: 1 } } }));
    expect(response.status).toBe(200);
    expect(process.last).toMatchObject({ params: { name: { toString: 1 } } });
  });

  it("do not matter for a posted response, which this revision has not", async () => {
    const { server, processes } = scriptedServer();
    const response = await server.post(...postText('{"jsonrpc":"2.0","id":1,"result":{}}'));
    expect(response.status).toBe(400);
    expect(await messagesOf(response)).toMatchObject([{ id: null, error: { code: -32_600 } }]);
    expect(processes).toEqual([]);
  });
});

describe("looksModern", () => {
  const request = (version?: string) =>
    new Request(
      "http://localhost/mcp",
      version === undefined ? {} : { headers: { "MCP-Protocol-Version": version } },
    );
  const message = (method: string, version?: unknown) =>
    parseMessage(
      JSON.stringify({
        jsonrpc: "2.0",
        id: 1,
        method,
        params: version === undefined ? {} : { _meta: { [versionKey]: version } },
      }),
    )!;

  it.each([
    [undefined, message("tools/list"), false],
    ["2025-11-25", message("tools/list"), false],
    ["2026-07-28", message("tools/list"), true],
    ["2027-01-01", message("tools/list"), true],
    [undefined, message("tools/list", "2026-07-28"), true],
    [undefined, message("tools/list", 5), true],
    [undefined, message("initialize"), false],
    [undefined, message("initialize", "2025-11-25"), false],
    [undefined, message("initialize", "2026-07-28"), true],
    ["2026-07-28", message("initialize"), true],
  ])("%s %j: %s", (version, posted, expected) => {
    expect(looksModern(request(version), posted)).toBe(expected);
  });
});
