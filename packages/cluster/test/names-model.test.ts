import { TunnelError } from "mcp-tunnel-protocol";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FakeClaimant } from "./support/fake-claimant.js";
import { settle, TestCluster, type TestNode } from "./support/test-cluster.js";

const names = ["app", "shop"];
const instances = ["one", "two", "three"];

/** Numbers from 0 up to 1 that look drawn, and are the same for the same seed (mulberry32). */
function drawing(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** A tunnel as a relay treats it: one that has lost its name is closed, and released. */
class Tunnel extends FakeClaimant {
  readonly node: TestNode;
  isOver = false;

  constructor(name: string, instance: string, node: TestNode) {
    super(name, instance);
    this.node = node;
  }

  override displace(by: FakeClaimant["info"]): void {
    super.displace(by);
    this.end();
  }

  end(): void {
    this.isOver = true;
    void this.node.member.directory.release(this);
  }
}

/** Relays to which anything may happen. */
class World {
  readonly cluster = new TestCluster();
  readonly nodes: TestNode[] = [];
  readonly tunnels: Tunnel[] = [];
  readonly #draw: () => number;

  constructor(seed: number) {
    this.#draw = drawing(seed);
  }

  #one<T>(of: readonly T[]): T {
    const drawn = of[Math.floor(this.#draw() * of.length)];
    if (drawn === undefined) throw new Error("there is nothing to draw from");
    return drawn;
  }

  get open(): Tunnel[] {
    return this.tunnels.filter(({ isOver }) => !isOver);
  }

  async step(): Promise<void> {
    const node = this.#one(this.nodes);
    const isWell = this.#draw() < 0.5;
    switch (Math.floor(this.#draw() * 14)) {
      case 0:
        node.isolate(!isWell);
        break;
      case 1:
        node.engine.dropsEvents = !isWell;
        break;
      case 2:
        this.cluster.setReach(node, this.#one(this.nodes.filter((other) => other !== node)), isWell);
        break;
      case 3:
        if (this.#draw() < 0.3) this.cluster.flush();
        break;
      case 4:
        // What was asked is done, and nobody hears of it.
        node.engine.delay = isWell
          ? async () => {}
          : () => Promise.reject(new TunnelError("unavailable", "the answer is lost"));
        break;
      case 5:
        if (this.open.length > 0) this.#one(this.open).end();
        break;
      case 6:
        if (this.open.length > 0) {
          const tunnel = this.#one(this.open);
          tunnel.isAway = !isWell;
          tunnel.node.member.directory.changed(tunnel);
        }
        break;
      case 7:
      case 8:
        await this.cluster.pass(Math.floor(this.#draw() * 3_000));
        break;
      case 9:
        await node.find(this.#one(names));
        break;
      default:
        await this.#claim(new Tunnel(this.#one(names), this.#one(instances), node));
    }
    if (this.#draw() < 0.7) await settle();
  }

  async #claim(tunnel: Tunnel): Promise<void> {
    const terms = { mayEvict: this.#draw() < 0.6, maxOwned: 100 };
    // Sometimes the next step comes before the answer.
    const claiming = (async () => {
      const result = await tunnel.node.member.directory.claim(tunnel, terms);
      if ("refused" in result) {
        tunnel.isOver = true;
        return;
      }
      this.tunnels.push(tunnel);
      for (const displaced of result.displaced) displaced.displace(tunnel.info);
    })();
    if (this.#draw() < 0.7) await claiming;
  }

  async heal(): Promise<void> {
    for (const node of this.nodes) {
      node.isolate(false);
      node.engine.dropsEvents = false;
      node.engine.delay = async () => {};
      for (const other of this.nodes) if (other !== node) this.cluster.setReach(node, other, true);
    }
    // Once for the renewal of the lease, and until the reconcile takes back what is older than a lease.
    await this.cluster.pass(13_000);
    for (const tunnel of this.open) {
      tunnel.isAway = false;
      tunnel.node.member.directory.changed(tunnel);
    }
    await settle();
  }
}

let world: World;
afterEach(() => world.cluster.close());

describe.each(Array.from({ length: 60 }, (_, seed) => seed))("whatever happens (%i)", (seed) => {
  beforeEach(async () => {
    world = new World(seed);
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    for (const id of ["a", "b", "c"]) world.nodes.push(await world.cluster.node(id));
  });

  it("each name has one holder afterwards, all find it, and those who lost it know", async () => {
    for (let i = 0; i < 60; i += 1) {
      // oxlint-disable-next-line no-await-in-loop -- one step after the other
      await world.step();
    }
    await world.heal();
    for (const name of names) {
      const holders = world.open.filter((tunnel) => tunnel.name === name);
      expect(holders.length).toBeLessThanOrEqual(1);
      const [holder] = holders;
      // oxlint-disable-next-line no-await-in-loop -- one name after the other
      const entries = await world.cluster.engine.find(name);
      expect(entries.map(({ node }) => node)).toEqual(holder === undefined ? [] : [holder.node.id]);
      for (const node of world.nodes) {
        // oxlint-disable-next-line no-await-in-loop
        const found = await node.find(name);
        if (holder === undefined) expect(found).toBeUndefined();
        else if (holder.node === node) expect(found).toBe(holder);
        else expect(found).toMatchObject({ isAway: false, acceptsLater: true });
      }
    }
    expect(world.tunnels.every(({ lostTo }) => lostTo.length <= 1)).toBe(true);
  });
});
