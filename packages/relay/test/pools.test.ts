import { closeCodes, evictedReason, otherGateReason } from "mcp-tunnel-protocol";
import { describe, expect, it, vi } from "vitest";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { type RelayOptions, staticAuthenticator } from "../src/index.js";
import { LaterDirectory } from "./directories.js";
import { FakeCluster } from "./fake-cluster.js";
import { RawVisitor, ScriptedClient, startRelay, V1Client } from "./support.js";

const opened = closingAfterEach();

const instance = (who: string): string => `instance of ${who}`.padEnd(16, ".");

async function setUp(options: Partial<RelayOptions> = {}) {
  const relay = opened(await startRelay(options));
  const member = async (who: string, more: object = {}) =>
    opened(await V1Client.connect(relay.port, "app", { instance: instance(who), pool: true, ...more }));
  /** How a registration is refused. */
  const refusal = async (who: string, more: object = {}) => {
    const client = opened(await ScriptedClient.connect(relay.port));
    const fields = { token: "t", subdomain: "app", protocol: [1], instance: instance(who), pool: true };
    client.send({ ...fields, ...more });
    return client.closed;
  };
  const visit = (head = "GET / HTTP/1.1", port = relay.port) => {
    const visitor = opened(new RawVisitor(port));
    visitor.request(head);
    return visitor;
  };
  /** The clients of the next requests, in order, which go on until the test ends. */
  const busy = async (clients: readonly V1Client[], requests: number) => {
    const taken: V1Client[] = [];
    for (let i = 0; i < requests; i++) {
      visit();
      taken.push(await Promise.race(clients.map((client) => client.accept().then(() => client))));
    }
    return taken;
  };
  return { relay, member, refusal, visit, busy };
}

const gate = (digest: string) => ({ gate: { kinds: ["bearer"], digest } });
const evicted = { code: closeCodes.evicted, reason: evictedReason };
const otherGate = { code: closeCodes.authenticationFailed, reason: otherGateReason };
const taken = { code: closeCodes.taken, reason: "subdomain 'app' is in use" };
const errorOf = (code: string) => (received: string) => received.includes(`X-Tunnel-Error: ${code}\r\n`);
const endOfHead = (received: string) => received.endsWith("\r\n\r\n");

describe("clients that ask for a pool", () => {
  it("serve a name together, and are told so", async () => {
    const { relay, member } = await setUp();
    const members = [await member("a"), await member("b"), await member("c", { returning: true })];
    for (const { acknowledge } of members)
      expect(acknowledge).toMatchObject({ subdomain: "app", pool: true });
    const row = { name: "app", state: "online", pool: true };
    expect(relay.tunnels()).toMatchObject([row, row, row]);
    for (const { detached } of members) expect(detached).toEqual([]);
  });

  it("do so on the original's wire as well", async () => {
    const { relay, member } = await setUp();
    await member("a");
    const fields = { token: "t", subdomain: "app", instance: instance("b"), pool: true };
    opened(await ScriptedClient.registered(relay.port, fields));
    const newer = opened(await ScriptedClient.connect(relay.port));
    newer.send({ ...fields, protocol: [], instance: instance("c") });
    expect(await newer.next()).toMatchObject({ subdomain: "app", pool: true });
    expect(relay.tunnels().map(({ wire }) => wire)).toEqual(["v1", "json", "json"]);
  });

  it("get the requests by their load", async () => {
    const { relay, member, visit } = await setUp();
    const members = [await member("a"), await member("b")];
    for (let i = 0; i < 10; i++) visit();
    // Two are drawn of two, so they are always as busy as each other.
    for (const client of members) for (let i = 0; i < 5; i++) await client.accept();
    expect(relay.tunnels()).toMatchObject([{ streams: 5 }, { streams: 5 }]);
  });

  it("have to say which process they are", async () => {
    const { refusal } = await setUp();
    expect(await refusal("a", { instance: undefined })).toEqual({
      code: closeCodes.authenticationFailed,
      reason: "a client of a pool has to say which process it is",
    });
  });

  it("have one gate: another one is refused for good, and changes nothing", async () => {
    const { relay, member, refusal } = await setUp();
    const first = await member("a", gate("one"));
    for (const more of [
      gate("two"),
      {},
      { ...gate("two"), returning: true },
      { ...gate("two"), claim: "if_free" },
    ]) {
      expect(await refusal("b", more)).toEqual(otherGate);
    }
    await member("b", gate("one"));
    expect(await refusal("b", gate("two"))).toEqual(otherGate);
    expect(first.detached).toEqual([]);
    expect(relay.tunnels()).toHaveLength(2);
  });

  it("take the name from others than their own, only if they may", async () => {
    const authenticator = staticAuthenticator([
      { token: "t", subdomains: ["app"] },
      { token: "u", subdomains: ["app"] },
    ]);
    const { member, refusal } = await setUp({ authenticator });
    const alone = await member("a", { pool: undefined });
    expect(await refusal("b", { claim: "if_free" })).toEqual(taken);
    expect(await refusal("b", { returning: true })).toEqual(evicted);
    const members = [await member("b"), await member("c", { claim: "if_free" })];
    expect(await alone.closed).toMatchObject({ code: closeCodes.evicted });
    expect(await refusal("d", { token: "u", claim: "if_free" })).toEqual(taken);
    expect(await refusal("d", { token: "u", returning: true })).toEqual(evicted);
    await member("d", { token: "u" });
    for (const { closed } of members) expect(await closed).toMatchObject({ code: closeCodes.evicted });
  });

  it("lose the name to a client that wants it for itself, also those that are away", async () => {
    const { relay, member, refusal } = await setUp();
    const [here, away] = [await member("a"), await member("b")];
    away.cut();
    await relay.logged("tunnel away");
    const alone = { pool: undefined };
    expect(await refusal("c", { ...alone, claim: "if_free" })).toEqual(taken);
    expect(await refusal("c", { ...alone, returning: true })).toEqual(evicted);
    await member("c", alone);
    expect(await here.closed).toMatchObject({ code: closeCodes.evicted });
    expect(await refusal("b", away.resumeFields)).toEqual(evicted);
    expect(relay.tunnels()).toMatchObject([{ state: "online", pool: false }]);
  });

  it("are known when they return, each as the member that it was", async () => {
    const { relay, member, busy } = await setUp();
    const [first, second] = [await member("a"), await member("b")];
    first.cut();
    await relay.logged("tunnel away");
    expect(await busy([second], 3)).toEqual([second, second, second]);
    await first.resume();
    expect(first.acknowledge).toMatchObject({ pool: true });
    await relay.logged("tunnel resumed");
    expect(relay.tunnels()).toMatchObject([{ pool: true }, { pool: true }]);
    expect(await busy([first, second], 3)).toEqual([first, first, first]);
  });

  it("are replaced by a new tunnel of the same client, which leaves the others", async () => {
    const { relay, member } = await setUp();
    const [first, second] = [await member("a"), await member("b")];
    await member("a", { returning: true });
    await vi.waitFor(() => expect(first.detached).toHaveLength(1));
    expect(second.detached).toEqual([]);
    expect(relay.tunnels()).toHaveLength(2);
  });

  it("leave one by one: the others go on", async () => {
    const { relay, member, visit, busy } = await setUp();
    const [first, second] = [await member("a"), await member("b")];
    const visitors = [visit(), visit()];
    const open = [await first.accept(), await second.accept()];
    first.session.goaway();
    await relay.logged("tunnel leaving");
    expect(await busy([first, second], 3)).toEqual([second, second, second]);
    for (const { stream } of open) stream.sendHead({ status: 204, headers: [] }, true);
    for (const visitor of visitors) expect(await visitor.until(endOfHead)).toMatch(/^HTTP\/1.1 204 /);
    second.session.goaway();
    await vi.waitFor(() => expect(relay.tunnels().map(({ state }) => state)).not.toContain("online"));
    await visit().until(errorOf("tunnel_not_found"));
  });

  it("are all closed by the operator", async () => {
    const { relay, member } = await setUp();
    const members = [await member("a"), await member("b")];
    expect(relay.relay.disconnect("app")).toBe(true);
    for (const { closed } of members) {
      expect(await closed).toMatchObject({ code: closeCodes.authenticationFailed });
    }
    expect(relay.relay.disconnect("app")).toBe(false);
  });

  it("count each for their token, and their successors do not", async () => {
    const { member, refusal } = await setUp({ maxTunnelsPerToken: 2 });
    await member("a");
    await member("b");
    const limited = { code: 4001, reason: "this token may have 2 tunnels at once" };
    expect(await refusal("c")).toEqual(limited);
    await member("b", { returning: true });
    // It would take the place of both.
    await member("c", { pool: undefined });
  });

  it("count each also while a slow directory is asked", async () => {
    const directory = new LaterDirectory();
    const { relay, member, refusal } = await setUp({ maxTunnelsPerToken: 2, directory });
    await member("a");
    const both = await Promise.allSettled([member("b"), refusal("c"), refusal("d")]);
    expect(both.filter(({ status }) => status === "rejected").length).toBeLessThan(2);
    expect(relay.tunnels()).toHaveLength(2);
  });

  it("have the name in use for a check, also of their own token", async () => {
    const { relay, member } = await setUp();
    await member("a");
    const client = opened(await ScriptedClient.connect(relay.port));
    client.send({ token: "t", subdomain: "app", claim: "check", pool: true });
    expect(await client.next()).toMatchObject({ checked: { subdomain: "app", inUse: true } });
  });

  it("are told of a refused request only once", async () => {
    const { relay, member, visit } = await setUp({ maxRequestBodyBytes: 10 });
    const members = [await member("a", { refusals: true }), await member("b", { refusals: true })];
    await visit("POST / HTTP/1.1\nContent-Length: 11").until((text) => text.includes("413 "));
    await Promise.race(members.map((client) => client.refusals(1)));
    expect(members.map(({ refused }) => refused.length).toSorted((a, b) => a - b)).toEqual([0, 1]);
    await relay.record(1);
  });
});

describe("a session of an MCP server", () => {
  const withId = "GET / HTTP/1.1\nMcp-Session-Id: s";

  /** Two members, the second of which has a session. */
  async function setUpSession(options: Partial<RelayOptions> = {}) {
    const pool = await setUp(options);
    const members = [await pool.member("a"), await pool.member("b")];
    const visitor = pool.visit("POST / HTTP/1.1\nContent-Length: 0");
    const { owner, exchange } = await Promise.race(
      members.map(async (client) => ({ owner: client, exchange: await client.accept() })),
    );
    exchange.stream.sendHead({ status: 200, headers: ["Mcp-Session-Id", "s"] }, true);
    await visitor.until(endOfHead);
    const other = members.find((client) => client !== owner) as V1Client;
    return { ...pool, owner, other };
  }

  it.each<[string, () => Partial<RelayOptions>]>([
    ["that answers at once", () => ({})],
    ["that answers later", () => ({ directory: new LaterDirectory() })],
  ])("stays with its member, with a directory %s", async (_, options) => {
    const { visit, owner } = await setUpSession(options());
    for (let i = 0; i < 10; i++) {
      visit(withId);
      await owner.accept();
    }
  });

  it("waits for its member to come back, while others are served elsewhere", async () => {
    const { relay, visit, owner, other } = await setUpSession();
    owner.cut();
    await relay.logged("tunnel away");
    const waiting = visit(withId);
    visit();
    await other.accept();
    await owner.resume();
    const { stream, head } = await owner.accept();
    expect(head.headers).toContain("Mcp-Session-Id");
    stream.sendHead({ status: 204, headers: [] }, true);
    expect(await waiting.until(endOfHead)).toMatch(/^HTTP\/1.1 204 /);
  });

  it("goes elsewhere once its member has left", async () => {
    const { relay, visit, owner, other } = await setUpSession();
    owner.session.goaway();
    await relay.logged("tunnel leaving");
    visit(withId);
    await other.accept();
  });

  it("goes elsewhere in the moment in which its member is given up", async () => {
    const { relay, visit, owner, other } = await setUpSession({ resumeTimeoutMs: 100 });
    owner.cut();
    await relay.logged("tunnel away");
    visit(withId);
    await other.accept();
  });

  it("does not go elsewhere because its member is full", async () => {
    const { visit, owner } = await setUpSession({ maxStreamsPerTunnel: 1 });
    visit(withId);
    await owner.accept();
    expect(await visit(withId).until(errorOf("tunnel_overloaded"))).toMatch(/^HTTP\/1.1 503 /);
  });
});

describe("members at several relays", () => {
  it("are found from each of them", async () => {
    const cluster = new FakeCluster();
    const [a, b] = [
      await setUp({ member: cluster.member("a") }),
      await setUp({ member: cluster.member("b") }),
    ];
    const members = [await a.member("x"), await b.member("y")];
    for (const { port } of [a.relay, b.relay]) {
      a.visit("GET / HTTP/1.1", port);
      a.visit("GET / HTTP/1.1", port);
    }
    for (const client of members) {
      await client.accept();
      await client.accept();
    }
    expect(await b.refusal("z", gate("one"))).toEqual(otherGate);
    await b.member("z", { pool: undefined });
    for (const { closed } of members) expect(await closed).toMatchObject({ code: closeCodes.evicted });
  });
});
