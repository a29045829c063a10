import type { ServedTunnel, Service } from "mcp-tunnel-client";
import type { RawHeaders } from "mcp-tunnel-protocol";
import { Recorder } from "../../src/capture/recorder.js";
import type { Captured } from "../../src/captured.js";
import type { ReplayEvent } from "../../src/replay/event.js";
import type { McpSource } from "../../src/replay/mcp-source.js";
import { Replayer } from "../../src/replay/replayer.js";

/** Nothing is of MCP. */
export const noMcp: McpSource = {
  summary: () => undefined,
  era: () => undefined,
  sessions: () => [],
  tool: () => undefined,
  initializeOf: () => undefined,
};

/** Everything is of one session of the era. */
export function mcpOf(era: "legacy" | "modern", given: Partial<McpSource> = {}): McpSource {
  const counts = { calls: 1, errors: 0, open: 0 };
  const server = { name: "server" };
  const session = { key: "s1", era, path: "/mcp", server, startedAt: 0, lastAt: 0, ...counts };
  return {
    ...noMcp,
    summary: () => ({ method: "tools/call", session: "s1" }),
    era: () => era,
    sessions: () => [session],
    ...given,
  };
}

/** A replayer before a service, with all that it tells. */
export function startReplays(
  service: Service,
  mcp: McpSource = noMcp,
  secrets: Readonly<Record<string, string>> = {},
) {
  const recorder = new Recorder({ maxBytes: 64 * 1_024 * 1_024, maxExchanges: 2_000 }, []);
  const events: ReplayEvent[] = [];
  const faults: unknown[] = [];
  const replayer = new Replayer(recorder, mcp, {
    look: () => () => {},
    secretOf: (_entry, mark) => secrets[mark],
    onReplay: (event) => events.push(event),
  });
  const wrapped = replayer.wrap(service);
  const tunnel: ServedTunnel = {
    url: "https://demo.relay.test",
    origin: "https://demo.relay.test",
    isForwardedOwn: true,
    isVisitorOwn: true,
    maxResponseBody: Number.POSITIVE_INFINITY,
    warn() {},
    fault: (error) => faults.push(error),
  };
  wrapped.begin?.(tunnel);
  return { recorder, replayer, wrapped, tunnel, events, faults, close: () => wrapped.close() };
}

export type Replays = ReturnType<typeof startReplays>;

/** Sends an entry again, and waits until its replay is over. */
export async function replayed(
  { replayer, recorder }: Replays,
  entry: Captured,
  edit: Parameters<Replayer["replay"]>[1]["edit"] = {},
): Promise<Captured> {
  const { id } = await replayer.replay(entry, { confirmed: true, edit });
  const replay = recorder.ring.find(id) as Captured;
  while (replay.over === undefined) await new Promise((resolve) => setImmediate(resolve));
  return replay;
}

export function textOf(entry: Captured): string {
  return entry.responseBody.bufferOf().toString();
}

/** Fields of a visitor's request, as a relay sends them. */
export const visitorFields: RawHeaders = [
  ...["Host", "demo.relay.test", "X-Forwarded-For", "192.0.2.7", "X-Tunnel-Visitor", "192.0.2.7"],
  ...["Authorization", "Bearer secret"],
];
