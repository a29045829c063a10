import { describe, expect, it } from "vitest";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { createStdioServer, type StdioOptions, type StdioServer } from "../src/index.js";
import { EventReader } from "./support/events.js";

const closing = closingAfterEach();

/** A server that answers each request with the value of `respond`, an expression over its `method`. */
function serverOf(respond: string, options: Partial<StdioOptions> = {}): StdioServer {
  const script = `
    const respond = (method) => (${respond});
    const serverInfo = { name: "scripted", version: "1" };
    require("node:readline").createInterface({ input: process.stdin }).on("line", (line) => {
      const { id, method } = JSON.parse(line);
      if (id !== undefined) console.log(JSON.stringify({ jsonrpc: "2.0", id, ...respond(method) }));
    });`;
  return closing(createStdioServer({ command: process.execPath, args: ["-e", script], ...options }));
}

const legacy = `({
  initialize: { result: { protocolVersion: "2025-11-25", capabilities: {}, serverInfo } },
  ping: { result: {} },
})[method] ?? { error: { code: -32601, message: "unknown" } }`;

const modernOnly = `({
  initialize: { error: { code: -32022, message: "too old", data: { supported: ["2026-07-28"] } } },
  "server/discover": {
    result: { resultType: "complete", supportedVersions: ["2026-07-28"], capabilities: {}, serverInfo },
  },
})[method] ?? { result: { resultType: "complete", tools: [], ttlMs: 0, cacheScope: "private" } }`;

const initialize = {
  jsonrpc: "2.0",
  id: 0,
  method: "initialize",
  params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "test", version: "1" } },
};

function modern(method: string, id = 1): { message: object; headers: Record<string, string> } {
  const meta = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": { name: "test", version: "1" },
    "io.modelcontextprotocol/clientCapabilities": {},
  };
  return {
    message: { jsonrpc: "2.0", id, method, params: { _meta: meta } },
    headers: { "MCP-Protocol-Version": "2026-07-28", "Mcp-Method": method },
  };
}

function send(
  server: StdioServer,
  method: string,
  headers: Record<string, string> = {},
  message?: object,
): Promise<Response> {
  const all = {
    Accept: "application/json, text/event-stream",
    ...(message === undefined ? {} : { "Content-Type": "application/json" }),
    ...headers,
  };
  const body = message === undefined ? null : JSON.stringify(message);
  return server.fetch(new Request("http://bridge.test/mcp", { method, headers: all, body }));
}

describe("a server of an earlier revision", () => {
  it("has a process for each session, and none before", async () => {
    const server = serverOf(legacy);
    expect(server.sessions).toBe(0);
    const opened = await send(server, "POST", {}, initialize);
    const session = { "Mcp-Session-Id": opened.headers.get("Mcp-Session-Id")! };
    expect(JSON.parse((await new EventReader(opened).next())!.data)).toMatchObject({ id: 0, result: {} });
    expect(server.sessions).toBe(1);
    const pong = await send(server, "POST", session, { jsonrpc: "2.0", id: "p", method: "ping" });
    expect(await new EventReader(pong).rest()).toEqual(['{"jsonrpc":"2.0","id":"p","result":{}}']);
    const get = new EventReader(await send(server, "GET", session));
    expect((await send(server, "DELETE", session)).status).toBe(200);
    expect(await get.rest()).toEqual([]);
    expect((await send(server, "GET", session)).status).toBe(404);
    expect(server.sessions).toBe(0);
  });

  it.each(["auto", "legacy"] as const)(
    "answers revision 2026-07-28 so that hosts fall back (%s)",
    async (era) => {
      const server = serverOf(legacy, { era });
      const { message, headers } = modern("server/discover");
      const response = await send(server, "POST", headers, message);
      expect(response.status).toBe(400);
      expect(await response.json()).toEqual({
        jsonrpc: "2.0",
        id: 1,
        error: {
          code: -32_000,
          message:
            "Bad Request: Unsupported protocol version: 2026-07-28 " +
            "(supported versions: 2025-11-25, 2025-06-18, 2025-03-26, 2024-11-05)",
        },
      });
      expect(await server.probe()).toBe(false);
      expect((await send(server, "POST", {}, initialize)).status).toBe(200);
    },
  );

  it.each([{ toString: 1 }, [[]], 1])("answers so to a revision that is no text: %j", async (revision) => {
    const server = serverOf(legacy, { era: "legacy" });
    const params = { _meta: { "io.modelcontextprotocol/protocolVersion": revision } };
    const response = await send(server, "POST", {}, { jsonrpc: "2.0", id: 1, method: "ping", params });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      id: 1,
      error: { code: -32_000, message: expect.stringContaining("Unsupported protocol version: (no text)") },
    });
  });
});

describe("a server of revision 2026-07-28", () => {
  it.each(["auto", "modern"] as const)("answers without sessions (%s)", async (era) => {
    const server = serverOf(modernOnly, { era });
    const { message, headers } = modern("tools/list");
    const response = await send(server, "POST", headers, message);
    expect(await response.json()).toMatchObject({ id: 1, result: { tools: [] } });
    expect(await server.probe()).toBe(true);
    for (const method of ["GET", "DELETE"]) {
      const refused = await send(server, method, { "MCP-Protocol-Version": "2026-07-28" });
      expect([refused.status, refused.headers.get("Allow")]).toEqual([405, "POST"]);
    }
  });

  it("says what it speaks to a client that speaks nothing of it", async () => {
    const server = serverOf(modernOnly);
    const response = await send(server, "POST", {}, initialize);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      id: 0,
      error: { code: -32_022, data: { supported: ["2026-07-28"] } },
    });
    expect(server.sessions).toBe(0);
  });
});

describe("a command that does not work", () => {
  it("answers 503 to both kinds of clients, without a word of what it was", async () => {
    const server = closing(createStdioServer({ command: "no-such-command-anywhere" }));
    const { message, headers } = modern("tools/list");
    for (const response of [
      await send(server, "POST", {}, initialize),
      await send(server, "POST", {}, initialize),
      await send(server, "POST", headers, message),
    ]) {
      expect(response.status).toBe(503);
      expect(response.headers.get("Retry-After")).toBe("1");
      expect(await response.text()).not.toContain("no-such-command");
    }
  });
});

describe("close()", () => {
  it("ends all processes, and what starts as well", async () => {
    const ended: number[] = [];
    let onSecond: () => void = () => {};
    const server = serverOf(legacy, {
      onEvent: (event) => {
        if (event.type === "started" && event.process === 2) onSecond();
        if (event.type === "ended") ended.push(event.process);
      },
    });
    await (await send(server, "POST", {}, initialize)).text();
    // The second process has no time to answer.
    const closed = new Promise<void>((resolve) => {
      onSecond = () => queueMicrotask(() => resolve(server.close()));
    });
    const starting = send(server, "POST", {}, initialize);
    await closed;
    expect((await starting).status).toBe(503);
    expect(new Set(ended)).toEqual(new Set([1, 2]));
    expect((await send(server, "POST", {}, initialize)).status).toBe(503);
  });
});

describe("options", () => {
  it("are checked", () => {
    expect(() => createStdioServer({ command: "" })).toThrow("command");
  });
});
