import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { freePort } from "../../../test/support/free-port.js";
import { missingProgram } from "../../../test/support/requires.js";
import { RedisEngine } from "../src/engine/redis/redis.js";
import { type Client, connectTo } from "../src/engine/redis/client.js";
import type { RedisOptions } from "../src/engine/redis/options.js";
import { longTimes } from "./contract/test-cluster.js";

export const noRedis = missingProgram("redis-server");

/** A server of Redis on loopback, in a folder of its own, which is empty at each start. */
export class RedisServer {
  readonly port: number;
  readonly #args: readonly string[];
  readonly #folder: string;
  #process: ChildProcess | undefined;
  /** The operator's connection. */
  #console: Promise<Client> | undefined;

  private constructor(port: number, folder: string, args: readonly string[]) {
    this.port = port;
    this.#folder = folder;
    this.#args = args;
  }

  /** `options`: of the command line, such as `--requirepass`, `x`. */
  static async start(...options: string[]): Promise<RedisServer> {
    const [port, folder] = [await freePort(), newFolder()];
    const args = ["--port", `${port}`, "--bind", "127.0.0.1", "--dir", folder, "--save", "", ...options];
    const server = new RedisServer(port, folder, args);
    await server.start();
    return server;
  }

  /** A sentinel that watches `primary` as `main`, and takes it for dead after half a second. */
  static async startSentinel(primary: RedisServer, quorum: number): Promise<RedisServer> {
    const [port, folder] = [await freePort(), newFolder()];
    const file = join(folder, "sentinel.conf");
    const lines = [
      `port ${port}`,
      "bind 127.0.0.1",
      `dir ${folder}`,
      `sentinel monitor main 127.0.0.1 ${primary.port} ${quorum}`,
      "sentinel down-after-milliseconds main 500",
      "sentinel failover-timeout main 3000",
    ];
    writeFileSync(file, lines.join("\n"));
    const server = new RedisServer(port, folder, [file, "--sentinel"]);
    await server.start();
    return server;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  async start(): Promise<void> {
    const server = spawn("redis-server", this.#args, { stdio: ["ignore", "pipe", "inherit"] });
    this.#process = server;
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.once("exit", (code) => reject(new Error(`redis-server ended with ${code}`)));
      // Its log goes on, and has to be read.
      createInterface(server.stdout).on("line", (line) => {
        if (/Ready to accept connections|\+monitor master/.test(line)) resolve();
      });
    });
  }

  signal(signal: NodeJS.Signals): void {
    this.#process?.kill(signal);
  }

  async kill(): Promise<void> {
    const [server, console] = [this.#process, await this.#console];
    this.#process = undefined;
    this.#console = undefined;
    console?.destroy();
    if (server === undefined || server.exitCode !== null || server.signalCode !== null) return;
    const ended = once(server, "exit");
    server.kill("SIGKILL");
    await ended;
  }

  /** What an operator would type: one command, and its answer. */
  async command(...args: string[]): Promise<unknown> {
    const login = { user: undefined, password: undefined, database: 0 };
    const plain = { isTls: false, ca: undefined };
    // A server that becomes a replica ends its connections.
    const onEnd = (): void => void (this.#console = undefined);
    this.#console ??= connectTo({ host: "127.0.0.1", port: this.port }, plain, login, 2_000, onEnd);
    return (await this.#console).sendCommand(args);
  }

  async close(): Promise<void> {
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function newFolder(): string {
  return mkdtempSync(join(tmpdir(), "mcp-tunnel-redis-"));
}

/** An engine, and what it has warned of. */
export function redisEngine(options: Partial<RedisOptions> & { url: string }): {
  engine: RedisEngine;
  warnings: string[];
  close(): Promise<void>;
} {
  const warnings: string[] = [];
  const engine = new RedisEngine({
    times: longTimes,
    onWarning: (warning) => warnings.push(warning),
    ...options,
  });
  return { engine, warnings, close: () => engine.close() };
}
