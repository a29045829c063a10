import { RedisEngine } from "mcp-tunnel-cluster";
import { residentBytes, threadsMilliseconds } from "../proc.js";
import { show, table } from "../report.js";
import { summarize, type Summary } from "../stats.js";
import { startRedis, type Redis } from "./redis.js";

/** Calls that wait for their answers at once, as those of many clients do. */
const inFlight = 32;
/** Names of one round. */
const names = 2_000;
/** The relays that hear the events, where that is what costs. */
const listeners = 9;

const times = { leaseMs: 600_000, keepNamesMs: 600_000, verdictMs: 600_000 };

/** What one call costs, in microseconds of CPU time. */
export interface EngineCost {
  readonly title: string;
  readonly perSecond: Summary;
  readonly redis: Summary;
  /** This process, which is in the place of a relay, with its own events. */
  readonly relay: Summary;
}

interface Turn {
  readonly perSecond: number;
  readonly redis: number;
  readonly relay: number;
}

/** What Redis and the relay's engine spend on each kind of call. `kilobytes`: Redis' memory for a name. */
export interface EngineCosts {
  readonly calls: readonly EngineCost[];
  readonly kilobytes: number;
}

/** Measures them with a Redis of its own, in rounds. */
export async function measureEngine(folder: string, rounds: number): Promise<EngineCosts> {
  const redis = await startRedis(folder);
  const bench = new EngineBench(redis);
  try {
    // The first round compiles.
    await bench.round();
    bench.forget();
    const before = residentBytes(redis.child.pid);
    const kept = await bench.keep(10 * names);
    const kilobytes = (residentBytes(redis.child.pid) - before) / kept / 1_000;
    for (let i = 0; i < rounds; i++) await bench.round();
    return { calls: bench.costs(), kilobytes };
  } finally {
    await bench.close();
    await redis.child.stop();
  }
}

class EngineBench {
  readonly #redis: Redis;
  readonly #engine: RedisEngine;
  readonly #turns = new Map<string, Turn[]>();
  #named = 0;

  constructor(redis: Redis) {
    this.#redis = redis;
    this.#engine = engineAt(redis);
  }

  forget(): void {
    this.#turns.clear();
  }

  costs(): EngineCost[] {
    return Array.from(this.#turns, ([title, turns]) => ({
      title,
      perSecond: summarize(turns.map(({ perSecond }) => perSecond)),
      redis: summarize(turns.map(({ redis }) => redis)),
      relay: summarize(turns.map(({ relay }) => relay)),
    }));
  }

  /** Claims names that stay. */
  async keep(count: number): Promise<number> {
    await this.#claim(this.#newNames(count), "kept");
    return count;
  }

  async round(): Promise<void> {
    const fresh = this.#newNames(names);
    const gens = new Map<string, number>();
    await this.#turn("claim of a name", names, async () => {
      for (const [name, gen] of await this.#claim(fresh, "a")) gens.set(name, gen);
    });
    await this.#turn("look-up", names, () => each(fresh, (name) => this.#engine.find(name)));
    await this.#turn("news of a name", names, () =>
      each(fresh, (name) => this.#engine.changed(name, gens.get(name) ?? 0, false)),
    );
    const held = fresh.map((name) => ({ name, gen: gens.get(name) ?? 0, info: infoOf(name), moving: false }));
    await this.#turn("comparison, for each name", names, () => this.#engine.reconcile("a", held));
    await this.#withListeners(async () => {
      await this.#turn(`news of a name, with ${listeners} more relays`, names, () =>
        each(fresh, (name) => this.#engine.changed(name, gens.get(name) ?? 0, false)),
      );
    });
    for (const relays of [10, 100]) await this.#renewals(relays);
    await this.#turn("release", names, () =>
      each(fresh, (name) => this.#engine.release(name, gens.get(name) ?? 0)),
    );
  }

  async close(): Promise<void> {
    await this.#engine.close();
  }

  /** The renewal of a lease, and the look at the relays that follows it. */
  async #renewals(relays: number): Promise<void> {
    const ids = Array.from({ length: relays }, (_, i) => `r${relays}-${i}`);
    const info = (id: string) => ({ id, address: "10.0.0.1:7000", version: "0.1.0", draining: false });
    await each(ids, (id) => this.#engine.join(info(id)));
    const turns = Array.from({ length: 1_000 }, (_, i) => ids[i % relays] as string);
    await this.#turn(`renewal, with ${relays} relays`, turns.length, () =>
      each(turns, async (id) => {
        await this.#engine.renew(info(id));
        await this.#engine.nodes();
      }),
    );
    await each(ids, (id) => this.#engine.leave(id));
  }

  /** Other connections hear the events, whose work at their end is in no relay's time but this process's. */
  async #withListeners(action: () => Promise<void>): Promise<void> {
    const others = Array.from({ length: listeners }, () => engineAt(this.#redis));
    await Promise.all(others.map((engine) => engine.nodes()));
    await action();
    await Promise.all(others.map((engine) => engine.close()));
  }

  #newNames(count: number): string[] {
    return Array.from({ length: count }, () => `app-${this.#named++}`);
  }

  async #claim(wanted: readonly string[], node: string): Promise<[string, number][]> {
    const granted: [string, number][] = [];
    await each(wanted, async (name) => {
      const info = infoOf(name);
      const answer = await this.#engine.claim({ name, node, info, mayEvict: true, maxOwned: 1_000 });
      if ("refused" in answer) throw new Error(`${name} is ${answer.refused}`);
      granted.push([name, answer.gen]);
    });
    return granted;
  }

  async #turn(title: string, count: number, action: () => Promise<unknown>): Promise<void> {
    const before = { at: performance.now(), redis: threadsMilliseconds(this.#redis.child.pid) };
    const own = process.cpuUsage();
    await action();
    const { user, system } = process.cpuUsage(own);
    const redis = (threadsMilliseconds(this.#redis.child.pid) - before.redis) * 1_000;
    const turns = this.#turns.get(title) ?? [];
    this.#turns.set(title, turns);
    turns.push({
      perSecond: (count * 1_000) / (performance.now() - before.at),
      redis: redis / count,
      relay: (user + system) / count,
    });
  }
}

function engineAt({ url }: Redis): RedisEngine {
  const onWarning = (warning: string): void => console.error(`bench: ${warning}`);
  return new RedisEngine({ url, times, onWarning });
}

/** As long as what a relay writes of a client. */
function infoOf(name: string) {
  return {
    instance: "dRZ9mPbiRIu3bSiGq1TXOTyCZZS5Eo1cqN6KX4lpq3Q",
    owner: `token of ${name}`,
    address: "192.168.100.100",
    session: `n0123456789abcdef.0f8fad5b-d9cb-469f-a165-70867728950e-${name}`,
    wire: "v1" as const,
    takesRefusals: true,
    pool: undefined,
  };
}

/** Some at a time. */
async function each<T>(items: readonly T[], action: (item: T) => Promise<unknown>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < items.length) await action(items[next++] as T);
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
}

export function engineTable({ calls, kilobytes }: EngineCosts): string {
  const rows = calls.map(({ title, redis, relay, perSecond }) => [
    ...[title, show(redis), show(relay), show(perSecond)],
  ]);
  const header = ["call of the engine", "Redis, µs", "relay, µs", `a second, ${inFlight} at once`];
  return `${table(header, rows)}\n\nRedis keeps ${show(kilobytes)} KB for a name.`;
}
