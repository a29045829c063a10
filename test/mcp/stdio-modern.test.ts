import { once, EventEmitter } from "node:events";
import { fileURLToPath } from "node:url";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { afterEach, expect, it } from "vitest";
import { Backoff } from "../../packages/stdio/src/child/backoff.js";
import { Processes } from "../../packages/stdio/src/child/processes.js";
import type { StdioEvent } from "../../packages/stdio/src/events.js";
import { Unread } from "../../packages/stdio/src/http/unread.js";
import { parseMessage } from "../../packages/stdio/src/message.js";
import { looksModern } from "../../packages/stdio/src/modern/looks-modern.js";
import { SharedServer } from "../../packages/stdio/src/modern/shared-server.js";
import { resolveOptions } from "../../packages/stdio/src/options.js";

const closing: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

/** The bridge over a server of SDK 2, and clients of SDK 2 that reach it by a `fetch` of their own. */
async function bridge() {
  const events: StdioEvent[] = [];
  const told = new EventEmitter();
  const options = resolveOptions({
    command: process.execPath,
    args: [fileURLToPath(new URL("stdio-server.mjs", import.meta.url))],
    minRestartDelayMs: 0,
    onEvent: (event) => {
      events.push(event);
      told.emit("event", event);
    },
  });
  const processes = new Processes(options);
  const unread = new Unread(options.maxUnreadBytes);
  const server = new SharedServer(
    options,
    (purpose) => processes.open(purpose),
    new Backoff(options),
    unread,
  );
  closing.push(async () => {
    await server.close();
    await processes.close();
    unread.close();
    expect(processes.size).toBe(0);
  });
  expect(await server.probe()).toBe(true);

  const connect = async (options: ConstructorParameters<typeof Client>[1] = {}) => {
    const client = new Client(
      { name: "test", version: "1" },
      { versionNegotiation: { mode: "auto" }, ...options },
    );
    await client.connect(
      new StreamableHTTPClientTransport(new URL("http://localhost/mcp"), {
        fetch: async (url, init) => {
          if (init?.method !== "POST") return new Response(null, { status: 405 });
          const request = new Request(url, init);
          const message = parseMessage(await request.clone().text())!;
          if (!looksModern(request, message)) throw new Error(`Not modern: ${message.text}`);
          return server.post(request, message);
        },
      }),
    );
    closing.push(() => client.close());
    expect(client.getNegotiatedProtocolVersion()).toBe("2026-07-28");
    return client;
  };

  const said = async (line: string) => {
    while (!events.some((event) => event.type === "stderr" && event.line === line)) await once(told, "event");
  };

  return { connect, events, said };
}

it("clients of SDK 2 list tools and call them at once, and each call hears of its own progress", async () => {
  const { connect, events } = await bridge();
  const clients = await Promise.all([connect(), connect(), connect()]);
  for (const client of clients) {
    const names = (await client.listTools()).tools.map(({ name }) => name);
    expect(names).toEqual(["count", "grow", "wait", "exit"]);
  }
  const labels = clients.flatMap((client, index) =>
    [1, 2, 3].map((n) => ({ client, label: `${index}-${n}` })),
  );
  await Promise.all(
    labels.map(async ({ client, label }) => {
      const heard: unknown[] = [];
      const result = await client.callTool(
        { name: "count", arguments: { to: 20, label } },
        { onprogress: (progress) => heard.push([progress.progress, progress.message]) },
      );
      expect(result.content).toEqual([{ type: "text", text: label }]);
      expect(heard).toEqual(Array.from({ length: 20 }, (_, n) => [n + 1, label]));
    }),
  );
  expect(events.filter(({ type }) => type === "started")).toMatchObject([{ purpose: "probe" }]);
});

it("clients of SDK 2 hear of changes that they have subscribed to", async () => {
  const { connect } = await bridge();
  const changed = new EventEmitter();
  const listeners = await Promise.all(
    [0, 1].map((index) =>
      connect({ listChanged: { tools: { onChanged: (_error, tools) => changed.emit(`${index}`, tools) } } }),
    ),
  );
  expect(listeners).toHaveLength(2);
  const heard = [0, 1].map((index) => once(changed, `${index}`));
  const other = await connect();
  await other.callTool({ name: "grow", arguments: {} });
  for (const [tools] of await Promise.all(heard)) {
    expect((tools as { name: string }[]).map(({ name }) => name)).toContain("grown");
  }
});

it("a client of SDK 2 that cancels a call cancels it in the server", async () => {
  const { connect, said } = await bridge();
  const client = await connect();
  const cancelling = new AbortController();
  const calling = client.callTool({ name: "wait", arguments: {} }, { signal: cancelling.signal });
  await said("waiting");
  cancelling.abort();
  await expect(calling).rejects.toThrow();
  await said("cancelled");
  expect((await client.listTools()).tools).toHaveLength(4);
});

it("a client of SDK 2 is told that the server has ended, and calls the next one", async () => {
  const { connect, events } = await bridge();
  const client = await connect();
  await expect(client.callTool({ name: "exit", arguments: {} })).rejects.toThrow(/has ended/);
  expect((await client.listTools()).tools).toHaveLength(4);
  expect(events.filter(({ type }) => type === "started")).toMatchObject([
    { purpose: "probe" },
    { purpose: "shared" },
  ]);
});
