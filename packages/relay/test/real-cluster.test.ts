import { createMember, type Engine, MemoryEngine, RedisEngine } from "mcp-tunnel-cluster";
import { closeCodes, otherGateReason } from "mcp-tunnel-protocol";
import { describe, expect, it, vi } from "vitest";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { noRedis, RedisServer } from "../../cluster/test/redis-server.js";
import type { RelayOptions } from "../src/index.js";
import { RawVisitor, startRelay, V1Client } from "./support.js";

// Relays with real members: links between them over loopback, names in this process or in Redis.

const opened = closingAfterEach();

const times = { leaseMs: 6_000, keepNamesMs: 60_000, verdictMs: 60_000 };

/** Where the relays of a cluster have their names. */
interface Names {
  /** What one relay has of it. */
  connect(): Engine;
  close(): unknown;
}

function inMemory(): Names {
  const engine = new MemoryEngine(times);
  // The members share it, and none of them ends it.
  engine.close = async () => {};
  return { connect: () => engine, close() {} };
}

function inRedis(server: RedisServer): Names {
  return {
    connect: () => new RedisEngine({ url: server.url, times, onWarning() {} }),
    close: () => server.kill(),
  };
}

/** Two relays that know one another. */
async function setUp(names: Names, options: Partial<RelayOptions> = {}) {
  opened(names);
  const engine = opened(names.connect());
  const relay = async () => {
    const member = createMember({
      engine: names.connect(),
      secret: "a secret of the test that is long enough",
      listen: { host: "127.0.0.1", port: 0 },
    });
    return { ...opened(await startRelay({ member, ...options })), member };
  };
  const a = await relay();
  const b = await relay();
  await vi.waitFor(() => {
    for (const { member } of [a, b]) expect(member.status()).toMatchObject({ nodes: 2, peers: 1 });
  });
  return { engine, relay, a, b };
}

function visit(port: number, head = "GET / HTTP/1.1", body = ""): RawVisitor {
  const visitor = opened(new RawVisitor(port));
  visitor.request(head, body);
  return visitor;
}

async function connect(port: number, more: object = {}): Promise<V1Client> {
  return opened(await V1Client.connect(port, "app", { instance: "the-first-client", ...more }));
}

/** Answers the client's next request. */
async function answerNext(client: V1Client, body = "answered"): Promise<void> {
  const { stream } = await client.accept();
  stream.sendHead({ status: 200, headers: ["Content-Length", String(body.length)] });
  stream.write(Buffer.from(body));
  stream.end();
}

const endsWith = (text: string) => (received: string) => received.endsWith(text);

describe.each([
  ["the memory of a process", async () => inMemory()],
  ["Redis", async () => inRedis(await RedisServer.start())],
] as const)("with names in %s", (where, start) => {
  const isMissing = where === "Redis" && noRedis;

  describe.skipIf(isMissing)("a visitor of another relay", () => {
    it("is served, with a body", async () => {
      const { a, b } = await setUp(await start());
      const client = await connect(a.port);
      const visitor = visit(b.port, "POST / HTTP/1.1\nContent-Length: 5", "hello");
      const exchange = await client.accept();
      await exchange.ended;
      expect(exchange.body).toBe("hello");
      exchange.stream.sendHead({ status: 204, headers: [] }, true);
      expect(await visitor.until(endsWith("\r\n\r\n"))).toMatch(/^HTTP\/1.1 204 /);
      expect(exchange.head.headers.some((field) => /^x-tunnel-hop$/i.test(field))).toBe(false);
    });

    it("waits while the client is away, and is served when it is back", async () => {
      const { a, b } = await setUp(await start());
      const client = await connect(a.port);
      client.cut();
      await a.logged("tunnel away");
      const visitor = visit(b.port);
      await client.resume();
      await answerNext(client);
      expect(await visitor.until(endsWith("answered"))).toMatch(/^HTTP\/1.1 200 /);
    });

    it("is told of a name that no relay has", async () => {
      const { b } = await setUp(await start());
      expect(await visit(b.port).until((text) => text.includes("tunnel_not_found"))).toMatch(/ 502 /);
    });
  });

  describe.skipIf(isMissing)("a pool", () => {
    const withId = "GET / HTTP/1.1\nMcp-Session-Id: s";
    const member = async (port: number, instance: string, more: object = {}) =>
      connect(port, { instance: instance.padEnd(16, "."), pool: true, ...more });

    /** The client that gets the next request. */
    const next = async (clients: readonly V1Client[]) =>
      Promise.race(clients.map(async (one) => ({ client: one, stream: (await one.accept()).stream })));

    /**
     * The client that gets a request, which it answers. `head` of the request, `id` of a session it begins.
     */
    async function ask(port: number, clients: readonly V1Client[], head?: string, id?: string) {
      const visitor = visit(port, head);
      const { client, stream } = await next(clients);
      stream.sendHead({ status: 204, headers: id === undefined ? [] : ["Mcp-Session-Id", id] }, true);
      expect(await visitor.until(endsWith("\r\n\r\n"))).toMatch(/^HTTP\/1.1 204 /);
      return client;
    }

    it("has members at several relays, which get the requests of each", async () => {
      const { a, b } = await setUp(await start());
      const clients = [await member(a.port, "x"), await member(b.port, "y")];
      for (const { port } of [a, b]) {
        const served = new Set<V1Client>();
        await vi.waitFor(async () => {
          served.add(await ask(port, clients));
          expect(served.size).toBe(2);
        });
      }
      expect(clients.flatMap(({ detached }) => detached)).toEqual([]);
    });

    it("has a request that one member refuses served by another, wherever they are", async () => {
      const { a, b } = await setUp(await start());
      const clients = [await member(a.port, "x"), await member(b.port, "y")];
      for (const { port } of [a, b]) {
        const refusing = new Set<V1Client>();
        await vi.waitFor(async () => {
          const visitor = visit(port);
          const { client, stream } = await next(clients);
          stream.reset("refused", "the client is busy");
          const other = await next(clients.filter((one) => one !== client));
          other.stream.sendHead({ status: 204, headers: [] }, true);
          expect(await visitor.until(endsWith("\r\n\r\n"))).toMatch(/^HTTP\/1.1 204 /);
          refusing.add(client);
          expect(refusing.size).toBe(2);
        });
      }
    });

    it("has sessions that stay with their member, whichever relay they come to", async () => {
      const { a, b, relay } = await setUp(await start());
      const clients = [await member(a.port, "x"), await member(b.port, "y")];
      const owner = await ask(a.port, clients, "POST / HTTP/1.1\nContent-Length: 0", "s");
      const c = await relay();
      await vi.waitFor(() => expect(c.member.status()).toMatchObject({ nodes: 3, peers: 2 }), {
        timeout: 10_000,
      });
      for (const { port } of [a, b, c]) {
        for (let i = 0; i < 5; i++) expect(await ask(port, clients, withId)).toBe(owner);
      }
      // Its link breaks. Requests of the session wait, others do not.
      const home = owner === clients[0] ? a : b;
      const other = clients.find((client) => client !== owner) as V1Client;
      owner.cut();
      await home.logged("tunnel away");
      const waiting = visit(c.port, withId);
      expect(await ask(c.port, [other])).toBe(other);
      await owner.resume();
      (await owner.accept()).stream.sendHead({ status: 204, headers: [] }, true);
      expect(await waiting.until(endsWith("\r\n\r\n"))).toMatch(/^HTTP\/1.1 204 /);
      // It leaves for good.
      owner.session.goaway();
      await home.logged("tunnel leaving");
      for (const { port } of [a, b, c]) expect(await ask(port, clients, withId)).toBe(other);
      // Three relays start, and find one another.
    }, 45_000);

    it("has one gate and one limit at all relays", async () => {
      const { a, b } = await setUp(await start(), { maxTunnelsPerToken: 2 });
      const clients = [await member(a.port, "x"), await member(b.port, "y")];
      const gate = { kinds: ["bearer"], digest: "another" };
      await expect(member(b.port, "z", { gate })).rejects.toMatchObject({
        code: closeCodes.authenticationFailed,
        reason: otherGateReason,
      });
      await expect(member(b.port, "z")).rejects.toMatchObject({ reason: expect.stringMatching(/2 tunnels/) });
      await connect(b.port, { instance: "who-wants-it-alone" });
      for (const { closed } of clients) expect(await closed).toMatchObject({ code: closeCodes.evicted });
    });
  });

  describe.skipIf(isMissing)("a client", () => {
    it("that takes the name at another relay evicts the one that had it", async () => {
      const { a, b } = await setUp(await start());
      const first = await connect(a.port);
      const second = await connect(b.port, { instance: "the-second-client" });
      expect(await first.closed).toMatchObject({ code: closeCodes.evicted });
      const visitor = visit(a.port);
      await answerNext(second, "second");
      expect(await visitor.until(endsWith("second"))).toMatch(/^HTTP\/1.1 200 /);
    });

    it("goes on through another relay, with all of a large answer to a visitor who takes his time", async () => {
      const { a, b } = await setUp(await start());
      const client = await connect(a.port);
      const visitor = visit(a.port);
      const { stream, ...exchange } = await client.accept();
      client.cut();
      await a.logged("tunnel away");
      await client.resume(b.port);
      expect(a.member.status()).toMatchObject({ splicesIn: 1, splicesOut: 0 });
      expect(b.member.status()).toMatchObject({ splicesIn: 0, splicesOut: 1 });
      expect(exchange.head.method).toBe("GET");
      visitor.socket.pause();
      const chunk = Buffer.alloc(65_536, "x");
      const chunks = 128;
      stream.sendHead({ status: 200, headers: ["Content-Length", String(chunk.length * chunks)] });
      for (let i = 0; i < chunks; i += 1) stream.write(Buffer.from(chunk));
      stream.end();
      visitor.socket.resume();
      const received = await visitor.until((text) => text.length > chunk.length * chunks);
      expect(received.length - received.indexOf("\r\n\r\n") - 4).toBe(chunk.length * chunks);
      // A visitor of the relay through which it goes on makes two hops of it: there and back.
      const there = visit(b.port);
      await answerNext(client, "there");
      expect(await there.until(endsWith("there"))).toMatch(/^HTTP\/1.1 200 /);
    });

    it("moves to another relay when its own drains, and no request fails", async () => {
      const { a, b, engine } = await setUp(await start());
      const client = await connect(a.port);
      const before = visit(b.port);
      const open = await client.accept();
      const closed = a.relay.close(5_000);
      await vi.waitFor(() => expect(client.goaways).toBe(1));
      expect(await engine.find("app")).toMatchObject([{ moving: true }]);
      const meanwhile = visit(b.port);
      const moved = await connect(b.port, { returning: true });
      await answerNext(moved, "meanwhile");
      expect(await meanwhile.until(endsWith("meanwhile"))).toMatch(/^HTTP\/1.1 200 /);
      open.stream.sendHead({ status: 200, headers: ["Content-Length", "6"] });
      open.stream.write(Buffer.from("before"));
      open.stream.end();
      expect(await before.until(endsWith("before"))).toMatch(/^HTTP\/1.1 200 /);
      client.close();
      await closed;
      await vi.waitFor(() => expect(b.member.status()).toMatchObject({ nodes: 1, peers: 0 }));
    });

    it("registers anew when its relay is gone", async () => {
      const { a, b } = await setUp(await start());
      const client = await connect(a.port);
      await a.relay.close(0);
      const again = await connect(b.port, client.resumeFields);
      expect(again.acknowledge.session?.id.startsWith(`${b.member.node}.`)).toBe(true);
      const visitor = visit(b.port);
      await answerNext(again);
      expect(await visitor.until(endsWith("answered"))).toMatch(/^HTTP\/1.1 200 /);
    });

    it("that was evicted while it was away hears it, also when the relay of its session is gone", async () => {
      const { relay, a, b } = await setUp(await start());
      const client = await connect(a.port);
      client.cut();
      await a.logged("tunnel away");
      await connect(b.port, { instance: "the-second-client" });
      const verdict = { code: closeCodes.evicted };
      await expect(client.resume(b.port)).rejects.toMatchObject(verdict);
      await a.relay.close(0);
      const c = await relay();
      await expect(client.resume(c.port)).rejects.toMatchObject(verdict);
    });
  });
});

describe.skipIf(noRedis)("when Redis dies", () => {
  it("tunnels are served, a name that nobody knows waits, and Redis may come back empty", async () => {
    const server = await RedisServer.start();
    const { a, b, engine } = await setUp(inRedis(server));
    const client = await connect(a.port);
    await server.kill();
    const visitor = visit(b.port);
    await answerNext(client);
    expect(await visitor.until(endsWith("answered"))).toMatch(/^HTTP\/1.1 200 /);
    const unknown = visit(b.port, "GET / HTTP/1.1\nHost: unknown.localhost");
    await expect(connect(b.port, { subdomain: "new" })).rejects.toMatchObject({
      code: closeCodes.tryAgainLater,
    });
    expect(unknown.received).toBe("");
    await server.start();
    expect(await unknown.until((text) => text.includes("\r\n\r\n"))).toMatch(/ 502 /);
    await vi.waitFor(async () => expect(await engine.find("app")).toHaveLength(1), { timeout: 10_000 });
  });
});
