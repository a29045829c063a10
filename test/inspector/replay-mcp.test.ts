import { fileURLToPath } from "node:url";
import { CreateMessageResultSchema } from "@modelcontextprotocol/sdk/types.js";
import { createService, type ServiceOptions } from "mcp-tunnel-client";
import { headerValue } from "mcp-tunnel-protocol";
import { createStdioServer } from "mcp-tunnel-stdio";
import { describe, expect, it } from "vitest";
import type { CaptureListener, Captured } from "../../packages/inspector/src/captured.js";
import { Recorder } from "../../packages/inspector/src/capture/recorder.js";
import { McpView } from "../../packages/inspector/src/mcp/view.js";
import type { ReplayRequest } from "../../packages/inspector/src/model.js";
import type { ReplayEvent } from "../../packages/inspector/src/replay/event.js";
import { Replayer } from "../../packages/inspector/src/replay/replayer.js";
import { createHider } from "../../packages/inspector/src/secrets/hide.js";
import { connectV1, connectV2, type McpClient } from "../mcp/clients.js";
import { createTools, startV1Server, startV2Server } from "../mcp/servers.js";
import { closingAfterEach } from "../support/cleanup.js";
import { startInProcess } from "../support/in-process.js";

type Era = "legacy" | "modern";

const closing = closingAfterEach();

/** An inspected tunnel to a service. */
async function inspected(options: ServiceOptions) {
  const hider = () => createHider({ key: undefined, privatePaths: [] });
  const events: ReplayEvent[] = [];
  const listeners: CaptureListener[] = [];
  const recorder = new Recorder({ maxBytes: 64 * 1_024 * 1_024, maxExchanges: 2_000 }, listeners);
  const mcp = new McpView(recorder.ring, () => {}, hider);
  listeners.push(mcp);
  const replayer = new Replayer(recorder, mcp, {
    look: () => () => {},
    secretOf: () => undefined,
    onReplay: (event) => events.push(event),
  });
  const service = replayer.wrap(createService(options));
  const tunnel = closing(
    await startInProcess({
      client: { service, observeExchange: recorder.observe },
    }),
  );
  const entries = (): Captured[] => Array.from(recorder.ring.entries());
  return {
    recorder,
    mcp,
    events,
    url: `http://demo.localhost:${tunnel.relayPort}/mcp`,
    /** The newest exchange of a method of MCP. */
    newest: (method: string) =>
      entries().findLast((entry) => mcp.summary(entry)?.method === method) as Captured,
    /** The replays, in the order in which they began. */
    replays: () => entries().filter(({ replayOf }) => replayOf !== undefined),
    /** Sends an entry again, and waits until all of its replay is over. */
    async replayed(entry: Captured, edit: ReplayRequest["edit"] = {}): Promise<Captured> {
      const { id } = await replayer.replay(entry, { confirmed: true, edit });
      while (replayer.open > 0) await new Promise((resolve) => setImmediate(resolve));
      return recorder.ring.find(id) as Captured;
    },
    replayer,
  };
}

/** What an answer says, whether it is an event stream or not. */
function messageOf({ events, responseBody }: Captured): Record<string, unknown> {
  const texts = events?.kept
    .filter(({ isComment, data }) => !isComment && data !== "")
    .map(({ data }) => data);
  return JSON.parse(texts?.at(-1) ?? responseBody.bufferOf().toString()) as Record<string, unknown>;
}

const textResult = (text: string) => ({ result: { content: [{ type: "text", text }] } });
const bodyOf = (entry: Captured) =>
  JSON.parse(entry.requestBody.bufferOf().toString()) as { id: unknown; params: Record<string, unknown> };

const v1 = async () => ({ port: closing(await startV1Server()).port });
const v2 = async () => ({ port: closing(await startV2Server()).port });
const stdio = async () => {
  const args = [fileURLToPath(new URL("../mcp/stdio-server.mjs", import.meta.url))];
  return { fetch: closing(createStdioServer({ command: process.execPath, args })).fetch };
};
const connect: Readonly<Record<Era, (url: string) => Promise<McpClient>>> = {
  legacy: (url) => connectV2(url, "legacy"),
  modern: (url) => connectV2(url, { pin: "2026-07-28" }),
};

describe("a call of the earlier era is sent in a session of its own", () => {
  it.each([
    ["SDK 1, with sessions", v1, true, (url: string) => connectV1(url)],
    ["SDK 1, and the client of SDK 2", v1, true, connect.legacy],
    ["SDK 2, without sessions", v2, false, connect.legacy],
  ])("%s", async (_what, start, hasSessions, open) => {
    const { url, newest, replays, replayed, mcp, events } = await inspected(await start());
    const client = closing(await open(url));
    await client.callTool("add", { a: 1, b: 2 });
    const original = newest("tools/call");
    const replay = await replayed(original);
    expect(messageOf(replay)).toMatchObject(textResult("3"));
    expect(bodyOf(replay)).toEqual(bodyOf(original));

    const [initialize, initialized, call, end] = replays();
    expect(call).toBe(replay);
    expect(bodyOf(initialize as Captured).params).toEqual(bodyOf(newest("initialize")).params);
    expect(bodyOf(initialize as Captured).params).toMatchObject({ clientInfo: { name: "mcp-tunnel-tests" } });
    expect(initialized?.response?.status).toBe(202);
    const sessionOf = ({ head }: Captured) => headerValue(head.headers, "mcp-session-id");
    if (hasSessions) {
      expect(sessionOf(replay)).not.toBe(sessionOf(original));
      expect([end?.head.method, end?.response?.status, end && sessionOf(end)]).toEqual([
        "DELETE",
        200,
        sessionOf(replay),
      ]);
    } else expect([sessionOf(replay), end]).toEqual([undefined, undefined]);
    expect(events.map(({ id, status, mcp: told }) => [id, status, told?.name])).toEqual([
      [replay.id, undefined, "add"],
      [replay.id, 200, "add"],
    ]);
    // The visitor's own session goes on.
    expect(await client.callTool("add", { a: 2, b: 2 })).toBe("4");
    if (hasSessions) expect(mcp.sessions().filter((session) => session.replay === true)).toHaveLength(1);
  });

  it("a bridge to stdio, which starts a process for the session and ends it", async () => {
    const { url, newest, replayed, replays } = await inspected(await stdio());
    const client = closing(await connect.legacy(url));
    await client.callTool("count", { to: 3, label: "hello" }, { onProgress: () => {} });
    const replay = await replayed(newest("tools/call"));
    expect(messageOf(replay)).toMatchObject(textResult("hello"));
    expect(replay.events?.kept.filter(({ data }) => data.includes("notifications/progress"))).toHaveLength(3);
    expect(replays().at(-1)?.head.method).toBe("DELETE");
  });

  it("edited, with a message of the user's own", async () => {
    const { url, newest, replayed } = await inspected(await v1());
    const client = closing(await connectV1(url));
    await client.listTools();
    const params = { name: "echo", arguments: { message: "grün" } };
    const body = JSON.stringify({ jsonrpc: "2.0", id: "mine", method: "tools/call", params });
    const replay = await replayed(newest("tools/list"), { body });
    expect(messageOf(replay)).toMatchObject({ id: "mine", ...textResult("grün") });
  });

  it("initialize itself, whose session is ended", async () => {
    const { url, newest, replayed, replays } = await inspected(await v1());
    closing(await connectV1(url));
    const replay = await replayed(newest("initialize"));
    expect(messageOf(replay)).toMatchObject({ result: { serverInfo: { name: "v1" } } });
    expect(replays().map(({ head }) => head.method)).toEqual(["POST", "DELETE"]);
  });

  it("the stream of a session, until it is cancelled", async () => {
    const { url, recorder, replayer, replays } = await inspected(await v1());
    closing(await connectV1(url));
    let stream: Captured | undefined;
    while (stream?.response === undefined) {
      await new Promise((resolve) => setImmediate(resolve));
      stream = Array.from(recorder.ring.entries()).find(({ head }) => head.method === "GET");
    }
    // The visitor's stream goes on: what was captured of its request is complete.
    const { id } = await replayer.replay(stream, {});
    const replay = recorder.ring.find(id) as Captured;
    while (replay.response === undefined) await new Promise((resolve) => setImmediate(resolve));
    expect(replay.response.status).toBe(200);
    expect(replayer.cancel(id)).toBe(true);
    while (replayer.open > 0) await new Promise((resolve) => setImmediate(resolve));
    expect(replays().at(-1)?.head.method).toBe("DELETE");
  });

  it("answers what the server asks, so that the call ends", async () => {
    const create = () => {
      const server = createTools();
      server.registerTool("ask", {}, async (context) => {
        const params = { messages: [], maxTokens: 1 };
        const asked = await context
          .sendRequest({ method: "sampling/createMessage", params }, CreateMessageResultSchema)
          .catch((error: unknown) => String(error));
        return { content: [{ type: "text", text: String(asked) }] };
      });
      return server;
    };
    const server = closing(await startV1Server(create));
    const { url, newest, replayed } = await inspected({ port: server.port });
    const client = closing(await connectV1(url));
    await client.callTool("ask", {});
    const replay = await replayed(newest("tools/call"));
    expect(JSON.stringify(messageOf(replay))).toMatch(/the inspector cannot answer/);
  });
});

describe("a call of revision 2026-07-28 gets a new id", () => {
  it.each([
    ["SDK 2", v2, "slow_count", { to: 2, pauseMs: 1 }, "counted to 2"],
    ["a bridge to stdio", stdio, "count", { to: 2, label: "hello" }, "hello"],
  ])("%s", async (_what, start, tool, args, expected) => {
    const { url, newest, replays, replayed } = await inspected(await start());
    const client = closing(await connect.modern(url));
    await client.callTool(tool, args, { onProgress: () => {} });
    const original = newest("tools/call");
    const replay = await replayed(original);
    expect(replays()).toEqual([replay]);
    const { id } = bodyOf(replay);
    expect(id).not.toBe(bodyOf(original).id);
    expect(messageOf(replay)).toMatchObject({ id, ...textResult(expected) });
    const progress = replay.events?.kept.filter(({ data }) => data.includes("notifications/progress")) ?? [];
    expect(progress.map(({ data }) => (JSON.parse(data) as { params: object }).params)).toEqual([
      expect.objectContaining({ progressToken: id, progress: 1 }),
      expect.objectContaining({ progressToken: id, progress: 2 }),
    ]);
  });

  it("and header fields that say what an edited message says", async () => {
    const { url, newest, replayed } = await inspected(await v2());
    const client = closing(await connect.modern(url));
    await client.callTool("add", { a: 1, b: 2 });
    const original = newest("tools/call");
    const edited = bodyOf(original);
    Object.assign(edited.params, { name: "echo", arguments: { message: "other" } });
    const replay = await replayed(original, { body: JSON.stringify(edited) });
    expect(headerValue(replay.head.headers, "mcp-name")).toBe("echo");
    expect(messageOf(replay)).toMatchObject(textResult("other"));
  });
});
