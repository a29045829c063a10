import { closeCodes, evictedReason } from "mcp-tunnel-protocol";
import { linkedPair } from "mcp-tunnel-protocol/testing";
import { describe, expect, it } from "vitest";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { LogWatch } from "../../../test/support/log-watch.js";
import {
  createRelay,
  MemoryDirectory,
  type RelayOptions,
  type RevokedListener,
  type TokenGrant,
} from "../src/index.js";
import { FakeCluster, type FakeMember } from "./fake-cluster.js";
import { RawVisitor, ScriptedClient, startRelay, V1Client } from "./support.js";

// A relay as one of several, beside a cluster that the test plays.

const opened = closingAfterEach();

async function join(member: FakeMember, options: Partial<RelayOptions> = {}) {
  const log = new LogWatch();
  const relay = opened(await startRelay({ member, logger: log.logger, ...options }));
  return { ...relay, log };
}

/** Two relays of one cluster, and a client of the first, whose tunnel is `app`. */
async function setUp(options: Partial<RelayOptions> = {}) {
  const cluster = new FakeCluster();
  const [memberA, memberB] = [cluster.member("a"), cluster.member("b")];
  const a = await join(memberA, options);
  const b = await join(memberB, options);
  const client = opened(await V1Client.connect(a.port, "app", { instance: "the-client-process" }));
  return { cluster, memberA, memberB, a, b, client };
}

function visit(port: number, head = "GET / HTTP/1.1"): RawVisitor {
  const visitor = opened(new RawVisitor(port));
  visitor.request(head);
  return visitor;
}

/** Answers the client's next request. */
async function answerNext(client: V1Client, body: string): Promise<void> {
  const { stream } = await client.accept();
  stream.sendHead({ status: 200, headers: ["Content-Length", String(body.length)] });
  stream.write(Buffer.from(body));
  stream.end();
}

/** Waits until the relay knows that the link is lost. */
const away = async (relay: { log: LogWatch }) => await relay.log.waitForJson({ msg: "tunnel away" });

/** The code and reason with which a client is sent away that sends `message`. */
async function sentAway(port: number, message: object) {
  const client = opened(await ScriptedClient.connect(port));
  client.send({ token: "t", protocol: [1], ...message });
  return await client.closed;
}

describe("options", () => {
  it("a member brings its own directory and a node that ids of sessions can begin with", () => {
    const member = new FakeCluster().member("a");
    const directory = new MemoryDirectory();
    expect(() => createRelay({ domain: "localhost", member, directory })).toThrow(
      "directory and member exclude each other",
    );
    const odd = new FakeCluster().member("a.b");
    expect(() => createRelay({ domain: "localhost", member: odd })).toThrow("the node of a member has");
    const none = Object.assign(new FakeCluster().member("a"), { node: undefined as never });
    expect(() => createRelay({ domain: "localhost", member: none })).toThrow("the node of a member has");
    expect(() => createRelay({ domain: "localhost", member: {} as never })).toThrow("member");
  });
});

describe("a session of a relay in a cluster", () => {
  it("has an id that tells the relay, and the relay alone has ids without", async () => {
    const { client } = await setUp();
    expect(client.acknowledge.session?.id).toMatch(/^a\.[0-9a-f-]{36}$/);
    const alone = opened(await startRelay());
    const other = opened(await V1Client.connect(alone.port, "app"));
    expect(other.acknowledge.session?.id).toMatch(/^[0-9a-f-]{36}$/);
  });

  it("goes on through another relay, with the request that was open and one that came meanwhile", async () => {
    const { a, b, client, memberB } = await setUp();
    const before = visit(a.port);
    const open = await client.accept();
    client.cut();
    await away(a);
    const meanwhile = visit(b.port);
    await client.resume(b.port);
    open.stream.sendHead({ status: 200, headers: ["Content-Length", "6"] });
    open.stream.write(Buffer.from("before"));
    open.stream.end();
    await answerNext(client, "meanwhile");
    expect(await before.until((text) => text.endsWith("before"))).toMatch(/^HTTP\/1.1 200 /);
    expect(await meanwhile.until((text) => text.endsWith("meanwhile"))).toMatch(/^HTTP\/1.1 200 /);
    expect(memberB.splices.size).toBe(1);
    expect(a.tunnels()).toMatchObject([{ name: "app", state: "online" }]);
    expect(b.tunnels()).toEqual([]);
    expect(b.log.json).toContainEqual({
      relay: "a",
      address: "127.0.0.1",
      msg: "client taken to the relay that has its session",
    });
  });

  it("is not pending any more at the relay through which it goes on", async () => {
    const { a, b, client } = await setUp({ maxPendingRegistrations: 1 });
    client.cut();
    await away(a);
    await client.resume(b.port);
    // The next registration would push a pending one out.
    const other = opened(await V1Client.connect(b.port, "other"));
    // A registration may have 64 KiB, a link that is the cluster's any amount.
    const large = visit(a.port, "POST / HTTP/1.1\nContent-Length: 0");
    const exchange = await client.accept();
    exchange.stream.sendHead({ status: 200, headers: ["Content-Length", "200000"] });
    exchange.stream.write(Buffer.alloc(200_000, "x"));
    exchange.stream.end();
    expect(await large.until((text) => text.endsWith("x".repeat(200_000)))).toMatch(/^HTTP\/1.1 200 /);
    expect(other.detached).toEqual([]);
    expect(client.detached).toHaveLength(1);
  });

  it("returns as often as it likes without using up the registrations of its address", async () => {
    const { a, b, client } = await setUp({ limitExempt: [], maxRegistrationsPerMinute: 2 });
    for (let i = 1; i <= 4; i++) {
      client.cut();
      await a.log.waitFor(() =>
        a.log.json.filter(({ msg }) => msg === "tunnel away").length === i ? i : undefined,
      );
      await client.resume(b.port);
    }
    expect(a.log.json.filter(({ msg }) => msg === "tunnel resumed")).toHaveLength(4);
  });

  it("is registered anew when its relay is gone, and evicts nobody by that", async () => {
    const { a, b, client, cluster } = await setUp();
    const { resumeFields } = client;
    await a.close();
    const again = opened(await V1Client.connect(b.port, "app", resumeFields));
    expect(again.acknowledge.resumed).toBeUndefined();
    expect(again.acknowledge.session?.id).toMatch(/^b\./);
    const taken = await sentAway(b.port, { subdomain: "app", ...resumeFields });
    expect(taken).toEqual({ code: closeCodes.evicted, reason: evictedReason });
    expect(cluster.directory.find("app")).toBeDefined();
  });

  it("needs its secret: without it the client registers anew, and evicts nobody", async () => {
    const { a, b, client } = await setUp();
    const session = client.acknowledge.session?.id as string;
    const resume = { session, secret: "x".repeat(43), received: 0 };
    const thief = await sentAway(b.port, { token: "thief's", subdomain: "app", resume });
    expect(thief).toEqual({ code: closeCodes.evicted, reason: evictedReason });
    expect(a.tunnels()).toMatchObject([{ name: "app", state: "online" }]);
  });

  it("that was taken away stays away, at every relay and after its own is gone", async () => {
    const { a, b, client, cluster } = await setUp();
    const { resumeFields } = client;
    client.cut();
    await away(a);
    expect(a.relay.disconnect("app")).toBe(true);
    const refused = { code: closeCodes.authenticationFailed, reason: "disconnected by the operator" };
    expect(cluster.verdicts.get(client.acknowledge.session?.id as string)).toEqual(refused);
    expect(await sentAway(b.port, { subdomain: "app", ...resumeFields })).toEqual(refused);
    await a.close();
    expect(await sentAway(b.port, { subdomain: "app", ...resumeFields })).toEqual(refused);
  });

  it("leaves no tunnel if the client leaves while the cluster is asked", async () => {
    const { a, b, client, memberB } = await setUp();
    const { resumeFields } = client;
    await a.close();
    const returning = opened(await ScriptedClient.connect(b.port));
    memberB.beforeReturn = async ({ link }) => {
      // The link is nobody's now, so the test can have it, and see its end.
      const left = new Promise<void>((resolve) => {
        link.handler = { onMessage() {}, onClose: () => resolve() };
      });
      returning.close();
      await left;
      link.handler = undefined;
    };
    returning.send({ token: "t", subdomain: "app", protocol: [1], ...resumeFields });
    await b.log.waitForJson({ msg: "registration refused" });
    expect(b.tunnels()).toEqual([]);
  });
});

describe("a client whose messages come through another relay", () => {
  /** Its link, as the other relay has it, and the first message that came over it. */
  function splice({ host }: FakeMember) {
    const [there, here] = linkedPair();
    let onMessage: (message: Buffer | string) => void;
    const answer = new Promise<Buffer | string>((resolve) => {
      onMessage = resolve;
    });
    const closed = new Promise<{ code: number; reason: string }>((resolve) => {
      there.handler = { onMessage, onClose: (code, reason) => resolve({ code, reason }) };
    });
    host?.onSpliced(here, { address: "192.0.2.7", isAtDomain: true });
    return { there, closed, answer };
  }

  it("registers anew if its session has just ended, and is sent nowhere else", async () => {
    const { a, memberA } = await setUp();
    memberA.beforeReturn = () => Promise.reject(new Error("asked"));
    const { there, answer } = splice(memberA);
    const resume = { session: "b.1", secret: "x".repeat(43), received: 0 };
    there.send(JSON.stringify({ token: "t", subdomain: "other", protocol: [1], resume }));
    await a.log.waitForJson({ msg: "tunnel registered", name: "other", address: "192.0.2.7" });
    expect(JSON.parse(String(await answer))).toMatchObject({ subdomain: "other" });
  });

  it("counts among those that are about to register, and for no address", async () => {
    const { memberA } = await setUp({
      maxPendingRegistrations: 1,
      maxRegistrationsPerMinute: 1,
      limitExempt: [],
    });
    const first = splice(memberA);
    // The silent one makes way. Its address had one registration a minute.
    const second = splice(memberA);
    expect(await first.closed).toMatchObject({ code: 1006 });
    second.there.send(JSON.stringify({ token: "t", subdomain: "other", protocol: [1] }));
    second.there.send("x".repeat(70_000));
    expect(await second.closed).toMatchObject({ code: closeCodes.tooLarge });
  });

  it("is told to come back by a relay that shuts down", async () => {
    const { a, memberA } = await setUp();
    const closing = a.close(0);
    expect(await splice(memberA).closed).toMatchObject({ code: closeCodes.tryAgainLater });
    await closing;
  });
});

describe("a question of another relay", () => {
  it("is answered in JSON, and one that is not known is refused", async () => {
    const { memberA, client } = await setUp();
    expect(memberA.host?.answer({ about: "tunnels" })).toMatchObject([{ name: "app", state: "online" }]);
    expect(memberA.host?.answer({ about: "traffic" })).toEqual({});
    expect(() => memberA.host?.answer({ about: "toString" } as never)).toThrow(
      "no question about 'toString'",
    );
    const { id, secret } = client.acknowledge.session as { id: string; secret: string };
    expect(memberA.host?.session(id, secret)).toBe("known");
    expect(memberA.host?.session(id, "x".repeat(43))).toBe("unknown");
    expect(memberA.host?.session("a.none", secret)).toBe("unknown");
    memberA.host?.answer({ about: "disconnect", name: "app" });
    expect(memberA.host?.session(id, secret)).toMatchObject({ code: closeCodes.authenticationFailed });
  });
});

/** A token that can be taken back, and an authenticator that says so. */
function revocable(token: string) {
  const revokers = new Set<RevokedListener>();
  const grant: TokenGrant = {
    id: token,
    maxTunnels: undefined,
    refusal: () => undefined,
    watch: () => () => {},
  };
  return {
    revokers,
    authenticator: {
      mode: "test",
      authenticate: async () => ({ allowed: ["*"], grant }),
      watchRevoked(revoked: RevokedListener) {
        revokers.add(revoked);
        return () => revokers.delete(revoked);
      },
    },
  };
}

describe("the operator", () => {
  it("sees the tunnels of all relays with their traffic, and which relays say nothing", async () => {
    const { a, b, client, cluster } = await setUp();
    opened(await V1Client.connect(b.port, "other"));
    const visitor = visit(b.port, "POST / HTTP/1.1\nContent-Length: 10");
    visitor.socket.write("12345");
    await (await client.accept()).bytes(5);
    const all = await a.relay.cluster?.tunnels();
    expect(all?.silent).toEqual([]);
    expect(all?.tunnels).toMatchObject([
      // The bytes came through the other relay, and the request is still open.
      { name: "app", relay: "a", requestBytes: 5, streams: 1 },
      { name: "other", relay: "b", requestBytes: 0 },
    ]);
    expect(a.tunnels()).toMatchObject([{ name: "app", requestBytes: 0 }]);
    cluster.silent.add("b");
    expect(await a.relay.cluster?.tunnels()).toMatchObject({ tunnels: [{ name: "app" }], silent: ["b"] });
    expect(opened(await startRelay()).relay.cluster).toBeUndefined();
  });

  it("closes a tunnel of any relay from any relay", async () => {
    const { b, client, cluster } = await setUp();
    expect(await b.relay.cluster?.disconnect("app")).toEqual({ relays: ["a"], silent: [] });
    expect((await client.closed).code).toBe(closeCodes.authenticationFailed);
    cluster.silent.add("c");
    expect(await b.relay.cluster?.disconnect("app")).toEqual({ relays: [], silent: ["c"] });
  });

  it("takes a token back at one relay, and its tunnels end at all", async () => {
    const { revokers, authenticator } = revocable("token-1");
    const { a, b, client, cluster } = await setUp({ authenticator });
    expect(revokers.size).toBe(2);
    cluster.silent.add("c");
    const [, atB] = revokers;
    atB?.("another token");
    atB?.("token-1");
    expect(await client.closed).toMatchObject({ code: closeCodes.authenticationFailed });
    expect(a.log.json).toContainEqual({
      name: "app",
      token: "token-1",
      reason: "token revoked",
      msg: "tunnel closed by its token",
    });
    await b.log.waitForJson({ msg: "relays were not told that the token is revoked", token: "token-1" });
    await b.close();
    expect(revokers.size).toBe(1);
  });

  it("takes a name from a token at one relay, and only the tunnels of that name end at all", async () => {
    const { revokers, authenticator } = revocable("token-1");
    const { a, b, client, cluster } = await setUp({ authenticator });
    const kept = opened(await V1Client.connect(a.port, "app-2"));
    cluster.silent.add("c");
    const [, atB] = revokers;
    atB?.("token-1", ["app-*"]);
    expect(await client.closed).toMatchObject({ code: closeCodes.authenticationFailed });
    await a.log.waitForJson({
      msg: "tunnel closed by its token",
      reason: "subdomain 'app' not authorized for this token",
    });
    await b.log.waitForJson({ msg: "relays were not told that the token has lost names", token: "token-1" });
    expect(a.tunnels()).toMatchObject([{ name: "app-2", state: "online" }]);
    const visitor = visit(b.port, "GET / HTTP/1.1\nHost: app-2.localhost");
    (await kept.accept()).stream.sendHead({ status: 204, headers: [] }, true);
    expect(await visitor.until((received) => received.includes("\r\n\r\n"))).toMatch(/^HTTP\/1.1 204 /);
  });
});
