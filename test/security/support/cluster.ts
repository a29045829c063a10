import { createMember, MemoryEngine } from "mcp-tunnel-cluster";
import type { Engine } from "../../../packages/cluster/src/engine/engine.js";
import type { RelayOptions } from "mcp-tunnel";
import { vi } from "vitest";
import { startRelay, type TestRelay } from "../../../packages/relay/test/support.js";

/** Times of an engine whose relays do not die during a test. */
const times = { leaseMs: 6_000, keepNamesMs: 60_000, verdictMs: 60_000 };

export interface ClusterRelay extends TestRelay {
  readonly member: ReturnType<typeof createMember>;
}

/** Relays of this process that are one cluster, with real links between them. */
export class TestCluster {
  readonly engine: Engine;
  readonly #relays: ClusterRelay[] = [];

  private constructor(engine: Engine) {
    this.engine = engine;
  }

  /** Two relays. `change` makes another engine of the one in memory: one that lies or fails, say. */
  static async start(
    options: Partial<RelayOptions> = {},
    change: (engine: Engine) => Engine = (engine) => engine,
  ): Promise<{ cluster: TestCluster; a: ClusterRelay; b: ClusterRelay }> {
    const engine = new MemoryEngine(times);
    // The members share it, and none of them ends it.
    engine.close = async () => {};
    const cluster = new TestCluster(change(engine));
    const a = await cluster.#add(options);
    const b = await cluster.#add(options);
    await vi.waitFor(() => {
      for (const { member } of [a, b]) {
        const { nodes, peers } = member.status();
        if (nodes !== 2 || peers !== 1) throw new Error("the relays have no links yet");
      }
    });
    return { cluster, a, b };
  }

  async #add(options: Partial<RelayOptions>): Promise<ClusterRelay> {
    const member = createMember({
      engine: this.engine,
      secret: "a secret of the test that is long enough",
      listen: { host: "127.0.0.1", port: 0 },
    });
    const relay = { ...(await startRelay({ member, ...options })), member };
    this.#relays.push(relay);
    return relay;
  }

  async close(): Promise<void> {
    await Promise.all(this.#relays.map((relay) => relay.close()));
  }
}
