import { randomUUID } from "node:crypto";
import { fileURLToPath } from "node:url";
import { createStdioServer } from "mcp-tunnel-stdio";
import { describe, expect, it, type TestContext, vi } from "vitest";
import { localFetch } from "../mcp/clients.js";
import { type RunningCommand, runClient, startRelayCommand } from "../support/commands.js";
import { startFaultProxy } from "../support/fault-proxy.js";
import { expectNoLeaks } from "../support/leaks.js";
import { marked, openFiles, tellsProcesses } from "../support/processes.js";
import { scaled } from "./scale.js";
import { leaveEarly, type Send, Session } from "./stdio-visits.js";

const command = ["sh", fileURLToPath(new URL("stdio-server.sh", import.meta.url))] as const;

/** Sessions of each way at a time, and how often that happens. */
const perWay = scaled(5, 10);
const rounds = scaled(1, 8);
/** How often {@link leaveOpen} happens before a client ends. */
const leftTimes = scaled(2, 10);
/** A server that ignores everything gets SIGKILL after 7 s. A busy machine may take any time for the rest. */
const slow = { timeout: 30_000, interval: 50 };

/** A visited bridge. */
interface Bridge {
  readonly send: Send;
  /** Cuts the link between the client and the relay. */
  cut?(): void;
}

/** The ways in which sessions end while the bridge goes on. Each opens a session. */
const ways: Readonly<Record<string, (bridge: Bridge) => Promise<void>>> = {
  async DELETE({ send }) {
    const session = await Session.open(send);
    expect(await session.ping()).toBe(200);
    expect(await session.delete()).toBe(200);
    expect(await session.ping()).toBe(404);
  },
  async "nobody uses it"({ send }) {
    await Session.open(send);
  },
  async "a visitor leaves before the server has answered initialize"({ send }) {
    // When a later request is answered, the earlier one has arrived.
    const later = Session.open(send);
    await leaveEarly(send, "mute", later);
    await (await later).delete();
  },
  async "a visitor leaves while initialize is answered"({ send }) {
    const other = Session.open(send);
    await leaveEarly(send, "", other);
    await (await other).delete();
  },
  async "a visitor leaves during a call, which then ends"({ send }) {
    const session = await Session.open(send);
    const call = await session.call("wait");
    await call.until("notifications/progress");
    await call.leave();
    expect(await session.notify("test/finish")).toBe(202);
  },
  async "a visitor leaves during a call, and then deletes the session"({ send }) {
    const session = await Session.open(send);
    const call = await session.call("wait");
    await call.until("notifications/progress");
    await call.leave();
    expect(await session.delete()).toBe(200);
  },
  async "a visitor leaves during a call that never ends"({ send }) {
    const session = await Session.open(send);
    const call = await session.call("wait");
    await call.until("notifications/progress");
    await call.leave();
  },
  async "a visitor who listens leaves"({ send }) {
    const session = await Session.open(send);
    const stream = await session.listen();
    expect(await session.ping()).toBe(200);
    await stream.leave();
  },
  async "the link is cut during a call"({ send, cut }) {
    const session = await Session.open(send);
    const call = await session.call("wait");
    await call.until("notifications/progress");
    cut?.();
    expect(await session.notify("test/finish")).toBe(202);
    await call.until('"result"');
    await call.end();
    expect(await session.delete()).toBe(200);
  },
  async "the server crashes"({ send }) {
    const session = await Session.open(send);
    const call = await session.call("crash");
    await call.until("-32603");
    await call.end();
    expect(await session.ping()).toBe(404);
  },
  async "the server crashes, and a process of its own goes on"({ send }) {
    const session = await Session.open(send, "fork");
    const call = await session.call("crash");
    await call.until("-32603");
    await call.end();
  },
  async "DELETE, and a process of the server's goes on"({ send }) {
    const session = await Session.open(send, "fork");
    expect(await session.delete()).toBe(200);
  },
  async "DELETE, and the server ignores the end of its stdin and SIGTERM"({ send }) {
    const session = await Session.open(send, "deaf fork");
    expect(await session.delete()).toBe(200);
  },
};

/** Opens sessions in all states and leaves them so. */
async function leaveOpen({ send }: Bridge): Promise<void> {
  await Session.open(send);
  await Session.open(send, "fork");
  await Session.open(send, "deaf fork");
  const calling = await Session.open(send);
  await (await calling.call("wait")).until("notifications/progress");
  await (await Session.open(send)).listen();
}
const leftOpen = 5;

async function openAll(bridge: Bridge): Promise<void> {
  const all = Object.values(ways).flatMap((way) => Array.from({ length: perWay }, () => way(bridge)));
  await Promise.all(all);
}

/** A name for the processes of a test. Those that are left are killed when it is over. */
function nameProcesses({ onTestFinished }: TestContext): {
  env: Record<string, string>;
  pids: () => number[];
} {
  const run = randomUUID();
  const pids = (): number[] => (tellsProcesses ? marked(`TEST_RUN=${run}`) : []);
  onTestFinished(() => {
    for (const pid of pids()) process.kill(pid, "SIGKILL");
  });
  return { env: { TEST_RUN: run }, pids };
}

type Closing = <T extends { close(): unknown }>(opened: T) => T;

/** Closes what a test has opened when the test is over, also if it runs beside others. */
function closingAfter({ onTestFinished }: TestContext): Closing {
  return (opened) => {
    onTestFinished(async () => void (await opened.close()));
    return opened;
  };
}

/** Built commands, with a proxy between the client and the relay. `processes` counts those of the client. */
async function startBridge(context: TestContext): Promise<{
  client: RunningCommand;
  bridge: Bridge;
  processes: () => number;
}> {
  const { env, pids } = nameProcesses(context);
  const closing = closingAfter(context);
  const relay = closing(await startRelayCommand());
  const proxy = closing(await startFaultProxy(relay.port));
  const options = ["--relay", `http://127.0.0.1:${proxy.port}`, "--json", "--shutdown-grace", "0"];
  const stdio = ["--stdio", "--visitor-auth", "none", "--stdio-sessions", "2000", "--stdio-idle", "5s"];
  const client = closing(runClient([...options, ...stdio, "--", ...command], env));
  const { url } = await client.waitForJson({ event: "connected" });
  const local = closing(localFetch());
  const bridge: Bridge = {
    send: (init) => local.fetch(`${String(url)}/mcp`, init),
    cut: () => proxy.cut(),
  };
  return { client, bridge, processes: () => pids().length };
}

/** What is in `after` and not in `before`, as often as it is there more. */
function more(after: readonly string[], before: readonly string[]): string[] {
  const rest = [...before];
  return after.filter((file) => {
    const at = rest.indexOf(file);
    if (at !== -1) rest.splice(at, 1);
    return at === -1;
  });
}

const endedCount = Object.keys(ways).length * perWay * rounds;

it(`${endedCount} sessions that end in every way leave nothing in the program that serves them`, async (context) => {
  const { env, pids } = nameProcesses(context);
  await expectNoLeaks(async () => {
    const bridge = createStdioServer({
      command: command[0],
      args: command.slice(1),
      env,
      maxSessions: 2_000,
      exitGraceMs: 100,
      killGraceMs: 100,
    });
    const send: Send = (init) => bridge.fetch(new Request("http://mcp.localhost/mcp", init));
    for (let round = 0; round < rounds; round++) await openAll({ send });
    // Sessions that nobody uses end here. Their timers, like the others, would go on for longer than is
    // waited.
    await bridge.close();
    expect(bridge.sessions).toBe(0);
    await vi.waitFor(() => expect(pids()).toEqual([]), slow);
  });
}, 120_000);

// They mostly wait for servers that ignore everything.
describe.skipIf(!tellsProcesses).concurrent("no process is left", () => {
  it(`of ${endedCount} sessions that end in every way, and no file descriptor`, async (context) => {
    const { client, bridge, processes } = await startBridge(context);
    // The client asks the server once which revision it speaks.
    await Session.open(bridge.send);
    await vi.waitFor(() => expect(processes()).toBe(1), slow);
    const before = openFiles(client.pid);
    for (let round = 0; round < rounds; round++) await openAll(bridge);
    await vi.waitFor(() => expect(processes()).toBe(1), slow);
    // The client closes its end of a pipe a moment after the process at the other end is gone.
    await vi.waitFor(() => expect(more(openFiles(client.pid), before)).toEqual([]), slow);
    expect(await client.close()).toEqual({ code: 0, signal: null });
  }, 240_000);

  it.for(["SIGTERM", "SIGKILL"] as const)(
    `of ${leftOpen * leftTimes} sessions in all states, once the client gets %s`,
    { timeout: 120_000 },
    async (signal, context) => {
      const { client, bridge, processes } = await startBridge(context);
      await Promise.all(Array.from({ length: leftTimes }, () => leaveOpen(bridge)));
      expect(processes()).toBeGreaterThan(leftOpen * leftTimes);
      client.child.kill(signal);
      const ended = await client.exited;
      expect(ended).toEqual(signal === "SIGTERM" ? { code: 0, signal: null } : { code: null, signal });
      await vi.waitFor(() => expect(processes()).toBe(0), slow);
    },
  );
});
