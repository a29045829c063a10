import { setTimeout as nextLook } from "node:timers/promises";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Agent, request } from "undici";
import { describe, expect, it } from "vitest";
import { noRedis, RedisServer } from "../../packages/cluster/test/redis-server.js";
import { ask, Scrape } from "../admin/support.js";
import { createAuthority, createFolder } from "../support/certificates.js";
import { closingAfterEach } from "../support/cleanup.js";
import { type RelayCommand, startClientCommand, startRelayCommand } from "../support/commands.js";
import { freePort } from "../support/free-port.js";
import { missingProgram } from "../support/requires.js";
import { startUpstream } from "../support/upstream.js";
import { type Balancer, balancers, type RelayPlace } from "./balancers.js";

// Three relays behind the balancers of examples/cluster, as the examples have them.

const closing = closingAfterEach();
const host = "demo.tunnel.test";

/** A relay that may be stopped and started again at its place. */
class Relay {
  readonly #place: RelayPlace;
  readonly #args: readonly string[];
  #command: RelayCommand | undefined;

  constructor(place: RelayPlace, args: readonly string[]) {
    this.#place = place;
    this.#args = args;
  }

  get admin(): string {
    return `http://127.0.0.1:${this.#place.adminPort}`;
  }

  async start(): Promise<void> {
    const { port, adminPort } = this.#place;
    const places = ["--port", `${port}`, "--admin-listen", `127.0.0.1:${adminPort}`];
    this.#command = await startRelayCommand([...this.#args, ...places]);
    await this.#command.waitForJson({ msg: "admin API listening" });
  }

  /** Waits until it has a link to the two others. */
  async linked(): Promise<void> {
    const peers = async () => (await Scrape.at(this.admin)).value("mcp_tunnel_cluster_peers");
    await expect.poll(peers, { timeout: 15_000 }).toBe(2);
  }

  async restart(): Promise<void> {
    this.#command?.child.kill("SIGTERM");
    expect(await this.#command?.exited).toEqual({ code: 0, signal: null });
    await this.start();
    await this.linked();
  }

  async close(): Promise<void> {
    await this.#command?.close();
  }
}

async function setUp(balancer: Balancer) {
  const redis = closing(await RedisServer.start());
  const upstream = closing(await startUpstream());
  const folder = closing(createFolder());
  const secretFile = folder.write("secret", "a secret of the cluster, long enough");
  const args = [
    ...["--domain", "tunnel.test", "--public-url", "https://{subdomain}.{domain}"],
    ...["--trusted-proxy", "127.0.0.1", "--cluster", redis.url, "--cluster-secret-file", secretFile],
    ...["--peer-listen", "127.0.0.1:0"],
  ];
  const places: RelayPlace[] = [];
  // oxlint-disable-next-line no-await-in-loop -- a port of each, and no two the same
  for (let i = 0; i < 3; i += 1) places.push({ port: await freePort(), adminPort: await freePort() });
  const relays = places.map((place) => closing(new Relay(place, args)));
  await Promise.all(relays.map((relay) => relay.start()));
  await Promise.all(relays.map((relay) => relay.linked()));
  const authority = await createAuthority();
  const certificate = await authority.issue(["tunnel.test", "*.tunnel.test", "127.0.0.1"]);
  const proxy = closing(await balancer.start(folder, certificate, places));
  const caFile = join(folder.path, "ca.pem");
  writeFileSync(caFile, authority.cert);
  closing(
    await startClientCommand(
      upstream.port,
      0,
      [
        ...["--relay", `https://127.0.0.1:${proxy.httpsPort}`],
        ...["--subdomain", "demo", "--forwarded-headers", "all"],
      ],
      { NODE_EXTRA_CA_CERTS: caFile },
    ),
  );
  const agent = (options: Agent.Options): Agent =>
    closing(new Agent({ connect: { ca: authority.cert, servername: host }, ...options }));
  const visit = async (dispatcher: Agent, path: string, body?: string) => {
    const answer = await request(`https://127.0.0.1:${proxy.httpsPort}${path}`, {
      dispatcher,
      headers: { host },
      ...(body === undefined ? {} : { method: "POST", body }),
    });
    return { status: answer.statusCode, text: await answer.body.text() };
  };
  return { redis, relays, proxy, agent, visit };
}

describe.each(balancers)("three relays behind $name, as in the example", (balancer) => {
  const isMissing = noRedis || missingProgram(balancer.name);

  it.skipIf(isMissing)(
    "are restarted one after the other, and no request fails",
    async () => {
      const { relays, agent, visit } = await setUp(balancer);
      const failures: string[] = [];
      let served = 0;
      let isOver = false;
      const body = "x".repeat(5_000);
      const keepVisiting = async (dispatcher: Agent): Promise<void> => {
        for (let round = 0; !isOver; round += 1) {
          const hasBody = balancer.repeatsBodies && round % 2 === 1;
          const [path, sent] = hasBody ? ["/hash", body] : ["/slow?ms=10", undefined];
          try {
            // oxlint-disable-next-line no-await-in-loop -- one request after the other
            const { status, text } = await visit(dispatcher, path, sent);
            const isRight = sent === undefined ? text === "slow\n" : text.includes('"length":5000');
            if (status === 200 && isRight) served += 1;
            else failures.push(`${path}: ${status} ${text.slice(0, 200)}`);
          } catch (error) {
            failures.push(`${path}: ${String(error)}`);
          }
        }
      };
      const kept = [1, 2, 3, 4].map(() => keepVisiting(agent({ pipelining: 1, connections: 1 })));
      const fresh = [1, 2].map(() => keepVisiting(agent({ pipelining: 0 })));
      const events = agent({ pipelining: 0 });
      for (const relay of relays) {
        const stream = visit(events, "/sse?count=40&intervalMs=50");
        // oxlint-disable-next-line no-await-in-loop -- one relay after the other
        await relay.restart();
        // oxlint-disable-next-line no-await-in-loop
        expect((await stream).text.match(/^id: /gm)).toHaveLength(40);
      }
      isOver = true;
      await Promise.all([...kept, ...fresh]);
      expect(failures).toEqual([]);
      expect(served).toBeGreaterThan(200);
      console.info(`${balancer.name}: ${served} requests during three restarts, none failed`);
    },
    120_000,
  );

  it.skipIf(isMissing)(
    "serve a tunnel from whichever relay, with the visitor's address, also while Redis is down",
    async () => {
      const { redis, relays, agent, visit } = await setUp(balancer);
      const visitors = [1, 2, 3, 4, 5, 6].map(() => agent({ pipelining: 0, localAddress: "127.0.0.2" }));
      const addresses = async () => {
        const answers = await Promise.all(visitors.map((one) => visit(one, "/headers")));
        return answers.map(({ text }) => {
          const { rawHeaders } = JSON.parse(text) as { rawHeaders: string[] };
          return rawHeaders[rawHeaders.findIndex((name) => /^x-tunnel-visitor$/i.test(name)) + 1];
        });
      };
      expect(await addresses()).toEqual(visitors.map(() => "127.0.0.2"));
      await redis.kill();
      const statuses = async () =>
        await Promise.all(relays.map(async ({ admin }) => (await ask(`${admin}/readyz`)).status));
      // None has its lease any more after six seconds. All of them are alike then, so all stay ready.
      const endAt = performance.now() + 8_000;
      while (performance.now() < endAt) {
        // oxlint-disable-next-line no-await-in-loop -- one look after the other
        expect(await statuses()).toEqual([200, 200, 200]);
        // oxlint-disable-next-line no-await-in-loop
        await nextLook(500);
      }
      expect(await addresses()).toEqual(visitors.map(() => "127.0.0.2"));
    },
    120_000,
  );
});
