import { request } from "undici";
import { expect } from "vitest";
import { type AdminRelay, Scrape, startAdminRelay } from "../../admin/support.js";
import { type ClientCommand, startClientCommand } from "../../support/commands.js";
import { startUpstream, type Upstream } from "../../support/upstream.js";
import { type HonestReport, type HonestVisitor, startHonestVisitor } from "./honest.js";
import { RawVisitor } from "./raw-visitor.js";

/** The relay and the client as commands, a service behind them under `demo`, and an honest visitor. */
export interface World {
  readonly relay: AdminRelay;
  readonly client: ClientCommand;
  readonly upstream: Upstream;
  readonly port: number;
  /** How often a limit took effect so far. */
  limitHits(name: string): Promise<number>;
  /** A connection to the relay, from `localAddress` if it is given. */
  connect(localAddress?: string): RawVisitor;
  /** The head of a request for the service, without its last line. */
  head(line: string, ...fields: string[]): string;
  /** Resolves when the visitor has had his first answer. */
  startHonest(): Promise<HonestVisitor>;
  /** Stops the honest visitor, and fails if he had reason to complain. */
  expectHonest(visitor: HonestVisitor): Promise<HonestReport>;
  close(): Promise<void>;
}

/**
 * The most that an honest visitor has to put up with during an attack, on a machine that does much besides:
 * he is served while the attack goes on, not after it. docs/security.md tells how quick the relay is on a
 * machine of its own.
 */
const honestP99Ms = 10_000;

/**
 * Loopback counts like any other address here. Attacks come from 127.0.0.1, honest visitors from 127.0.0.2.
 */
export async function startWorld(relayArgs: readonly string[] = []): Promise<World> {
  const [relay, upstream] = await Promise.all([
    startAdminRelay(["--limit-exempt", "none", "--access-log", "off", ...relayArgs]),
    startUpstream(),
  ]);
  const client = await startClientCommand(upstream.port, relay.port, ["--subdomain", "demo"]);
  const connections: RawVisitor[] = [];
  return {
    relay,
    client,
    upstream,
    port: relay.port,
    async limitHits(name) {
      // A connection of its own each time: a kept connection may just be closing.
      const answer = await request(`${relay.admin}/metrics`, { reset: true });
      const scrape = new Scrape(await answer.body.text());
      return scrape.value("mcp_tunnel_limits_hit_total", { limit: name });
    },
    connect(localAddress = "127.0.0.1") {
      const visitor = new RawVisitor({ port: relay.port, localAddress });
      connections.push(visitor);
      return visitor;
    },
    head: (line, ...fields) =>
      [`${line} HTTP/1.1`, "Host: demo.localhost", ...fields].map((text) => `${text}\r\n`).join(""),
    startHonest: () => startHonestVisitor(relay.port, "demo.localhost"),
    async expectHonest(visitor) {
      const report = await visitor.stop();
      expect(report.failures).toEqual({});
      // One answer came before the attack. The number after it depends on how long the attack takes.
      expect(report.sent).toBeGreaterThan(1);
      expect(report.p99Ms).toBeLessThan(honestP99Ms);
      return report;
    },
    async close() {
      for (const connection of connections) connection.close();
      await client.close();
      await relay.close();
      await upstream.close();
    },
  };
}
