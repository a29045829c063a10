import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { connectV1, connectV2, type McpClient } from "../mcp/clients.js";
import { closingAfterEach } from "../support/cleanup.js";
import {
  type JsonLine,
  type RelayCommand,
  type RunningCommand,
  runClient,
  startRelayCommand,
} from "../support/commands.js";
import { type FaultProxy, startFaultProxy } from "../support/fault-proxy.js";
import { isFullRun, scaled } from "./scale.js";

const serverFile = fileURLToPath(new URL("../../examples/basic/stdio-server.mjs", import.meta.url));
/** One call: as many notifications of progress, and the pause before each. A minute in the full run. */
const call = scaled({ to: 40, pauseMs: 30 }, { to: 600, pauseMs: 100 });
const testTimeoutMs = scaled(60_000, 180_000);

const opened = closingAfterEach();

/** The example's server on stdio behind built commands, with a proxy between the client and the relay. */
async function startTunnel(): Promise<{
  relay: RelayCommand;
  link: FaultProxy;
  client: RunningCommand;
  url: string;
}> {
  const relay = opened(await startRelayCommand());
  const link = opened(await startFaultProxy(relay.port));
  const options = ["--relay", `http://127.0.0.1:${link.port}`, "--subdomain", "demo", "--json"];
  const stdio = ["--stdio", "--visitor-auth", "none", "--", process.execPath, serverFile];
  const client = opened(runClient([...options, ...stdio]));
  await client.waitForJson({ event: "connected" });
  return { relay, link, client, url: `http://demo.localhost:${relay.port}/mcp` };
}

/** Calls the slow tool. `onProgress` is told of each notification. */
async function expectWholeCall(
  visitor: McpClient,
  onProgress: (progress: number) => void = () => {},
): Promise<void> {
  const seen: number[] = [];
  const answer = await visitor.callTool("slow_count", call, {
    onProgress(progress) {
      seen.push(progress);
      onProgress(progress);
    },
    timeoutMs: testTimeoutMs,
  });
  expect(seen).toEqual(Array.from({ length: call.to }, (_, i) => i + 1));
  expect(answer).toBe(`counted to ${call.to}`);
}

/**
 * Cuts every second in the full run, else after each `every` notifications, as long as the cut before is
 * `mended`. Returns the number of cuts.
 */
async function whileCutting(
  {
    link,
    every,
    mended = () => true,
  }: { link: FaultProxy; every: number; mended?: (cuts: number) => boolean },
  work: (onProgress: (progress: number) => void) => Promise<void>,
): Promise<number> {
  let cuts = 0;
  const cut = (): void => {
    if (!mended(cuts)) return;
    link.cut();
    cuts += 1;
  };
  const timer = isFullRun ? setInterval(cut, 1_000) : undefined;
  try {
    await work((progress) => {
      if (!isFullRun && progress % every === 0 && progress < call.to) cut();
    });
  } finally {
    clearInterval(timer);
  }
  return cuts;
}

describe.each([
  { visitor: "the v1 client, with a session of its own", connect: (url: string) => connectV1(url) },
  {
    visitor: "the v2 client, with a share in the one process of revision 2026-07-28",
    connect: (url: string) => connectV2(url, { pin: "2026-07-28" }),
  },
])("$visitor", ({ connect }) => {
  it(
    "loses and doubles no notification of its calls while the link is cut",
    async () => {
      const { link, client, url } = await startTunnel();
      const visitor = opened(await connect(url));
      const isMended = (line: JsonLine): boolean => line["event"] === "connected" && line["resumed"] === true;
      const cuts = await whileCutting(
        { link, every: 5, mended: (count) => client.json.filter(isMended).length === count },
        async (onProgress) => {
          const first = expectWholeCall(visitor, onProgress);
          await Promise.all([first, expectWholeCall(visitor), expectWholeCall(visitor)]);
        },
      );
      console.info(`${cuts} cuts of the link`);
      expect(cuts).toBeGreaterThan(1);
      await client.waitForJson({ event: "connected", resumed: true }, cuts);
    },
    testTimeoutMs,
  );
});

it(
  "a visitor who resumes with Last-Event-ID loses and doubles no notification while his connections are cut",
  async () => {
    const { relay } = await startTunnel();
    const way = opened(await startFaultProxy(relay.port));
    const visitor = opened(
      await connectV1(`http://demo.localhost:${way.port}/mcp`, {
        initialReconnectionDelay: 10,
        maxReconnectionDelay: 200,
        reconnectionDelayGrowFactor: 2,
        maxRetries: 100,
      }),
    );
    const cuts = await whileCutting({ link: way, every: 5 }, (onProgress) =>
      expectWholeCall(visitor, onProgress),
    );
    console.info(`${cuts} cuts of the visitor's connections`);
    expect(cuts).toBeGreaterThan(1);
  },
  testTimeoutMs,
);
