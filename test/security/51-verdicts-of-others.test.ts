import { createMember, RedisEngine } from "mcp-tunnel-cluster";
import { describe, expect, it, vi } from "vitest";
import { PeerLinks } from "../../packages/cluster/src/peers/peer-links.js";
import { noRedis, RedisServer } from "../../packages/cluster/test/redis-server.js";
import { startRelay, V1Client } from "../../packages/relay/test/support.js";
import { closingAfterEach } from "../support/cleanup.js";
import { TestCluster } from "./support/cluster.js";

/**
 * The attack: a client that comes back for a session of another relay is closed with the code that this relay
 * says, or that Redis has kept. Some numbers are codes, and may not be sent: 1006 only tells a program that
 * its connection broke. Whoever can write one into Redis, or speaks as a relay, ended the process: closing
 * the link with it threw an error that nobody caught.
 *
 * The defence: a verdict whose code cannot be sent is none.
 */
const closing = closingAfterEach();

const unsendable = [999, 1_004, 1_005, 1_006, 1_015, 1_000.5, 2_999, 5_000];

/** How a relay closes the link of a client that wants to go on with this session. */
async function closeCodeOf(port: number, session: string, name = "app"): Promise<unknown> {
  const resume = { session, secret: "s".repeat(43), received: 0 };
  return await V1Client.connect(port, name, { resume }).then(
    (client) => {
      closing(client);
      return "registered";
    },
    (error: unknown) => (error as { code?: unknown }).code,
  );
}

describe.skipIf(noRedis)("a verdict in Redis", () => {
  it("is none if its code cannot be sent", async () => {
    const server = closing(await RedisServer.start());
    const times = { leaseMs: 6_000, keepNamesMs: 60_000, verdictMs: 60_000 };
    const member = createMember({
      engine: new RedisEngine({ url: server.url, times, onWarning() {} }),
      secret: "a secret of the test that is long enough",
      listen: { host: "127.0.0.1", port: 0 },
    });
    const { port } = closing(await startRelay({ member }));
    const keep = (code: number): Promise<unknown> =>
      server.command("SET", "{mcp-tunnel}:verdict:ngone.1", JSON.stringify({ code, reason: "" }));
    await keep(4_002);
    expect(await closeCodeOf(port, "ngone.1")).toBe(4_002);
    for (const code of unsendable) {
      await keep(code);
      // The relay that had the session is gone, so the client registers anew. Each has a name of its own.
      const name = `app-${String(code).replace(".", "-")}`;
      expect([code, await closeCodeOf(port, "ngone.1", name)]).toEqual([code, "registered"]);
    }
  });
});

describe("a verdict of another relay", () => {
  it("is none if its code cannot be sent", async () => {
    const { cluster, b } = await TestCluster.start();
    closing(cluster);
    let code = 4_002;
    const liar = closing(
      new PeerLinks(
        {
          node: "nliar",
          secret: "a secret of the test that is long enough",
          listen: { host: "127.0.0.1", port: 0 },
        },
        {
          acceptStream: () => ({ onData() {}, onEnd() {}, onReset() {} }),
          answer: () => Promise.resolve(null),
          onSplice: () => ({ refused: { code, reason: "" } }),
          onSpliced() {},
        },
      ),
    );
    const address = await liar.listen();
    await cluster.engine.join({ id: "nliar", address, version: "1.0.0", draining: false });
    await vi.waitFor(() => expect(b.member.status().peers).toBe(2));
    expect(await closeCodeOf(b.port, "nliar.1")).toBe(4_002);
    for (code of unsendable) {
      // Whether the session goes on is not known.
      expect([code, await closeCodeOf(b.port, "nliar.1")]).toEqual([code, 1_013]);
    }
  });
});
