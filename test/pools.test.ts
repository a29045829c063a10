import { randomUUID } from "node:crypto";
import { createRelay, type RelayOptions, staticAuthenticator } from "mcp-tunnel";
import { createService, startTunnelClient, TunnelClient, type TunnelClientOptions } from "mcp-tunnel-client";
import { createMember, MemoryEngine } from "mcp-tunnel-cluster";
import { createGate } from "mcp-tunnel-gate";
import { gated } from "mcp-tunnel-gate/service";
import { describe, expect, it, vi } from "vitest";
import { connectV1, connectV2 } from "./mcp/clients.js";
import { createTools, startV1Server } from "./mcp/servers.js";
import { closingAfterEach } from "./support/cleanup.js";
import { runClient, startClientCommand, startRelayCommand } from "./support/commands.js";
import { declaring } from "./support/gated.js";
import { startOriginalRelay } from "./support/original-relay.js";
import { startUpstream } from "./support/upstream.js";
import { createVisitor } from "./support/visitor.js";

// Several clients that serve one name, with relay, clients and MCP SDKs as they are.

const closing = closingAfterEach();

const engineTimes = { leaseMs: 6_000, keepNamesMs: 60_000, verdictMs: 60_000 };

/** Two relays of one cluster, with names in this process. */
async function startCluster() {
  const engine = new MemoryEngine(engineTimes);
  // The members share it, and none of them ends it.
  engine.close = async () => {};
  const secret = "a secret of the test that is long enough";
  const start = async () => {
    const member = createMember({ engine, secret, listen: { host: "127.0.0.1", port: 0 } });
    return { ...(await startRelay({ member })), status: () => member.status() };
  };
  const relays = [await start(), await start()] as const;
  await vi.waitFor(() => {
    for (const { status } of relays) expect(status()).toMatchObject({ peers: 1 });
  });
  return relays;
}

async function startRelay(options: Partial<RelayOptions> = {}) {
  const relay = createRelay({
    domain: "localhost",
    host: "127.0.0.1",
    port: 0,
    startupHoldMs: 0,
    ...options,
  });
  const { port } = await relay.listen();
  closing({ close: () => relay.close(0) });
  const relayUrl = `http://127.0.0.1:${port}`;
  const common = { relayUrl, token: "t", subdomain: "app", pool: true, shutdownGraceMs: 10_000 };
  /** A member that answers with its name. */
  const member = async (who: string, more: Partial<TunnelClientOptions> = {}) => {
    const fetch = () => new Response(who);
    return closing(await startTunnelClient({ ...common, ...("service" in more ? {} : { fetch }), ...more }));
  };
  const visitor = closing(createVisitor(port));
  return { relay, port, relayUrl, common, member, visitor };
}

/** Runs `visit` eight times at once, again and again, until the function that it returns is called. */
function keepVisiting(visit: () => Promise<void>): () => Promise<void> {
  let isOver = false;
  const worker = async (): Promise<void> => {
    while (!isOver) await visit();
  };
  const all = Promise.all(Array.from({ length: 8 }, worker));
  return async () => {
    isOver = true;
    await all;
  };
}

describe("MCP clients of a pool of servers with sessions", () => {
  const clients = [
    { client: "the v1 client", connect: (url: string) => connectV1(url) },
    { client: "the v2 client", connect: (url: string) => connectV2(url, "auto") },
  ];

  it.each(clients)("each stay with one server: $client", async ({ connect }) => {
    const { port, member } = await startRelay();
    const begun: number[] = [0, 0];
    for (const nth of begun.keys()) {
      const local = closing(
        await startV1Server(createTools, () => ({
          sessionIdGenerator: () => {
            begun[nth] = (begun[nth] ?? 0) + 1;
            return randomUUID();
          },
        })),
      );
      await member("", { fetch: undefined as never, port: local.port });
    }
    const open = async () => closing(await connect(`http://app.localhost:${port}/mcp`));
    // One after another, until both have some.
    const opened = [await open(), await open()];
    while (begun.includes(0)) opened.push(await open());
    await Promise.all(
      opened.flatMap((client) =>
        Array.from({ length: 20 }, async (_, i) => {
          expect(await client.callTool("add", { a: i, b: 1_000 })).toBe(String(i + 1_000));
        }),
      ),
    );
    // A call with progress, whose events come over a stream of their own.
    const progress: number[] = [];
    const options = { onProgress: (value: number) => void progress.push(value) };
    await opened[0]?.callTool("slow_count", { to: 3, pauseMs: 1 }, options);
    expect(progress).toEqual([1, 2, 3]);
  });
});

describe("a member of a pool", () => {
  it("drains under load at one of two relays, and no request fails at either", async () => {
    const [a, b] = await startCluster();
    const members = [await a.member("a"), await b.member("b"), await b.member("c")] as const;
    const served = new Map<string, number>();
    const failed: number[] = [];
    const stop = keepVisiting(async () => {
      for (const [at, { visitor }] of [a, b].entries()) {
        for (const options of [{}, { method: "POST", body: "x".repeat(1_000) } as const]) {
          const { status, text } = await visitor.text("app", "/", options);
          if (status !== 200) failed.push(status);
          served.set(`${text}${at}`, (served.get(`${text}${at}`) ?? 0) + 1);
        }
      }
    });
    const servedMore = async (...whom: string[]): Promise<void> => {
      const before = new Map(served);
      await vi.waitFor(
        () => {
          for (const who of whom) expect(served.get(who) ?? 0).toBeGreaterThan((before.get(who) ?? 0) + 10);
        },
        { timeout: 10_000 },
      );
    };
    await servedMore("a0", "a1", "b0", "b1", "c0", "c1");
    await members[0].close();
    await servedMore("b0", "b1", "c0", "c1");
    await members[1].close();
    await servedMore("c0", "c1");
    await a.member("d");
    await servedMore("d0", "d1");
    await members[2].close();
    await servedMore("d0", "d1");
    await stop();
    expect(failed).toEqual([]);
  });

  it("drains under load, and no request fails", async () => {
    const { relay, member, visitor } = await startRelay();
    const members = [await member("a"), await member("b"), await member("c")];
    const served = new Map<string, number>();
    const failed: number[] = [];
    const stop = keepVisiting(async () => {
      const body = "x".repeat(1_000);
      for (const options of [{}, { method: "POST", body } as const]) {
        const { status, text } = await visitor.text("app", "/", options);
        if (status !== 200) failed.push(status);
        served.set(text, (served.get(text) ?? 0) + 1);
      }
    });
    const servedMore = async (who: string): Promise<void> => {
      const before = served.get(who) ?? 0;
      await vi.waitFor(() => expect(served.get(who) ?? 0).toBeGreaterThan(before + 20), { timeout: 10_000 });
    };
    for (const who of ["a", "b", "c"]) await servedMore(who);
    await members[0]?.close();
    await vi.waitFor(() => expect(relay.tunnels()).toHaveLength(2));
    await servedMore("b");
    await members[1]?.close();
    await servedMore("c");
    await member("d");
    await servedMore("d");
    await members[2]?.close();
    await servedMore("d");
    await stop();
    expect(failed).toEqual([]);
  });

  it("whose service is down costs few requests", async () => {
    const { member, visitor, common } = await startRelay();
    const upstream = await startUpstream();
    closing(await startTunnelClient({ ...common, port: upstream.port }));
    await member("b");
    const statuses = async (times: number): Promise<number[]> => {
      const all: number[] = [];
      for (let i = 0; i < times; i++) all.push((await visitor.text("app", "/")).status);
      return all;
    };
    expect(await statuses(20)).not.toContain(502);
    await upstream.close();
    expect((await statuses(50)).filter((status) => status === 502)).toHaveLength(3);
  });

  it("that is killed costs the requests that it had, and no others", { timeout: 60_000 }, async () => {
    const upstream = closing(await startUpstream());
    const relay = closing(await startRelayCommand(["--resume-timeout", "1s"]));
    const visitor = closing(createVisitor(relay.port));
    const args = ["--token", "t", "--subdomain", "app", "--pool"];
    const [first, second] = [
      closing(await startClientCommand(upstream.port, relay.port, args)),
      closing(await startClientCommand(upstream.port, relay.port, args)),
    ];
    // Two requests that last: one at each of them, because the less loaded one gets the second.
    const lasting = [];
    for (let i = 0; i < 2; i++) {
      const arrived = upstream.nextRequest();
      lasting.push(await visitor.visit("app", "/sse"));
      await arrived;
    }
    const failed: number[] = [];
    const stop = keepVisiting(async () => {
      const { status } = await visitor.text("app", "/bytes/10");
      if (status !== 200) failed.push(status);
    });
    first.child.kill("SIGKILL");
    await relay.waitFor("the end of the tunnel", () =>
      relay.json.some(({ msg }) => msg === "tunnel closed") ? true : undefined,
    );
    await stop();
    // Those that it had been given, of eight visitors at a time.
    expect(failed.length).toBeLessThanOrEqual(8);
    expect(new Set(failed)).toEqual(new Set(failed.length === 0 ? [] : [502]));
    const cut = await Promise.allSettled(
      lasting.map(async ({ body }) => {
        upstream.emit("still here");
        for await (const _ of body) return;
      }),
    );
    expect(cut.map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected"]);
    expect(second.json.some(({ event }) => event === "disconnected")).toBe(false);
    for (const { body } of lasting) body.on("error", () => {}).destroy();
  });
});

describe("clients that want the same name", () => {
  it("evict a pool as a whole, and the members do not come back to fight", async () => {
    const { relay, member, visitor, common } = await startRelay();
    const members = [await member("a"), await member("b")];
    const ended = members.map((client) => new Promise((resolve) => client.on("closed", resolve)));
    const alone = closing(
      await startTunnelClient({ ...common, pool: false, fetch: () => new Response("alone") }),
    );
    for (const end of await Promise.all(ended)) expect(end).toMatchObject({ error: { code: "evicted" } });
    for (let i = 0; i < 5; i++) expect(await visitor.text("app", "/")).toMatchObject({ text: "alone" });
    expect(relay.tunnels()).toHaveLength(1);
    expect(alone.state).toBe("online");
  });

  it("are told at once if their gates differ, or if another token has the name", async () => {
    const authenticator = staticAuthenticator([
      { token: "t", subdomains: ["app"] },
      { token: "u", subdomains: ["app"] },
    ]);
    const { relay, member } = await startRelay({ authenticator });
    const service = async (key: string) => {
      const gate = await createGate({ bearer: { keys: [{ name: "all", key }] } });
      return gated(createService({ fetch: () => new Response() }), gate);
    };
    const key = "k".repeat(32);
    await member("a", { service: await service(key) });
    await member("b", { service: await service(key) });
    const other = await service("l".repeat(32));
    await expect(member("c", { service: other })).rejects.toMatchObject({
      code: "refused",
      message: expect.stringContaining("have another gate"),
    });
    await expect(member("c")).rejects.toMatchObject({ code: "refused" });
    await expect(member("d", { token: "u", claim: "if_free" })).rejects.toMatchObject({ code: "taken" });
    expect(relay.tunnels().map(({ state }) => state)).toEqual(["online", "online"]);
  });
});

it.each(["0.1", "0.2"] as const)("an original relay %s is asked for no pool", async (version) => {
  const original = closing(await startOriginalRelay({ version }));
  const common = {
    relayUrl: `http://127.0.0.1:${original.port}`,
    subdomain: "app",
    fetch: () => new Response(),
  };
  await expect(
    startTunnelClient({ ...common, token: "pool", pool: true, waitForRelay: true }),
  ).rejects.toMatchObject({ code: "unsupported", message: expect.stringContaining("share a name") });
  closing(await startTunnelClient({ ...common, token: "alone", shutdownGraceMs: 0 }));
  expect((await original.nextTunnel()).registration).toMatchObject({ token: "alone" });
});

describe("what cannot be a pool", () => {
  const relayUrl = "http://127.0.0.1:1";
  const inner = createService({ fetch: () => new Response() });

  it.each<[string, Partial<TunnelClientOptions>]>([
    ["without a token", {}],
    ["with OAuth", { token: "t", service: declaring({ kinds: ["oauth"], digest: "x" }, inner) }],
  ])("is a client %s", (_, options) => {
    const service = inner;
    expect(() => new TunnelClient({ relayUrl, pool: true, service, ...options })).toThrow(
      expect.objectContaining({ code: "invalid_option" }),
    );
  });

  it.each<[string, string[], RegExp]>([
    ["without a token", [], /--pool needs a token/],
    ["with OAuth", ["--token", "t", "--visitor-auth", "oauth"], /--pool cannot be used with .*oauth/],
  ])("is a command %s", async (_, args, reason) => {
    const command = closing(runClient(["3000", "--relay", relayUrl, "--pool", ...args]));
    expect(await command.exited).toMatchObject({ code: 2 });
    expect(command.stderr.join("\n")).toMatch(reason);
  });
});
