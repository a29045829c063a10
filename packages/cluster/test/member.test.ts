import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TunnelError } from "mcp-tunnel-protocol";
import { linkedPair } from "mcp-tunnel-protocol/testing";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { freePort } from "../../../test/support/free-port.js";
import { createMember, MemoryEngine, type MemberOptions } from "../src/index.js";
import type { MemberHost } from "../src/member.js";
import { settle, TestCluster, type TestNode } from "./support/test-cluster.js";
import { FakePool } from "./support/fake-pool.js";

const secret = "a secret of the test that is long enough";

describe("the options", () => {
  const engine = new MemoryEngine({ leaseMs: 6_000, keepNamesMs: 60_000, verdictMs: 60_000 });
  const usable: MemberOptions = { engine, secret, listen: { host: "127.0.0.1", port: 0 } };

  it.each<[string, object, RegExp]>([
    ["a short secret", { secret: "short" }, /secret/],
    ["a secret that is none", { secret: 5 }, /secret is 5; it must be a string or a Buffer/],
    ["no engine", { engine: {} }, /engine is an object; it must be an object with the methods join/],
    ["an address that is none", { advertise: "nowhere" }, /nowhere/],
    ["all addresses", { listen: { host: "0.0.0.0", port: 0 } }, /say where other relays reach this one/],
    ["a lease of no time", { leaseMs: 1 }, /leaseMs is 1; it must be a number of milliseconds from 100/],
    ["pings that are none", { clientLiveness: { pingIntervalMs: -1 } }, /pingIntervalMs/],
    ["an unknown option", { advertised: "x:1" }, /did you mean 'advertise'/],
  ])("%s", (_what, wrong, message) => {
    const make = (): unknown => createMember({ ...usable, ...wrong });
    expect(make).toThrow(TunnelError);
    expect(make).toThrow(message);
    expect(make).toThrow(expect.objectContaining({ code: "invalid_option" }));
  });

  it("ids are drawn, and have no dot", () => {
    const [one, other] = [createMember(usable).node, createMember(usable).node];
    expect(one).toMatch(/^n[\da-f]{16}$/);
    expect(one).not.toBe(other);
  });
});

describe("a member", () => {
  let cluster: TestCluster;
  let a: TestNode;
  let b: TestNode;
  beforeEach(async () => {
    cluster = new TestCluster();
    a = await cluster.node("a");
    b = await cluster.node("b");
  });
  afterEach(() => cluster.close());

  it("asks all, itself too, and names those that are silent", async () => {
    const c = await cluster.node("c");
    c.kill();
    a.answer = () => {
      throw new Error("cannot say");
    };
    expect(await b.member.ask({ about: "tunnels" })).toEqual({
      answers: new Map([["b", "tunnels at b"]]),
      silent: expect.arrayContaining(["a", "c"]),
    });
    expect(await c.member.ask({ about: "traffic" })).toMatchObject({
      answers: new Map([["c", "traffic at c"]]),
    });
  });

  it("knows the relays that are alive, and to which of them it has no link", async () => {
    expect(b.member.relays()).toEqual([
      { node: "a", address: expect.any(String), isLinked: true },
      { node: "b", address: expect.any(String), isLinked: true },
    ]);
    a.kill();
    expect(b.member.relays()).toMatchObject([
      { node: "a", isLinked: false },
      { node: "b", isLinked: true },
    ]);
    await a.member.leave();
    expect(a.member.relays()).toEqual([]);
  });

  it("joins once, and again after it has left", async () => {
    await expect(a.member.join(a.host)).rejects.toMatchObject({ code: "invalid_state" });
    await a.member.leave();
    await settle();
    expect(a.member.isReady).toBe(false);
    expect(b.member.status()).toMatchObject({ nodes: 1, peers: 0 });
    await a.member.join(a.host);
    await settle();
    expect(a.member.isReady).toBe(true);
    expect(b.member.status()).toMatchObject({ nodes: 2, peers: 1 });
  });

  it("knows where all of them are reached", async () => {
    const nodes = await cluster.engine.nodes();
    expect(b.member.relays()).toEqual(
      nodes.map(({ id, address }) => ({ node: id, address, isLinked: true })),
    );
    expect(
      b.member
        .relays()
        .map(({ node }) => node)
        .toSorted(),
    ).toEqual(["a", "b"]);
    await a.member.leave();
    await settle();
    expect(b.member.relays().map(({ node }) => node)).toEqual(["b"]);
  });

  it("leaves nothing behind when the engine cannot be had", async () => {
    await a.member.leave();
    a.engine.isDown = true;
    await expect(a.member.join(a.host)).rejects.toMatchObject({ code: "unavailable" });
    expect(a.member.isReady).toBe(false);
    a.engine.isDown = false;
    await a.member.join(a.host);
    expect(a.member.isReady).toBe(true);
  });

  it("says that it drains, and is still one of them", async () => {
    await a.member.drain();
    await settle();
    const nodes = await cluster.engine.nodes();
    expect(nodes.map(({ id, draining }) => [id, draining])).toEqual([
      ["a", true],
      ["b", false],
    ]);
    expect(b.member.status()).toMatchObject({ peers: 1 });
  });

  it("drains and leaves without the engine", async () => {
    a.engine.isDown = true;
    await a.member.drain();
    await a.member.leave();
    expect(a.member.isReady).toBe(false);
  });

  it("answers no question that it does not know, and none of another form", async () => {
    const { answer } = a.peers.handler;
    await expect(answer("weather", {}, "b")).rejects.toMatchObject({ code: "unsupported" });
    for (const about of ["has", "displaced"]) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await expect(answer(about, { name: 5 }, "b")).rejects.toMatchObject({ code: "protocol_error" });
    }
  });
});

describe("members over real links", () => {
  let folder: string;
  const open: { leave(): Promise<void> }[] = [];
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "cluster-"));
  });
  afterEach(async () => {
    await Promise.all(open.splice(0).map((member) => member.leave()));
    rmSync(folder, { recursive: true });
  });

  const host: MemberHost = {
    version: "1.2.3",
    domain: "tunnel.example",
    session: () => "unknown",
    onSpliced() {},
    answer: ({ about }) => about,
    pool: (_name, members, sessions) => new FakePool(members, sessions),
  };

  /** The members of a test share it, and none of them ends it. */
  function sharedEngine(): MemoryEngine {
    const engine = new MemoryEngine({ leaseMs: 6_000, keepNamesMs: 60_000, verdictMs: 60_000 });
    engine.close = async () => {};
    return engine;
  }

  it("say once of each relay that it serves another domain", async () => {
    const engine = sharedEngine();
    const warnings: object[] = [];
    const warn = (fields: object, message: string): void => {
      if (message.includes("another domain")) warnings.push(fields);
    };
    const logger = { debug() {}, info() {}, warn, error() {} };
    const member = createMember({ engine, secret, listen: { path: join(folder, "a.sock") }, logger });
    open.push(member);
    await member.join(host);
    const address = `unix:${join(folder, "none.sock")}`;
    const info = { address, version: "1", draining: false };
    await engine.join({ ...info, id: "nsame", domain: "tunnel.example" });
    await engine.join({ ...info, id: "nolder" });
    for (const id of ["none", "ntwo"]) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await engine.join({ ...info, id, domain: "other.example" });
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await settle();
    }
    const both = { address, domain: "other.example", own: "tunnel.example" };
    expect(warnings).toEqual([
      { ...both, peer: "none" },
      { ...both, peer: "ntwo" },
    ]);
  });

  it("find at once that a relay has died, and let its clients register anew", async () => {
    const engine = sharedEngine();
    const member = createMember({ engine, secret, listen: { path: join(folder, "a.sock") } });
    open.push(member);
    await member.join(host);
    // The leases of both go on for seconds.
    const addresses = {
      nport: `127.0.0.1:${await freePort()}`,
      npath: `unix:${join(folder, "b.sock")}`,
      // It was started again, and its successor has its place.
      nsuccessor: `unix:${join(folder, "a.sock")}`,
    };
    for (const [id, address] of Object.entries(addresses)) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await engine.join({ id, address, version: "1", draining: false });
    }
    await settle();
    for (const node of Object.keys(addresses)) {
      const [, link] = linkedPair();
      const client = {
        session: `${node}.1`,
        secret: "s",
        message: "first",
        link,
        address: "",
        isAtDomain: true,
      };
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      expect(await member.returning(client)).toBe("gone");
    }
  });

  it("know one another as soon as they have joined, and are forgotten when they leave", async () => {
    const engine = sharedEngine();
    const members = ["a", "b", "c"].map((name) =>
      createMember({ engine, secret, listen: { path: join(folder, `${name}.sock`) } }),
    );
    open.push(...members);
    for (const member of members) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await member.join(host);
    }
    const [first] = members;
    if (first === undefined) throw new Error("no member");
    const until = async (isSo: () => boolean): Promise<void> => {
      // oxlint-disable-next-line no-await-in-loop -- nothing tells the test of links
      while (!isSo()) await settle();
    };
    await until(() => first.status().peers === 2);
    expect(first.status()).toMatchObject({ nodes: 3, splicesIn: 0, splicesOut: 0 });
    const { answers, silent } = await first.ask({ about: "tunnels" });
    expect(new Set(answers.keys())).toEqual(new Set(members.map(({ node }) => node)));
    expect(silent).toEqual([]);
    await members[2]?.leave();
    await until(() => first.status().nodes === 2);
    expect(first.status()).toMatchObject({ peers: 1 });
  });
});
