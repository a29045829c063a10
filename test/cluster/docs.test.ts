import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { noRedis } from "../../packages/cluster/test/redis-server.js";
import { ask, Scrape } from "../admin/support.js";
import { type Block, pattern, readBlocks, standIns } from "../docs/blocks.js";
import { createFolder } from "../support/certificates.js";
import { closingAfterEach } from "../support/cleanup.js";
import { RunningCommand } from "../support/commands.js";
import { freePort } from "../support/free-port.js";
import { startRawServer } from "../support/raw-server.js";
import { missingProgram } from "../support/requires.js";

// Runs the commands of docs/cluster.md as they are written, on one machine with the addresses of all.
// Replaced are the network (10.0.0 by 127.0.0), the ports by free ones, and the folders below /etc by those
// of the test.

const closing = closingAfterEach();
const markdown = readFileSync(new URL("../../docs/cluster.md", import.meta.url), "utf8");
const blocks = readBlocks(markdown);
const [sentinelLine = ""] = /^cluster: redis\+sentinel.*$/m.exec(markdown) ?? [];
const isNoSystem =
  process.platform !== "linux" || noRedis || missingProgram("curl") || missingProgram("openssl");

/** The machines of the document, each with a folder in the place of its /etc. */
class Machines {
  readonly #folder = closing(createFolder());
  readonly #ports = new Map<string, number>();
  readonly #env = standIns(this.#folder.path);

  async setUp(count: number): Promise<void> {
    // oxlint-disable-next-line no-await-in-loop -- no two the same
    for (const port of ["26379", "6379", "9090", "8080", "7000"]) this.#ports.set(port, await freePort());
    for (let i = 1; i <= count; i += 1) {
      for (const name of ["mcp-tunnel", "redis"]) mkdirSync(join(this.etc(i), name), { recursive: true });
      writeFileSync(join(this.etc(i), "mcp-tunnel", "tokens.yaml"), "tokens: []\n");
    }
  }

  etc(machine: number): string {
    return join(this.#folder.path, `machine-${machine}`);
  }

  address(machine: number): string {
    return `127.0.0.1${machine}`;
  }

  port(written: string): number {
    return this.#ports.get(written) ?? 0;
  }

  /** A text of the document, as it is here for one machine. */
  here(text: string, machine: number): string {
    let result = text
      .replace(/^ADDRESS=10\.0\.0\.\d+$/m, `ADDRESS=10.0.0.1${machine}`)
      .replaceAll("/etc/", `${this.etc(machine)}/`)
      .replaceAll("10.0.0.", "127.0.0.");
    for (const [written, port] of this.#ports)
      result = result.replaceAll(new RegExp(`\\b${written}\\b`, "g"), `${port}`);
    return result;
  }

  async run({ line, text, shown }: Block, machine: number): Promise<void> {
    const command = new RunningCommand("bash", ["-euc", `exec 2>&1; ${this.here(text, machine)}`], {
      env: this.#env,
    });
    const { code } = await command.exited;
    const where = `docs/cluster.md:${line}, machine ${machine}: ${text}\n${command.output}`;
    expect(code, where).toBe(0);
    if (shown !== undefined) expect(command.output, where).toMatch(pattern(this.here(shown, machine)));
  }

  /** What the document's `scp` does. */
  share(from: number, to: number): void {
    for (const name of ["cluster-secret", "admin-secret", "redis-password", "tokens.yaml"]) {
      copyFileSync(join(this.etc(from), "mcp-tunnel", name), join(this.etc(to), "mcp-tunnel", name));
    }
  }

  async startRedis(machine: number, ...args: string[]): Promise<RunningCommand> {
    const file = args.includes("--sentinel") ? "sentinel.conf" : "redis.conf";
    const folder = join(this.etc(machine), "redis");
    const server = closing(
      new RunningCommand("redis-server", [join(folder, file), ...args], { cwd: folder }),
    );
    const ready = /Ready to accept connections|\+monitor master/;
    await server.waitFor("start", () => (ready.test(server.output) ? true : undefined));
    return server;
  }

  async startRelay(machine: number): Promise<RunningCommand> {
    const file = join(this.etc(machine), "mcp-tunnel", "relay.yaml");
    const relay = closing(new RunningCommand("mcp-tunnel", ["--config", file], { env: this.#env }));
    await relay.waitForJson({ msg: "admin API listening" });
    return relay;
  }

  /** Waits until the relay has links to so many others. */
  async linked(machine: number, count: number): Promise<void> {
    const secret = readFileSync(join(this.etc(machine), "mcp-tunnel", "admin-secret"), "utf8").trim();
    const url = `http://${this.address(machine)}:${this.port("9090")}`;
    const headers = { authorization: `Bearer ${secret}` };
    const peers = async () =>
      new Scrape((await ask(`${url}/metrics`, { headers })).text).value("mcp_tunnel_cluster_peers");
    await expect.poll(peers, { timeout: 15_000 }).toBe(count);
  }
}

const marked = (mark: string, ...parts: string[]): Block[] => {
  const found = blocks.filter(
    ({ marks, text }) => marks[0] === mark && parts.every((part) => text.includes(part)),
  );
  expect(found, `${mark} ${parts.join(" ")}`).not.toEqual([]);
  return found;
};

describe.skipIf(isNoSystem)("docs/cluster.md", () => {
  it("has no block that this test does not know", () => {
    const known = ["root", "relay-1", "each", "replica", "sentinel", "try"];
    for (const { marks, text } of blocks) expect(known, text).toContain(marks[0]);
  });

  it("shows on one machine that a relay takes a request to the other", async () => {
    const folder = closing(createFolder());
    const env = standIns(folder.path);
    const hello = "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nhello of the service";
    const service = closing(
      await startRawServer((socket) => void socket.on("data", () => socket.write(hello))),
    );
    const ports = new Map([["3000", service.port]]);
    // oxlint-disable-next-line no-await-in-loop -- no two the same
    for (const port of ["6379", "8081", "8082", "7001", "7002"]) ports.set(port, await freePort());
    const start = ({ text }: Block): RunningCommand => {
      const here = text.replaceAll(/\b\d{4}\b/g, (port) => String(ports.get(port) ?? port));
      return closing(new RunningCommand("bash", ["-euc", here], { env, cwd: folder.path }));
    };
    const [redis, first, second, client, visitor, ...more] = marked("try") as [
      Block,
      Block,
      Block,
      Block,
      Block,
    ];
    expect(more).toEqual([]);
    const server = start(redis);
    await server.waitFor("Redis", () => (/Ready to accept/.test(server.output) ? true : undefined));
    const relays = [start(first), start(second)];
    await Promise.all(relays.map((relay) => relay.waitForJson({ msg: "link to another relay" })));
    const tunnel = start(client);
    await tunnel.waitFor("the tunnel", () => (/-> http/.test(tunnel.output) ? true : undefined));
    const asked = start(visitor);
    expect(await asked.exited).toEqual({ code: 0, signal: null });
    expect(asked.stdout).toEqual(["hello of the service"]);
  }, 60_000);

  it("leads to two relays that know each other", async () => {
    const machines = new Machines();
    await machines.setUp(2);
    const [secrets, redis] = marked("relay-1");
    await machines.run(secrets as Block, 1);
    machines.share(1, 2);
    await machines.run(redis as Block, 1);
    await machines.startRedis(1);
    for (const block of marked("each", "relay.yaml")) {
      await machines.run(block, 1);
      await machines.run(block, 2);
    }
    await Promise.all([machines.startRelay(1), machines.startRelay(2)]);
    await Promise.all([machines.linked(1, 1), machines.linked(2, 1)]);
    for (const block of marked("each", "health")) {
      await machines.run(block, 1);
      await machines.run(block, 2);
    }
  }, 60_000);

  it("leads to three Redis servers, one of which takes over when the primary is gone", async () => {
    const machines = new Machines();
    await machines.setUp(3);
    await machines.run(marked("relay-1", "openssl")[0] as Block, 1);
    machines.share(1, 2);
    machines.share(1, 3);
    const servers: RunningCommand[] = [];
    for (const machine of [1, 2, 3]) {
      for (const block of [...marked("replica"), ...marked("sentinel"), ...marked("each", "relay.yaml")]) {
        await machines.run(block, machine);
      }
      const line = machines.here(sentinelLine, machine);
      const withPorts = line.replaceAll(/127\.0\.0\.1\d/g, `$&:${machines.port("26379")}`);
      edit(join(machines.etc(machine), "mcp-tunnel", "relay.yaml"), /^cluster: .*$/m, withPorts);
      if (machine === 1) edit(join(machines.etc(1), "redis", "redis.conf"), /^replicaof .*\n/m, "");
      servers.push(await machines.startRedis(machine));
    }
    // The primary takes no writes before it has a replica that is up to date, and a relay starts with a
    // write.
    const inStep = /Synchronization with replica \S+ succeeded/g;
    const primary = servers[0] as RunningCommand;
    const bothInStep = () => (primary.output.match(inStep)?.length === 2 ? true : undefined);
    await primary.waitFor("both replicas in step", bothInStep, 30_000);
    for (const machine of [1, 2, 3]) {
      const sentinel = await machines.startRedis(machine, "--sentinel");
      const replicas = () => (sentinel.output.match(/\+slave slave/g)?.length === 2 ? true : undefined);
      await sentinel.waitFor("both replicas", replicas, 30_000);
    }
    const relays = [await machines.startRelay(1), await machines.startRelay(2)];
    await machines.linked(1, 1);
    await primary.close();
    for (const relay of relays) {
      const isBack = () =>
        /connected to Redis at 127\.0\.0\.1[23]:\d+ again/.test(relay.output) ? true : undefined;
      await relay.waitFor("the new primary", isBack, 60_000);
    }
  }, 120_000);
});

function edit(file: string, from: RegExp, to: string): void {
  const text = readFileSync(file, "utf8");
  expect(text).toMatch(from);
  writeFileSync(file, text.replace(from, to));
}
