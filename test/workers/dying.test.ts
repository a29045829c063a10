import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Agent, request } from "undici";
import { describe, expect, it } from "vitest";
import { ask, Scrape } from "../admin/support.js";
import { closingAfterEach } from "../support/cleanup.js";
import { runRelay, startClientCommand } from "../support/commands.js";
import { marked, tellsProcesses } from "../support/processes.js";
import { startUpstream } from "../support/upstream.js";
import { allGone, startCrew, visitOnce, type Worker } from "./support.js";

// Workers that die, and how several processes end.

const opened = closingAfterEach();

/** A folder for the sockets of one relay, so that the test sees what is left in it. */
function socketFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "mcp-tunnel-w-"));
  opened({ close: () => rmSync(folder, { recursive: true, force: true }) });
  return folder;
}

/** A visitor who asks one thing after the other over one connection, until told to stop. */
class BusyVisitor {
  readonly failures: string[] = [];
  served = 0;
  readonly #agent = new Agent({ connections: 1, pipelining: 1 });
  #isStopped = false;
  readonly #done: Promise<void>;

  constructor(port: number, name: string, path = "/slow?ms=5") {
    this.#done = this.#run(`http://127.0.0.1:${port}${path}`, `${name}.localhost`);
  }

  async #run(url: string, host: string): Promise<void> {
    while (!this.#isStopped) {
      try {
        const answer = await request(url, { dispatcher: this.#agent, headers: { host } });
        const text = await answer.body.text();
        if (answer.statusCode !== 200) this.failures.push(`${answer.statusCode} ${text}`);
        else this.served += 1;
        // The relay drains: the next connection is for the next relay.
        if (answer.headers["connection"] === "close") return;
      } catch (error) {
        this.failures.push(String(error));
        return;
      }
    }
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#done;
  }

  async close(): Promise<void> {
    await this.stop();
    await this.#agent.destroy();
  }
}

describe.skipIf(process.platform === "win32")("a relay with workers", { timeout: 120_000 }, () => {
  it("goes on when one is killed: only its own tunnels and visitors notice", async () => {
    const upstream = opened(await startUpstream());
    const relay = opened(await startCrew());
    const names = ["a", "b", "c", "d"];
    for (const name of names) {
      opened(await startClientCommand(upstream.port, relay.port, ["--subdomain", name]));
    }
    const homes = new Map<string, Worker>();
    for (const name of names) homes.set(name, await relay.workerOf(name));
    const victim = homes.get("a") as Worker;
    const spared = names.filter((name) => homes.get(name)?.pid !== victim.pid);
    expect(spared.length).toBeGreaterThan(0);
    for (let i = 0; i < 6; i++) await visitOnce(relay.port, "a", "/status/200");
    const completed = { status: "2xx", outcome: "completed" };
    const before = (await Scrape.of(relay)).value("mcp_tunnel_requests_total", completed);

    process.kill(victim.pid, "SIGKILL");
    await relay.waitForJson({ msg: "a worker has died: its tunnels and visitors are cut" });
    // Requests wait for the client of the dead worker, or are served at once.
    for (const name of names) {
      const answer = await visitOnce(relay.port, name, "/status/201");
      expect([name, answer.status]).toEqual([name, 201]);
    }
    await relay.waitForJson({ msg: "another worker has taken the place", worker: victim.worker });
    const workers = await relay.workers();
    expect(workers.every(({ ready }) => ready)).toBe(true);
    expect(workers.find(({ worker }) => worker === victim.worker)?.pid).not.toBe(victim.pid);
    for (const name of spared) expect((await relay.workerOf(name)).pid).toBe(homes.get(name)?.pid);
    expect((await ask(`${relay.admin}/readyz`)).status).toBe(200);
    // A sum that falls would look as if all counts began anew.
    const after = await Scrape.of(relay);
    expect(after.value("mcp_tunnel_requests_total", completed)).toBe(before + names.length);
    expect(after.value("mcp_tunnel_worker_deaths_total")).toBe(1);
  });

  it("fails no request when it is told to end, whichever worker has the tunnel", async () => {
    const upstream = opened(await startUpstream());
    const relay = opened(await startCrew(["--shutdown-grace", "60s"]));
    for (const name of ["a", "b"]) {
      opened(await startClientCommand(upstream.port, relay.port, ["--subdomain", name]));
    }
    // Four connections for each name, so that each worker has visitors of both.
    const visitors = ["a", "a", "a", "a", "b", "b", "b", "b"].map((name) =>
      opened(new BusyVisitor(relay.port, name)),
    );
    // And four who are connected, and ask for something only when the tunnels are about to go.
    const late = Array.from({ length: 4 }, () => new Agent({ connections: 1, pipelining: 1 }));
    for (const agent of late) opened({ close: () => agent.destroy() });
    const visitLate = async (agent: Agent, name: string): Promise<number> => {
      const headers = { host: `${name}.localhost` };
      const answer = await request(`http://127.0.0.1:${relay.port}/status/200`, {
        dispatcher: agent,
        headers,
      });
      await answer.body.dump();
      return answer.statusCode;
    };
    expect(await Promise.all(late.map((agent) => visitLate(agent, "a")))).toEqual([200, 200, 200, 200]);
    const open = [visitOnce(relay.port, "a", "/slow?ms=4000"), visitOnce(relay.port, "b", "/slow?ms=4000")];
    await expect.poll(() => visitors.every(({ served }) => served > 2), { timeout: 30_000 }).toBe(true);
    relay.child.kill("SIGTERM");
    await relay.waitForJson({ msg: "shutting down" });
    expect((await ask(`${relay.admin}/readyz`)).json).toMatchObject({ status: "draining" });
    await expect
      .poll(async () => {
        const { json = {} } = await ask(`${relay.admin}/api/tunnels`);
        return (json["tunnels"] as { state: string }[]).map(({ state }) => state);
      })
      .toEqual(["leaving", "leaving"]);
    expect(await Promise.all(late.map((agent) => visitLate(agent, "a")))).toEqual([200, 200, 200, 200]);
    expect((await Promise.all(open)).map(({ status }) => status)).toEqual([200, 200]);
    for (const visitor of visitors) await visitor.stop();
    expect(visitors.flatMap(({ failures }) => failures)).toEqual([]);
    expect(await relay.exited).toEqual({ code: 0, signal: null });
  });

  it("ends also while another worker has only just been started", async () => {
    const relay = opened(await startCrew(["--shutdown-grace", "60s"]));
    const [victim] = await relay.workers();
    if (victim === undefined) throw new Error("the relay has no workers");
    process.kill(victim.pid, "SIGKILL");
    const isStarted = async (): Promise<boolean> => {
      const { json = {} } = await ask(`${relay.admin}/api/tunnels?scope=local`);
      const { workers } = json["relay"] as { workers: Partial<Worker>[] };
      return workers.some(({ pid, ready }) => pid !== undefined && pid !== victim.pid && ready !== true);
    };
    await expect.poll(isStarted, { timeout: 30_000, interval: 5 }).toBe(true);
    relay.child.kill("SIGTERM");
    expect(await relay.exited).toEqual({ code: 0, signal: null });
    expect(relay.json.map(({ msg }) => msg)).not.toContain("a worker does not end, and is killed");
  });

  it("cuts what is open at the second signal", async () => {
    const upstream = opened(await startUpstream());
    const relay = opened(await startCrew(["--shutdown-grace", "10m"]));
    opened(await startClientCommand(upstream.port, relay.port, ["--subdomain", "a"]));
    const open = visitOnce(relay.port, "a", "/hang");
    await upstream.nextRequest();
    relay.child.kill("SIGTERM");
    await relay.waitForJson({ msg: "shutting down" });
    relay.child.kill("SIGTERM");
    // The worker of the visitor answers, or that of the tunnel, whichever is first.
    expect([502, 503]).toContain((await open).status);
    expect(await relay.exited).toEqual({ code: 0, signal: null });
  });

  it.skipIf(!tellsProcesses)("leaves no process and no folder behind, also when it is killed", async () => {
    for (const signal of ["SIGTERM", "SIGKILL"] as const) {
      const folder = socketFolder();
      const mark = `MCP_TUNNEL_TEST_MARK=${folder}`;
      const relay = opened(
        runRelay(["--domain", "localhost", "--port", "0", "--host", "127.0.0.1", "--workers", "2"], {
          TMPDIR: folder,
          MCP_TUNNEL_TEST_MARK: folder,
        }),
      );
      await relay.waitForJson({ msg: "listening" });
      const pids = marked(mark);
      expect(pids).toHaveLength(3);
      expect(readdirSync(folder)).toHaveLength(1);
      relay.child.kill(signal);
      await relay.exited;
      await allGone(pids);
      expect(readdirSync(folder)).toEqual([]);
    }
  });

  it("says once that it cannot have its port, and ends", async () => {
    const taken = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    opened({ close: () => taken.close() });
    const { port } = taken.address() as { port: number };
    const relay = opened(
      runRelay(["--domain", "localhost", "--port", String(port), "--host", "127.0.0.1", "--workers", "3"]),
    );
    expect(await relay.exited).toEqual({ code: 1, signal: null });
    expect(relay.stderr).toEqual([
      `error: cannot listen on 127.0.0.1, port ${port}: another program listens there; stop it or choose another port`,
    ]);
  });

  it("says once what is wrong with its options", async () => {
    const relay = opened(
      runRelay(["--domain", "localhost", "--port", "0", "--workers", "2", "--token-file", "/no/such/file"]),
    );
    expect(await relay.exited).toEqual({ code: 2, signal: null });
    expect(relay.stderr.join("\n")).toMatch(/^error: .*\/no\/such\/file.*$/);
  });

  it("gives up when every worker dies as soon as it serves", async () => {
    const relay = opened(await startCrew());
    const dead = new Set<number>();
    const isOver = relay.exited.then(() => true);
    while (!(await Promise.race([isOver, killNew()])));
    expect(await relay.exited).toEqual({ code: 1, signal: null });
    expect(dead.size).toBeGreaterThanOrEqual(10);
    const { msg, level } = relay.json.at(-1) ?? {};
    expect([level, msg]).toEqual([
      50,
      "every worker dies as soon as it has started: the lines above say why",
    ]);

    async function killNew(): Promise<boolean> {
      const { json } = await ask(`${relay.admin}/api/tunnels?scope=local`).catch(() => ({ json: undefined }));
      const { workers = [] } = (json?.["relay"] ?? {}) as { workers?: Partial<Worker>[] };
      for (const { pid, ready } of workers) {
        if (pid === undefined || ready !== true || dead.has(pid)) continue;
        dead.add(pid);
        process.kill(pid, "SIGKILL");
      }
      return false;
    }
  });
});
