import { setTimeout as delay } from "node:timers/promises";
import { startTunnelClient } from "mcp-tunnel-client";
import { Agent, request } from "undici";
import { expect, it } from "vitest";
import { ByteChecker } from "../support/bytes.js";
import { closingAfterEach } from "../support/cleanup.js";
import { type RelayCommand, startRelayCommand, startRelayCommandOn } from "../support/commands.js";
import { shareSocket } from "../support/shared-socket.js";
import { startUpstream, type Upstream } from "../support/upstream.js";
import { createVisitor } from "../support/visitor.js";
import { scaled } from "./scale.js";
import { nextEvent } from "./support.js";

const opened = closingAfterEach();

const names = ["one", "two", "three", "four"];
const restarts = scaled(1, 20);

/** The visitors' results for one kind of request. */
class Tally {
  served = 0;
  slowestMs = 0;
  readonly failures: string[] = [];

  async count(visit: () => Promise<string | undefined>): Promise<void> {
    const startedAtMs = performance.now();
    try {
      const failure = await visit();
      if (failure === undefined) this.served += 1;
      else this.failures.push(failure);
    } catch (error) {
      this.failures.push(String(error));
    }
    this.slowestMs = Math.max(this.slowestMs, performance.now() - startedAtMs);
  }
}

/** Visitors who ask one thing after the other until told to stop, each over connections of its own kind. */
class Load {
  readonly kept = new Tally();
  readonly fresh = new Tally();
  #stopped = false;
  readonly #done: Promise<unknown>;
  readonly #agents: Agent[] = [];

  constructor(port: number) {
    const workers: Promise<void>[] = [];
    for (const name of names) {
      for (let i = 0; i < scaled(1, 4); i++) {
        workers.push(this.#worker(port, name, this.kept, this.#agent({ pipelining: 1, connections: 1 })));
        // Without keep-alive, each request has a connection of its own.
        workers.push(this.#worker(port, name, this.fresh, this.#agent({ pipelining: 0 })));
      }
    }
    this.#done = Promise.all(workers);
  }

  #agent(options: Agent.Options): Agent {
    const agent = new Agent(options);
    this.#agents.push(agent);
    return agent;
  }

  async #worker(port: number, name: string, tally: Tally, dispatcher: Agent): Promise<void> {
    for (let round = 0; !this.#stopped; round++) {
      await tally.count(async () => {
        const path = round % 5 === 0 ? "/bytes/50000" : "/slow?ms=10";
        const answer = await request(`http://127.0.0.1:${port}${path}`, {
          dispatcher,
          headers: { host: `${name}.localhost` },
        });
        const { byteLength } = await answer.body.arrayBuffer();
        const isRight = answer.statusCode === 200 && byteLength === (path === "/bytes/50000" ? 50_000 : 5);
        return isRight ? undefined : `${answer.statusCode} with ${byteLength} bytes`;
      });
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#done;
    await Promise.all(this.#agents.map((agent) => agent.close()));
  }
}

async function startClients(upstream: Upstream, port: number) {
  const options = { port: upstream.port, relayUrl: `http://127.0.0.1:${port}` };
  const clients = await Promise.all(names.map((subdomain) => startTunnelClient({ ...options, subdomain })));
  for (const client of clients) opened(client);
  return clients;
}

it(
  `rolling restarts under load (${restarts}) fail no request, and what is open finishes`,
  async () => {
    const upstream = opened(await startUpstream());
    const socket = opened(shareSocket());
    const startRelay = async (): Promise<RelayCommand> => opened(await startRelayCommandOn(socket));
    let relay = await startRelay();
    const clients = await startClients(upstream, socket.port);
    let disconnections = 0;
    for (const client of clients) client.on("disconnected", () => void (disconnections += 1));

    const load = new Load(socket.port);
    const drainsMs: number[] = [];
    for (let restart = 0; restart < restarts; restart++) {
      await delay(500);
      // These requests are open when the signal comes, and take longer than all the quick ones.
      const visitor = opened(createVisitor(socket.port));
      const slow = names.map((name) => visitor.text(name, "/slow?ms=1500"));
      const length = 3_000_000;
      const download = await visitor.visit("one", `/bytes/${length}`);
      const events = await visitor.visit("two", "/sse?count=30&intervalMs=50");

      const successor = await startRelay();
      const stoppedAtMs = performance.now();
      relay.child.kill("SIGTERM");
      const checker = new ByteChecker();
      for await (const chunk of download.body) checker.update(chunk as Buffer);
      expect(checker.length).toBe(length);
      expect((await events.body.text()).match(/^id: /gm)?.length).toBe(30);
      for (const answer of slow) expect(await answer).toEqual({ status: 200, text: "slow\n" });
      expect(await relay.exited).toEqual({ code: 0, signal: null });
      drainsMs.push(Math.round(performance.now() - stoppedAtMs));
      relay = successor;
    }
    await delay(500);
    await load.stop();
    const { kept, fresh } = load;
    console.info(
      `${kept.served} requests over kept connections (slowest ${Math.round(kept.slowestMs)} ms), ` +
        `${fresh.served} over fresh ones (slowest ${Math.round(fresh.slowestMs)} ms); drains: ${drainsMs.join(", ")} ms`,
    );
    expect(kept.failures).toEqual([]);
    expect(fresh.failures).toEqual([]);
    expect(kept.served + fresh.served).toBeGreaterThan(restarts * 50);
    expect(disconnections).toBe(0);
  },
  60_000 + restarts * 10_000,
);

it("without a shared socket the port is free as soon as the old relay drains, and open requests finish", async () => {
  const upstream = opened(await startUpstream());
  const first = opened(await startRelayCommand());
  const { port } = first;
  const clients = await startClients(upstream, port);
  const visitor = opened(createVisitor(port));
  const slow = visitor.text("one", "/slow?ms=4000");
  await upstream.nextRequest();
  const moved = Promise.all(clients.map((client) => nextEvent(client, "connected")));
  first.child.kill("SIGTERM");
  await first.waitForJson({ msg: "shutting down" });
  const second = opened(await startRelayCommand(["--port", String(port), "--startup-hold", "5s"]));
  const fresh = opened(createVisitor(port));
  // The clients are still on their way.
  expect(
    (await Promise.all(names.map((name) => fresh.text(name, "/status/201")))).map(({ status }) => status),
  ).toEqual(names.map(() => 201));
  await moved;
  await second.waitForJson({ msg: "tunnel registered" }, names.length);
  expect(await slow).toEqual({ status: 200, text: "slow\n" });
  expect(await first.exited).toEqual({ code: 0, signal: null });
}, 60_000);

it("a socket that is not the relay's alone, or meant for another process, is not taken", async () => {
  const socket = opened(shareSocket());
  const relay = opened(
    // A program that does not clear its environment passes on its own process id.
    await startRelayCommand([], { LISTEN_FDS: "1", LISTEN_PID: String(process.pid) }),
  );
  expect(relay.port).not.toBe(socket.port);
});
