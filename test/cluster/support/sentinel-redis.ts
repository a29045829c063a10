import { RedisServer } from "../../../packages/cluster/test/redis-server.js";
import { eventually } from "./eventually.js";

/** A primary, a replica that has its data, and three sentinels that know both. */
export class SentinelRedis {
  readonly primary: RedisServer;
  readonly replica: RedisServer;
  readonly #sentinels: readonly RedisServer[];

  private constructor(primary: RedisServer, replica: RedisServer, sentinels: readonly RedisServer[]) {
    this.primary = primary;
    this.replica = replica;
    this.#sentinels = sentinels;
  }

  static async start(): Promise<SentinelRedis> {
    // Redis takes the addresses of the relays, which are loopback's as well, for a network's.
    const open = ["--protected-mode", "no"];
    const primary = await RedisServer.start(...open);
    const replica = await RedisServer.start(...open, "--replicaof", "127.0.0.1", `${primary.port}`);
    const sentinels: RedisServer[] = [];
    for (let i = 0; i < 3; i++) sentinels.push(await RedisServer.startSentinel(primary, 2));
    for (const sentinel of sentinels) await eventually(() => knowsAll(sentinel), "a sentinel knows all");
    return new SentinelRedis(primary, replica, sentinels);
  }

  get url(): string {
    return `redis+sentinel://${this.#sentinels.map(({ port }) => `127.0.0.1:${port}`).join(",")}/main`;
  }

  /** The replica, which may be the primary by now, has the claim of a name. */
  async isReplicated(name: string): Promise<boolean> {
    return (await this.replica.command("EXISTS", `{mcp-tunnel}:name:${name}`)) === 1;
  }

  /** The replica cannot connect again: it has no password. All who are connected stay so. */
  async stopReplication(): Promise<void> {
    await this.primary.command("CONFIG", "SET", "requirepass", "new");
    await this.primary.command("CLIENT", "KILL", "TYPE", "replica");
  }

  async close(): Promise<void> {
    for (const server of [...this.#sentinels, this.replica, this.primary]) await server.close();
  }
}

async function knowsAll(sentinel: RedisServer): Promise<boolean> {
  const state = String(await sentinel.command("INFO", "sentinel"));
  return /status=ok,.*slaves=1,sentinels=3/.test(state);
}
