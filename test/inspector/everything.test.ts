import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { SSEClientTransport } from "@modelcontextprotocol/sdk/client/sse.js";
import { createStdioServer } from "mcp-tunnel-stdio";
import type { CallDetail, McpSession } from "mcp-tunnel-inspector/model";
import { describe, expect, it } from "vitest";
import { localFetch } from "../mcp/clients.js";
import { connect, type Generation, type Session } from "../stdio/clients.js";
import { Journal } from "../stdio/journal.js";
import { sdk2Scenario } from "../stdio/scenarios/both-eras.js";
import { everythingScenario } from "../stdio/scenarios/everything.js";
import { everything, installed, missingNpmServers, sdk2, type StdioServer } from "../stdio/servers.js";
import { closingAfterEach } from "../support/cleanup.js";
import { RunningCommand } from "../support/commands.js";
import { freePort } from "../support/free-port.js";
import { type Inspected, startInspected } from "./inspected.js";
import { callsSeen, type SeenCall } from "./seen.js";

// What the inspector says of a session, against what the client's own transport has sent and received.

const closing = closingAfterEach();
const isMissing = missingNpmServers();
/** Bytes that the inspector keeps of a body. */
const maxKept = 256 * 1_024;

/** A server on stdio, behind the bridge. */
async function overBridge({ command, args, env = {} }: StdioServer): Promise<Inspected> {
  const bridge = closing(createStdioServer({ command, args: [...args], env }));
  return closing(await startInspected({ fetch: (request) => bridge.fetch(request) }));
}

/** server-everything with a transport of its own. */
async function overHttp(transport: "streamableHttp" | "sse"): Promise<Inspected> {
  const port = await freePort();
  const script = installed("@modelcontextprotocol/server-everything/dist/index.js");
  const command = closing(
    new RunningCommand(process.execPath, [script, transport], { env: { PORT: String(port) } }),
  );
  await command.waitFor("its port", () => (command.output.includes(String(port)) ? true : undefined));
  return closing(await startInspected({ port }));
}

async function run(
  inspected: Inspected,
  generation: Generation,
  scenario: (session: Session) => Promise<void>,
): Promise<{ readonly session: Session; readonly seen: SeenCall[] }> {
  const session = await connect(generation, { url: `${inspected.origin}/mcp` });
  try {
    await scenario(session);
    const failed = session.journal.steps.filter(
      ({ name, seen }) => seen.some((line) => line.startsWith("failed")) !== name.endsWith(" fails"),
    );
    expect(failed).toEqual([]);
  } finally {
    await session.close();
  }
  return { session, seen: callsSeen(session.journal.passed) };
}

/** All calls of all sessions, in the order in which they began, with what the API says of each. */
async function callsTold(inspected: Inspected): Promise<{ sessions: McpSession[]; calls: CallDetail[] }> {
  const sessions = [...(await inspected.sessions())];
  const calls: CallDetail[] = [];
  for (const { key } of sessions) {
    const detail = await inspected.session(key);
    for (const call of detail.calls) calls.push(await inspected.call(call.key));
  }
  return { sessions, calls };
}

/** The parts of a call that the client knows as well. */
function comparable(told: CallDetail): Partial<SeenCall> {
  const { id, method, params, result, error, outcome, counts } = told;
  return {
    id,
    method,
    params: parsed(params),
    outcome,
    progress: counts.progress,
    ...(error === undefined || outcome === "tool_error"
      ? { result: parsed(result), error: undefined }
      : { result: undefined, error: parsed(result) }),
  };
}

const parsed = (text: string | undefined): unknown => (text === undefined ? undefined : JSON.parse(text));

function expectSame(told: readonly CallDetail[], seen: readonly SeenCall[], isModern: boolean): void {
  const inOrder = told.toSorted((one, other) => one.exchange - other.exchange);
  expect(inOrder.map(({ method, id }) => `${method} ${id}`)).toEqual(seen.map(nameOf));
  for (const [place, call] of seen.entries()) expectSameCall(inOrder[place] as CallDetail, call, isModern);
}

/** The SDKs write the id last. It is not kept of a request that is longer than what is kept. */
function nameOf({ method, id, params }: SeenCall): string {
  return JSON.stringify(params)?.length > maxKept ? `${method} ` : `${method} ${id}`;
}

function expectSameCall(told: CallDetail, call: SeenCall, isModern: boolean): void {
  const { id, method, params, result, error, progress } = call;
  // In revision 2026-07-28 a client gives a call up without a message.
  const outcome = isModern && call.outcome === "open" ? "cancelled" : call.outcome;
  const where = `${method} ${id} ${JSON.stringify(params)?.slice(0, 200)}`;
  if (told.requestBytes > maxKept) {
    // Only the start of the request was kept, and of the answer.
    expect(told, where).toMatchObject({ method, name: "echo", outcome, notes: [{ code: "not_read" }] });
  } else if (told.responseBytes > maxKept) {
    expect(told, where).toMatchObject({ id, method, outcome });
  } else {
    const expected = { id, method, params, result, error, outcome, progress };
    // It does not see what is still on its way then.
    if (outcome === "cancelled" && isModern) expected.progress = told.counts.progress;
    expect(comparable(told), where).toEqual(expected);
  }
  if (call.durationMs !== undefined) {
    expect(told.durationMs, where).toBeGreaterThanOrEqual(0);
    // The client's time has all of it. The inspector's clock counts whole milliseconds.
    expect(told.durationMs, where).toBeLessThanOrEqual(call.durationMs + 2);
  }
  const items = told.timeline.filter(({ kind }) => !isExtra(kind, isModern));
  // Messages of the two sides cross on their way.
  for (const side of ["client", "server"]) {
    const kinds = items.filter(({ from }) => from === side).map(({ kind }) => kind);
    const seen = call.items.filter(({ from }) => from === side).map(({ kind }) => kind);
    if (call.isAlone && outcome !== "cancelled") expect(kinds, where).toEqual(seen);
  }
  if (isModern) expectInput(told, call);
}

/** What a client sees beside its request, or in revision 2026-07-28 within other messages. */
function isExtra(kind: string, isModern: boolean): boolean {
  if (kind === "log" || kind === "notification") return true;
  return isModern && (kind === "server_request" || kind === "client_answer");
}

/**
 * In revision 2026-07-28 a server asks by a result, and the client makes its request again with the answers.
 */
function expectInput(told: CallDetail, { params, result }: SeenCall): void {
  const asked = Object.keys((result as Input | undefined)?.inputRequests ?? {}).length;
  const answered = Object.keys((params as Input | undefined)?.inputResponses ?? {}).length;
  const count = (wanted: string): number => told.timeline.filter(({ kind }) => kind === wanted).length;
  expect([count("server_request"), told.counts.requests]).toEqual([asked, asked]);
  // The answers are told of both requests.
  expect(count("client_answer")).toBe(asked + answered);
}

interface Input {
  readonly inputRequests?: object;
  readonly inputResponses?: object;
}

describe.skipIf(isMissing)("a session with server-everything is shown as the client saw it", () => {
  const ways = [
    ["behind the bridge", () => overBridge(everything())],
    ["on its own Streamable HTTP", () => overHttp("streamableHttp")],
  ] as const;
  for (const [way, start] of ways) {
    it.each(["v1", "v2 auto"] as const)(
      `${way}, by the client %s`,
      { timeout: 120_000 },
      async (generation) => {
        const inspected = await start();
        const { session, seen } = await run(inspected, generation, everythingScenario);
        const { sessions, calls } = await callsTold(inspected);
        expectSame(calls, seen, false);
        expectPhenomena(calls);
        const legacy = sessions.filter(({ era }) => era === "legacy");
        expect(legacy).toMatchObject([
          {
            path: "/mcp",
            id: expect.stringMatching(/./) as string,
            client: { name: "mcp-tunnel-tests", version: "1.0.0" },
            server: { name: "mcp-servers/everything" },
            protocolVersion: "2025-11-25",
            endedAt: expect.any(Number) as number,
            open: 0,
          },
        ]);
        expect(session.isModern).toBe(false);
      },
    );
  }
});

it.skipIf(isMissing)("a session over the older HTTP with SSE is shown as the client saw it", async () => {
  const inspected = await overHttp("sse");
  const local = closing(localFetch());
  const transport = new SSEClientTransport(new URL(`${inspected.origin}/sse`), { fetch: local.fetch });
  const journal = new Journal();
  journal.watch(transport);
  const client = closing(new Client({ name: "mcp-tunnel-tests", version: "1.0.0" }));
  await client.connect(transport);
  await client.listTools();
  await client.callTool({ name: "get-sum", arguments: { a: 1, b: 2 } });
  const slow = { name: "trigger-long-running-operation", arguments: { duration: 0.2, steps: 4 } };
  await client.callTool(slow, undefined, { onprogress: () => {} });
  await client.callTool({ name: "nothing" });
  const { sessions, calls } = await callsTold(inspected);
  expectSame(calls, callsSeen(journal.passed), false);
  expect(calls.map(({ counts }) => counts.progress)).toContain(4);
  expect(sessions).toMatchObject([{ path: "/sse", era: "legacy", calls: 5, errors: 1, open: 0 }]);
});

describe("a session with a server of both eras is shown as the client saw it", () => {
  it.each(["v1", "v2 legacy", "v2 auto"] as const)(
    "by the client %s",
    { timeout: 120_000 },
    async (generation) => {
      const inspected = await overBridge(sdk2());
      const { session, seen } = await run(inspected, generation, sdk2Scenario);
      expect(session.isModern).toBe(generation === "v2 auto");
      const { sessions, calls } = await callsTold(inspected);
      expectSame(calls, seen, session.isModern);
      expectPhenomena(calls);
      expect(sessions).toMatchObject([
        {
          era: session.isModern ? "modern" : "legacy",
          client: { name: "mcp-tunnel-tests", version: "1.0.0" },
          server: { name: "sdk2", title: "A server of SDK 2" },
          protocolVersion: session.isModern ? "2026-07-28" : "2025-11-25",
          open: 0,
        },
      ]);
      const log = calls.find(({ name }) => name === "log");
      if (!session.isModern) expect(log?.counts.logs).toBe(3);
    },
  );
});

/** A scenario that does nothing would be shown rightly too. */
function expectPhenomena(calls: readonly CallDetail[]): void {
  const outcomes = new Set(calls.map(({ outcome }) => outcome));
  expect(outcomes).toEqual(new Set(["ok", "error", "tool_error", "cancelled"]));
  const items = calls.flatMap(({ timeline }) => timeline);
  const kinds = new Set(items.map(({ kind }) => kind));
  for (const kind of ["request", "progress", "server_request", "client_answer", "result", "error", "cancel"])
    expect(kinds).toContain(kind);
  const asked = new Set(items.filter(({ kind }) => kind === "server_request").map(({ method }) => method));
  for (const method of ["sampling/createMessage", "elicitation/create"]) expect(asked).toContain(method);
}
