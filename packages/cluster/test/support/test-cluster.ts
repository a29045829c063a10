import { setImmediate as nextTurn } from "node:timers/promises";
import { type Link, type OpeningSession, silentLogger, TunnelError } from "mcp-tunnel-protocol";
import { V1ClientSession, V1RelaySession } from "mcp-tunnel-protocol/sessions";
import { linkedPair, type MemoryLink } from "mcp-tunnel-protocol/testing";
import { expect, vi } from "vitest";
import { ClusterMember } from "../../src/cluster.js";
import type { Claimant, ClaimResult, ClaimTerms, Verdict } from "../../src/directory.js";
import type { Engine, EngineEvent, NodeInfo } from "../../src/engine/engine.js";
import { MemoryEngine } from "../../src/engine/memory.js";
import type { MemberHost, Question, SplicedClient } from "../../src/member.js";
import { leaseTimesOf } from "../../src/names/lease.js";
import type { Peer, PeerHandler, Peers, SpliceHello } from "../../src/peers/peers.js";
import type { Pool, Route } from "../../src/route.js";
import { FakePool } from "./fake-pool.js";
import { SealedStore } from "../../src/store.js";

const times = { leaseMs: 6_000, keepNamesMs: 60_000, verdictMs: 86_400_000 };

/** Turns of the event loop, after which whatever has been sent in memory has arrived. */
export async function settle(): Promise<void> {
  // oxlint-disable-next-line no-await-in-loop -- one turn after the other
  for (let i = 0; i < 20; i += 1) await nextTurn();
}

/** Several relays in one process. Their engine, their links and their clock do what the test says. */
export class TestCluster {
  engine = new MemoryEngine(times);
  readonly nodes = new Map<string, TestNode>();
  /** For the relays that are made from now on: see MemberOptions. */
  endTogether: (() => Promise<void>) | undefined;

  /**
   * Call this before anything that looks at a clock. `setImmediate` stays real: the links in memory use it.
   */
  constructor() {
    vi.useFakeTimers({
      toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "Date", "performance"],
    });
  }

  /** A relay that has joined. */
  async node(id: string): Promise<TestNode> {
    const node = new TestNode(this, id);
    this.nodes.set(id, node);
    await node.member.join(node.host);
    await settle();
    return node;
  }

  /** The engine loses everything, as Redis without persistence does. */
  flush(): void {
    this.engine = new MemoryEngine(times);
    for (const { engine } of this.nodes.values()) engine.watchAnew();
  }

  /** Cuts the link between two relays, or makes it again. */
  setReach(one: TestNode, other: TestNode, isReached: boolean): void {
    for (const [from, to] of [
      [one, other],
      [other, one],
    ] as const) {
      if (isReached) from.unreached.delete(to.id);
      else from.unreached.add(to.id);
      from.peers.onReach(to.id);
    }
  }

  /** Lets time pass, in steps in which everybody has their turn. */
  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 100) {
      // oxlint-disable-next-line no-await-in-loop -- one step after the other
      await vi.advanceTimersByTimeAsync(Math.min(100, left));
      // oxlint-disable-next-line no-await-in-loop
      await settle();
    }
  }

  async close(): Promise<void> {
    for (const node of this.nodes.values()) {
      node.engine.isDown = false;
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await node.member.leave();
    }
    vi.useRealTimers();
  }
}

/** One relay, as far as the cluster sees it. */
export class TestNode {
  readonly id: string;
  readonly engine: SwitchedEngine;
  readonly member: ClusterMember;
  /** The relays that it does not reach. */
  readonly unreached = new Set<string>();
  peers!: MemoryPeers;
  hasEnded = false;
  readonly spliced: [link: Link, client: SplicedClient][] = [];
  /** What it says of sessions. */
  readonly sessions = new Map<string, "known" | Verdict>();
  /** How often it was asked to make a pool. */
  poolsMade = 0;
  answer: (question: Question) => unknown = ({ about }) => `${about} at ${this.id}`;
  /** Names of which it was told that something has changed. */
  readonly told: string[] = [];
  readonly #cluster: TestCluster;

  constructor(cluster: TestCluster, id: string) {
    this.#cluster = cluster;
    this.id = id;
    this.engine = new SwitchedEngine(cluster);
    this.member = new ClusterMember({
      node: id,
      engine: this.engine.asEngine(),
      store: new SealedStore(this.engine.asEngine(), id, "a secret of the test that is long enough"),
      makePeers: (handler) => {
        this.peers = new MemoryPeers(cluster, this, handler);
        return this.peers;
      },
      clientLiveness: { pingIntervalMs: 1_000, pingTimeoutMs: 500 },
      endTogether: cluster.endTogether,
      leaseTimes: leaseTimesOf(times.leaseMs),
      logger: silentLogger,
    });
    this.member.directory.watch((name) => this.told.push(name));
  }

  readonly host: MemberHost = {
    version: "1.2.3",
    domain: "tunnel.example",
    session: (session) => this.sessions.get(session) ?? "unknown",
    onSpliced: (link, client) => this.spliced.push([link, client]),
    answer: (question) => this.answer(question),
    pool: (_name, members, sessions) => {
      this.poolsMade += 1;
      return new FakePool(members, sessions);
    },
  };

  async claim(claimant: Claimant, terms: Partial<ClaimTerms> = {}): Promise<ClaimResult> {
    const result = await this.member.directory.claim(claimant, { mayEvict: true, maxOwned: 100, ...terms });
    await settle();
    return result;
  }

  /** A claim that has to be granted. */
  async get(claimant: Claimant, terms?: Partial<ClaimTerms>): Promise<readonly Claimant[]> {
    const result = await this.claim(claimant, terms);
    if ("refused" in result) throw new Error(`the claim was refused: ${result.refused.reason}`);
    return result.displaced;
  }

  async find(name = "app"): Promise<Route | Pool | undefined> {
    return await this.member.directory.find(name);
  }

  /** What a route says at once, without the engine. */
  findNow(name = "app"): Route | Pool | undefined {
    const found = this.member.directory.find(name);
    expect(found).not.toBeInstanceOf(Promise);
    return found as Route | Pool | undefined;
  }

  /** The process is gone: nobody reaches it, and it does nothing any more. */
  kill(): void {
    this.isolate();
    for (const other of this.#cluster.nodes.values()) {
      if (other !== this) this.#cluster.setReach(this, other, false);
    }
  }

  /** The same, and its machine says that nobody listens there any more. */
  end(): void {
    this.hasEnded = true;
    this.kill();
  }

  /** Only the engine is not reached. */
  isolate(isIsolated = true): void {
    this.engine.isDown = isIsolated;
  }
}

/** What one relay has of the engine that all share. */
export class SwitchedEngine {
  isDown = false;
  dropsEvents = false;
  /** Runs before an answer of the engine arrives. */
  delay: (asked: keyof Engine) => Promise<unknown> = async () => {};
  /** Calls, by name, since the start. */
  readonly calls: string[] = [];
  readonly #cluster: TestCluster;
  readonly #listeners = new Set<(event: EngineEvent) => void>();
  #unwatch: (() => void) | undefined;

  constructor(cluster: TestCluster) {
    this.#cluster = cluster;
    this.watchAnew();
  }

  watchAnew(): void {
    this.#unwatch?.();
    this.#unwatch = this.#cluster.engine.watch((event) => {
      if (this.isDown || this.dropsEvents) return;
      for (const listener of this.#listeners) listener(event);
    });
  }

  /** Every method asks the engine that there is at that moment. */
  asEngine(): Engine {
    const own: Partial<Engine> = {
      watch: (listener) => {
        this.#listeners.add(listener);
        return () => this.#listeners.delete(listener);
      },
      close: async () => {},
    };
    return new Proxy(own as Engine, {
      get: (_target, key: keyof Engine) =>
        own[key] ??
        (async (...args: unknown[]) => {
          this.calls.push(key);
          if (this.isDown) throw new TunnelError("unavailable", "the engine is down");
          const answer = await (this.#cluster.engine[key] as (...given: unknown[]) => unknown)(...args);
          await this.delay(key);
          return answer;
        }),
    });
  }
}

/** Links in memory: real sessions, and questions that travel as JSON. */
export class MemoryPeers implements Peers {
  readonly handler: PeerHandler;
  readonly #cluster: TestCluster;
  readonly #own: TestNode;
  readonly #peers = new Map<string, MemoryPeer>();

  constructor(cluster: TestCluster, own: TestNode, handler: PeerHandler) {
    this.#cluster = cluster;
    this.#own = own;
    this.handler = handler;
  }

  async listen(): Promise<string> {
    return `unix:/${this.#own.id}`;
  }

  setNodes(nodes: readonly NodeInfo[]): void {
    for (const { id } of nodes) {
      if (this.#peers.has(id)) continue;
      this.#peers.set(id, new MemoryPeer(this.#cluster, this.#own, id));
      this.onReach(id);
    }
    for (const [id, peer] of this.#peers) {
      if (nodes.some((node) => node.id === id)) continue;
      this.#peers.delete(id);
      peer.cut();
    }
  }

  /** The other relay can be reached from now on, or cannot. */
  onReach(node: string): void {
    const peer = this.#peers.get(node);
    if (peer === undefined) return;
    if (this.#own.unreached.has(node)) peer.cut();
    else peer.link();
    this.handler.onLink?.(node);
  }

  get(node: string): Peer | undefined {
    return this.#peers.get(node);
  }

  all(): Iterable<Peer> {
    return this.#peers.values();
  }

  get spliced(): Peers["spliced"] {
    return { in: 0, out: 0 };
  }

  cutSplices(): void {
    for (const { splices } of this.#peers.values()) for (const link of splices) link.terminate();
  }

  async close(): Promise<void> {
    this.setNodes([]);
    for (const { peers } of this.#cluster.nodes.values()) peers.onLost(this.#own.id);
  }

  /** The other relay has ended its links. */
  onLost(node: string): void {
    this.#peers.get(node)?.cut();
    if (this.#peers.has(node)) this.handler.onLink?.(node);
  }
}

class MemoryPeer implements Peer {
  readonly node: string;
  session: OpeningSession | undefined;
  readonly splices: MemoryLink[] = [];
  readonly #cluster: TestCluster;
  readonly #own: TestNode;

  constructor(cluster: TestCluster, own: TestNode, node: string) {
    this.#cluster = cluster;
    this.#own = own;
    this.node = node;
  }

  link(): void {
    if (this.session !== undefined) return;
    const liveness = { pingIntervalMs: 0 };
    const [near, far] = linkedPair();
    const session = new V1RelaySession({ onClose() {} }, { liveness });
    const other = new V1ClientSession(this.#handler.acceptStream, { onClose() {} }, { liveness });
    session.attach(near, 0);
    other.attach(far, 0);
    this.session = session;
  }

  cut(): void {
    this.session?.close(1_001, "cut");
    this.session = undefined;
  }

  get isGone(): boolean {
    return this.#cluster.nodes.get(this.node)?.hasEnded === true;
  }

  async ask(about: string, body: unknown): Promise<unknown> {
    this.#check();
    await nextTurn();
    this.#check();
    const answer: unknown = await this.#handler.answer(about, copyOf(body), this.#own.id);
    await nextTurn();
    this.#check();
    return copyOf(answer);
  }

  async splice(hello: SpliceHello): Promise<Link | "unknown" | { readonly refused: Verdict }> {
    this.#check();
    const answer = this.#handler.onSplice(hello);
    if (answer !== "known") return answer;
    const [near, far] = linkedPair();
    this.#handler.onSpliced(far, hello);
    this.splices.push(near);
    return near;
  }

  get #handler(): PeerHandler {
    const other = this.#cluster.nodes.get(this.node);
    if (other === undefined) throw new Error(`there is no relay ${this.node}`);
    return other.peers.handler;
  }

  #check(): void {
    if (this.#own.unreached.has(this.node)) throw new TunnelError("unavailable", "there is no link");
  }
}

function copyOf(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}
