import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ConnectedTunnelClient, startTunnelClient, type TunnelClientOptions } from "mcp-tunnel-client";
import { noRedis, RedisServer } from "../../../packages/cluster/test/redis-server.js";
import { missing } from "../../support/requires.js";
import { startUpstream, type Upstream } from "../../support/upstream.js";
import { Gate, type Rule } from "./gate.js";
import { ClusterRelay, type RelaySetup } from "./relay.js";

/** The machines of these tests have addresses of their own on loopback, which only Linux has. */
export const noCluster =
  process.platform === "linux" ? noRedis : missing("relays need addresses of their own on loopback: Linux");

export interface WorldOptions {
  /** Default: 3. */
  relays?: number;
  /** Further arguments of each relay. */
  args?: readonly string[];
  env?: NodeJS.ProcessEnv;
  /** The URL of the engine. Default: a Redis of the world's own, behind a gate. */
  engine?: string;
}

/**
 * A cluster: relay commands, a Redis, gates on all ways between them, one balancer for clients and one for
 * visitors, and a local service.
 */
export class World {
  readonly relays: readonly ClusterRelay[];
  readonly redis: RedisServer | undefined;
  readonly service: Upstream;
  /** Where clients come in. Cuts here leave the visitors alone. */
  readonly clients: Gate;
  /** Where visitors come in. */
  readonly visitors: Gate;
  /** Where the balancer of the clients leads to while that relay is up. Default: to all in turn. */
  clientsGoTo: ClusterRelay | undefined;
  readonly #engineGate: Gate | undefined;
  readonly #closing: { close(): unknown }[];
  readonly #health: NodeJS.Timeout;

  private constructor(
    parts: Pick<World, "relays" | "redis" | "service" | "clients" | "visitors"> & {
      engineGate: Gate | undefined;
      closing: { close(): unknown }[];
    },
  ) {
    this.relays = parts.relays;
    this.redis = parts.redis;
    this.service = parts.service;
    this.clients = parts.clients;
    this.visitors = parts.visitors;
    this.#engineGate = parts.engineGate;
    this.#closing = parts.closing;
    this.#health = setInterval(() => {
      for (const relay of this.relays) void relay.checkHealth();
    }, 500);
  }

  static async start(options: WorldOptions = {}): Promise<World> {
    const closing: { close(): unknown }[] = [];
    try {
      return await World.#start(options, closing);
    } catch (error) {
      // Nothing of a world that has not come about stays.
      for (const thing of closing.toReversed()) await thing.close();
      throw error;
    }
  }

  static async #start(
    { relays: count = 3, args = [], env = {}, engine }: WorldOptions,
    closing: { close(): unknown }[],
  ): Promise<World> {
    const opened = <T extends { close(): unknown }>(thing: T): T => {
      closing.push(thing);
      return thing;
    };
    const folder = mkdtempSync(join(tmpdir(), "mcp-tunnel-chaos-"));
    opened({ close: () => rmSync(folder, { recursive: true }) });
    const secretFile = join(folder, "secret");
    writeFileSync(secretFile, "a secret of the cluster, long enough\n");
    const service = opened(await startUpstream());
    const redis = engine === undefined ? opened(await RedisServer.start()) : undefined;
    const engineGate = redis === undefined ? undefined : opened(await Gate.open(() => [redis.port]));
    const url = engine ?? `redis://127.0.0.1:${engineGate?.port}`;
    const setup: RelaySetup = { engine: url, secretFile, args, env };
    const relays: ClusterRelay[] = [];
    for (let i = 0; i < count; i++) relays.push(opened(await ClusterRelay.prepare(i, setup)));
    await Promise.all(relays.map((relay) => relay.start()));
    const clients = opened(await Gate.open(inTurn(relays, () => world.clientsGoTo)));
    const visitors = opened(await Gate.open(inTurn(relays)));
    const world: World = new World({ relays, redis, service, clients, visitors, engineGate, closing });
    opened({ close: () => clearInterval(world.#health) });
    await world.linked();
    return world;
  }

  relay(index: number): ClusterRelay {
    const relay = this.relays[index];
    if (relay === undefined) throw new RangeError(`there is no relay ${index}`);
    return relay;
  }

  /** Resolves when every relay that runs has links to all others that run. */
  async linked(): Promise<void> {
    const running = this.relays.filter(({ isRunning }) => isRunning);
    await Promise.all(running.map((relay) => relay.seesOthers(running.length - 1)));
  }

  /** What happens on the way of a relay to the engine. `undefined`: nothing any more. */
  toEngine(relay: ClusterRelay, rule: Rule | undefined): void {
    this.#engineGate?.rule(relay.address, rule);
  }

  /** What happens on both ways between two relays. */
  between(one: ClusterRelay, other: ClusterRelay, rule: Rule | undefined): void {
    one.peerGate.rule(other.address, rule);
    other.peerGate.rule(one.address, rule);
  }

  /** What happens on all ways of a relay to its fellows and to the engine. */
  isolate(relay: ClusterRelay, rule: Rule | undefined): void {
    this.toEngine(relay, rule);
    for (const other of this.relays) if (other !== relay) this.between(relay, other, rule);
  }

  /** Starts a client that comes through the balancer each time, the first time to `at` if that is given. */
  async client(
    subdomain: string,
    { at, ...options }: { at?: ClusterRelay } & Partial<TunnelClientOptions> = {},
  ): Promise<ConnectedTunnelClient> {
    if (at !== undefined) this.clientsGoTo = at;
    const client = await startTunnelClient({
      port: this.service.port,
      relayUrl: `http://127.0.0.1:${this.clients.port}`,
      subdomain,
      token: `token of ${subdomain}`,
      shutdownGraceMs: 0,
      ...options,
    });
    if (at !== undefined) this.clientsGoTo = undefined;
    this.#closing.push(client);
    return client;
  }

  /** Closed with the world. */
  opened<T extends { close(): unknown }>(thing: T): T {
    this.#closing.push(thing);
    return thing;
  }

  async close(): Promise<void> {
    for (const thing of this.#closing.splice(0).toReversed()) await thing.close();
  }
}

/**
 * Leads to the relays that are up in turn, and to others only if none of these answers. `first`: the relay
 * that comes before the one whose turn it is. A relay that does not answer is passed over.
 */
function inTurn(
  relays: readonly ClusterRelay[],
  first: () => ClusterRelay | undefined = () => undefined,
): () => readonly number[] {
  let turn = 0;
  return () => {
    turn += 1;
    const following = relays.map((_, i) => relays[(turn + i) % relays.length] as ClusterRelay);
    const preferred = first();
    const ordered = preferred === undefined ? following : [preferred, ...following];
    const up = ordered.filter(({ isUp }) => isUp);
    return [...up, ...following.filter(({ isUp }) => !isUp)].map(({ port }) => port);
  };
}
