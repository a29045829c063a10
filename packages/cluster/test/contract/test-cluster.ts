import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import type { ClaimantInfo, Verdict } from "../../src/directory.js";
import type {
  ClaimAnswer,
  Engine,
  EngineEvent,
  EngineTimes,
  Entry,
  Held,
  NodeInfo,
} from "../../src/engine/engine.js";

/** A state that several relays share, empty at first. */
export interface SharedState {
  /** What one more relay has of it. It has not joined yet. */
  connect(): Promise<Engine>;
  /** Lets time pass for the state and in this process; absent if it goes by the real clock. */
  advance?(ms: number): void | Promise<void>;
  close(): Promise<void>;
}

export type MakeState = (times: EngineTimes) => Promise<SharedState>;

/** No lease and no verdict ends during a test of a few seconds. */
export const longTimes: EngineTimes = { leaseMs: 60_000, keepNamesMs: 60_000, verdictMs: 60_000 };

/** What a claim asks for besides its name. */
export interface ClaimOptions {
  readonly mayEvict?: boolean;
  readonly maxOwned?: number;
}

/** Relays on one state. */
export class TestCluster {
  readonly state: SharedState;
  readonly #nodes: TestNode[] = [];

  constructor(state: SharedState) {
    this.state = state;
  }

  /** A relay that has joined. Its id is new, as of a relay that starts. */
  async node(): Promise<TestNode> {
    const node = new TestNode(await this.state.connect(), `node${this.#nodes.length}`);
    this.#nodes.push(node);
    await node.engine.join(node.info);
    return node;
  }

  async pass(ms: number): Promise<void> {
    if (this.state.advance === undefined) await sleep(ms);
    else await this.state.advance(ms);
  }

  async close(): Promise<void> {
    for (const { stop } of this.#nodes) stop();
    await this.state.close();
  }
}

/** A relay, as far as the engine knows it. */
export class TestNode {
  readonly engine: Engine;
  readonly id: string;
  readonly events: EngineEvent[] = [];
  readonly stop: () => void;
  onEvent: (event: EngineEvent) => void = () => {};
  readonly #waiting = new Set<() => void>();

  constructor(engine: Engine, id: string) {
    this.engine = engine;
    this.id = id;
    this.stop = engine.watch((event) => {
      this.events.push(event);
      this.onEvent(event);
      for (const look of [...this.#waiting]) look();
    });
  }

  get info(): NodeInfo {
    return { id: this.id, address: `127.0.0.1:${this.id}`, version: "1.2.3", draining: false };
  }

  async claim(name: string, info: ClaimantInfo, options: ClaimOptions = {}): Promise<ClaimAnswer> {
    const { mayEvict = true, maxOwned = 100 } = options;
    return this.engine.claim({ name, node: this.id, info, mayEvict, maxOwned });
  }

  /** A claim that has to be granted. */
  async get(name: string, info: ClaimantInfo, options?: ClaimOptions): Promise<Entry> {
    const answer = await this.claim(name, info, options);
    if ("refused" in answer) throw new Error(`the claim of ${name} was refused: ${answer.refused}`);
    return { name, node: this.id, gen: answer.gen, info, moving: false };
  }

  /** Waits until this relay has heard of what `isWanted` tells, or knows that it has. */
  async heard(isWanted: (event: EngineEvent) => boolean): Promise<void> {
    await new Promise<void>((resolve) => {
      const look = (): void => {
        if (!this.events.some(isWanted)) return;
        this.#waiting.delete(look);
        resolve();
      };
      this.#waiting.add(look);
      look();
    });
  }

  /** The same for the next event of a name. */
  async hearsOf(name: string, action: () => Promise<unknown>): Promise<void> {
    this.events.length = 0;
    await action();
    await this.heard((event) => event.kind === "name" && event.name === name);
  }
}

/** A client's tunnel. The first session of instance `a` is `a-1`. */
export function tunnel(instance: string | undefined, over: Partial<ClaimantInfo> = {}): ClaimantInfo {
  return {
    instance,
    owner: "token",
    address: "192.0.2.1",
    session: instance === undefined ? undefined : `${instance}-1`,
    wire: instance === undefined ? "json" : "v1",
    takesRefusals: false,
    pool: undefined,
    ...over,
  };
}

export function held({ name, gen, info, moving }: Entry): Held {
  return { name, gen, info, moving };
}

/** What a claim answers that has displaced these. */
export function granted(...displaced: Entry[]): unknown {
  return { gen: expect.any(Number), displaced };
}

/** The members of a pool, which are found in any order. */
export function inOrder(found: readonly Entry[]): Entry[] {
  return found.toSorted((one, other) => one.gen - other.gen);
}

export const evicted: Verdict = {
  code: 4002,
  reason: "evicted: another client registered with the same tunnel",
};
