import { closeCodes, TunnelError } from "mcp-tunnel-protocol";
import { linkedPair } from "mcp-tunnel-protocol/testing";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ReturningClient } from "../src/member.js";
import { RelayGone } from "../src/peers/relay-gone.js";
import { settle, TestCluster, type TestNode } from "./support/test-cluster.js";

let cluster: TestCluster;
let a: TestNode;
let b: TestNode;
beforeEach(async () => {
  cluster = new TestCluster();
  a = await cluster.node("a");
  b = await cluster.node("b");
});
afterEach(() => cluster.close());

const evicted = { code: closeCodes.evicted, reason: "evicted" };
const later = { refused: { code: closeCodes.tryAgainLater, reason: expect.any(String) } };

function returning(session: string) {
  const [far, link] = linkedPair();
  const client: ReturningClient = {
    session,
    secret: "secret",
    message: "first",
    link,
    address: "192.0.2.7",
    isAtDomain: true,
  };
  return { client, link, far };
}

describe("a client that returns", () => {
  it("is joined with the relay that has its session", async () => {
    a.sessions.set("a.1", "known");
    const { client, far } = returning("a.1");
    expect(await b.member.returning(client)).toBe("taken");
    expect(a.spliced).toHaveLength(1);
    const [[link, described] = []] = a.spliced;
    expect(described).toEqual({ address: "192.0.2.7", isAtDomain: true });
    const heard: (Buffer | string)[] = [];
    if (link !== undefined) link.handler = { onMessage: (message) => heard.push(message), onClose() {} };
    far.send("second");
    await settle();
    expect(heard).toEqual(["first", "second"]);
  });

  it.each(["b.1", "no-node", ".1", ""])("with session '%s' is this relay's own matter", async (session) => {
    expect(await b.member.returning(returning(session).client)).toBe("gone");
  });

  it("registers anew when its relay does not know the session any more", async () => {
    expect(await b.member.returning(returning("a.1").client)).toBe("gone");
  });

  it("hears the verdict of its relay", async () => {
    a.sessions.set("a.1", evicted);
    expect(await b.member.returning(returning("a.1").client)).toEqual({ refused: evicted });
  });

  it("hears the verdict of a relay that is dead from the engine", async () => {
    a.member.remember("a.1", evicted);
    await settle();
    a.kill();
    expect(await b.member.returning(returning("a.1").client)).toEqual({ refused: evicted });
  });

  it("tries again when its relay lives and cannot be reached, and registers anew when it is dead", async () => {
    a.kill();
    expect(await b.member.returning(returning("a.1").client)).toEqual(later);
    await cluster.pass(8_000);
    expect(await b.member.returning(returning("a.1").client)).toBe("gone");
  });

  it("registers anew at once when its relay has been found to have ended", async () => {
    const peer = b.peers.get("a");
    if (peer === undefined) throw new Error("no peer");
    const cause = new RelayGone("nobody listens");
    peer.splice = () => Promise.reject(new TunnelError("unavailable", "cannot be reached", { cause }));
    expect(await b.member.returning(returning("a.1").client)).toBe("gone");
  });

  it("tries again while nobody can tell what has become of its relay", async () => {
    a.kill();
    b.isolate();
    expect(await b.member.returning(returning("a.1").client)).toEqual(later);
    expect(await b.member.returning(returning("unknown.1").client)).toEqual(later);
  });
});
