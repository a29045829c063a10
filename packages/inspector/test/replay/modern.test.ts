import { fieldPairs } from "mcp-tunnel-protocol";
import { describe, expect, it } from "vitest";
import type { ToolInfo } from "../../src/model.js";
import { withMcpFields, withNewId } from "../../src/replay/modern.js";
import type { Outgoing } from "../../src/replay/outgoing.js";

function outgoing(body: string | Buffer, headers: readonly string[] = []): Outgoing {
  return {
    head: { method: "POST", path: "/mcp", headers: [...headers] },
    body: Buffer.from(body),
    trailers: [],
  };
}

describe("withNewId", () => {
  it("changes the id and the progress token, and nothing else of the text", () => {
    const text = (id: string, token: string) =>
      ` {"jsonrpc":"2.0", "id" : ${id},"params":{"n":12345678901234567890,"_meta":{"progressToken":${token}},` +
      `"id":1,"s":"\\u00e4 grün"}}\n`;
    const sent = withNewId(outgoing(text("1", '"t"'), ["Content-Length", "1"]));
    const { id } = JSON.parse(sent.body.toString()) as { id: number };
    expect(sent.body.toString()).toBe(text(String(id), String(id)));
    expect(id).not.toBe(1);
    expect(sent.head.headers).toEqual(["Content-Length", String(sent.body.length)]);
    const again = withNewId(outgoing(text("1", '"t"')));
    expect(again.body.toString()).not.toBe(sent.body.toString());
  });

  it("keeps bytes that are no UTF-8, and text that is no JSON", () => {
    const bytes = Buffer.concat([Buffer.from('{"id":1,"x":"'), Buffer.from([0xff, 0xfe]), Buffer.from('"}')]);
    expect(withNewId(outgoing(bytes)).body.includes(Buffer.from([0xff, 0xfe]))).toBe(true);
    expect(withNewId(outgoing('{"id":1')).body.toString()).toBe('{"id":1');
    expect(withNewId(outgoing("[1]")).body.toString()).toBe("[1]");
  });
});

describe("header fields that follow an edited message", () => {
  const inputSchema = {
    type: "object",
    properties: {
      region: { type: "string", "x-mcp-header": "Region" },
      deep: { type: "object", properties: { flag: { type: "boolean", "x-mcp-header": "Flag" } } },
    },
  };
  const tool = { name: "declaring", inputSchema } as unknown as ToolInfo;
  const toolOf = (name: string) => (name === "declaring" ? tool : undefined);
  const old = [
    "Mcp-Method",
    "tools/call",
    "Mcp-Name",
    "old",
    "Mcp-Param-Region",
    "eu",
    "Mcp-Param-Gone",
    "1",
  ];
  const message = (method: string, params: object) =>
    JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });

  function fields(body: string, given: readonly string[] = old) {
    return Object.fromEntries(fieldPairs(withMcpFields(outgoing(body, given), old, toolOf).head.headers));
  }

  it("are those of the tool that is called", () => {
    const args = { region: "grün", deep: { flag: true } };
    expect(fields(message("tools/call", { name: "declaring", arguments: args }))).toEqual({
      "Mcp-Method": "tools/call",
      "Mcp-Name": "declaring",
      "Mcp-Param-Region": "=?base64?Z3LDvG4=?=",
      "Mcp-Param-Flag": "true",
    });
    expect(fields(message("tools/call", { name: "declaring", arguments: { region: null } }))).toEqual({
      "Mcp-Method": "tools/call",
      "Mcp-Name": "declaring",
    });
  });

  it("stay if nobody knows the tool, but for its name", () => {
    expect(fields(message("tools/call", { name: "a\r\nX-Evil: 1" }))).toEqual({
      "Mcp-Method": "tools/call",
      "Mcp-Name": "=?base64?YQ0KWC1FdmlsOiAx?=",
      "Mcp-Param-Region": "eu",
      "Mcp-Param-Gone": "1",
    });
  });

  it("go with what they named", () => {
    expect(fields(message("tools/list", {}))).toMatchObject({ "Mcp-Method": "tools/list" });
    expect(fields(message("tools/list", {}))).not.toHaveProperty("Mcp-Name");
    expect(fields(message("resources/read", { uri: "file:///a" }))).toMatchObject({
      "Mcp-Name": "file:///a",
    });
  });

  it("stay as the user has written them", () => {
    const given = ["Mcp-Method", "tools/list", "Mcp-Param-Region", "us"];
    expect(fields(message("tools/call", { name: "declaring", arguments: { region: "eu" } }), given)).toEqual({
      "Mcp-Method": "tools/list",
      "Mcp-Param-Region": "us",
    });
  });

  it("stay for a body that is no message", () => {
    for (const body of ["", "[]", "{", "7", '{"method":7}'])
      expect(fields(body)).toMatchObject({ "Mcp-Name": "old" });
  });
});
