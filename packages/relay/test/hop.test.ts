import { V1ClientSession, V1RelaySession } from "mcp-tunnel-protocol/sessions";
import { linkedPair } from "mcp-tunnel-protocol/testing";
import { describe, expect, it, vi } from "vitest";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { HopAcceptor } from "../../cluster/src/hop/acceptor.js";
import { RemoteRoute } from "../../cluster/src/hop/remote-route.js";
import type { Peer } from "../../cluster/src/peers/peers.js";
import { type Directory, MemoryDirectory, type RelayOptions, type Route } from "../src/index.js";
import { leaveHttp, RawVisitor, startRelay, V1Client } from "./support.js";

const opened = closingAfterEach();

/** Knows one name, whose tunnel is at another relay, and hears at once of what happens there. */
class FarDirectory implements Directory {
  readonly route: RemoteRoute;
  readonly refused: string[] = [];
  finds = 0;
  #listener: ((name: string) => void) | undefined;

  constructor(peer: Peer, there: MemoryDirectory) {
    const info = {
      ...{ instance: undefined, owner: "token", address: "127.0.0.1", session: undefined, pool: undefined },
      ...{ wire: "v1" as const, takesRefusals: true },
    };
    const entry = { name: "app", node: "owner", gen: 1, info, moving: false };
    const isAway = (): boolean => there.find("app")?.isAway !== false;
    this.route = new RemoteRoute(entry, peer, {
      onRefused: (route, reason) => {
        this.refused.push(reason);
        route.isTunnelAway = isAway();
      },
    });
    there.watch(() => {
      this.route.isTunnelAway = isAway();
      this.tell();
    });
  }

  tell(): void {
    this.#listener?.("app");
  }

  find(name: string): Route | undefined {
    this.finds += 1;
    return name === "app" ? this.route : undefined;
  }

  claim(): never {
    throw new Error("clients come to the other relay");
  }

  release(): void {}
  changed(): void {}

  watch(listener: (name: string) => void): () => void {
    this.#listener = listener;
    return () => {};
  }
}

/** Two relays that are joined in memory. Visitors come to the one, and the client of `app` to the other. */
async function setUp(options: { front?: Partial<RelayOptions>; owner?: Partial<RelayOptions> } = {}) {
  const there = new MemoryDirectory();
  const owner = opened(await startRelay({ directory: there, ...options.owner }));
  const [near, far] = linkedPair();
  const ignored = { onClose() {} };
  const acceptor = new HopAcceptor((name) => {
    const found = there.find(name);
    return found !== undefined && "open" in found ? found : undefined;
  });
  const session = new V1RelaySession(ignored);
  opened({ close: () => session.close(1000, "") });
  const theirs = new V1ClientSession(acceptor.accept, ignored);
  session.attach(near, 0);
  theirs.attach(far, 0);
  const asked: unknown[] = [];
  const peer: Peer & { session: V1RelaySession | undefined } = {
    node: "owner",
    isGone: false,
    session,
    ask: async (_about, body) => void asked.push(body),
    splice: () => Promise.reject(new Error("not here")),
  };
  const directory = new FarDirectory(peer, there);
  const front = opened(await startRelay({ directory, ...options.front }));
  const client = opened(await V1Client.connect(owner.port, "app"));
  const visit = (head = "GET / HTTP/1.1", body = "") => {
    const visitor = opened(new RawVisitor(front.port));
    visitor.request(head, body);
    return visitor;
  };
  return { front, owner, client, peer, directory, visit, asked };
}

/** Waits for what other turns of the event loop bring about. */
async function until(isSo: () => boolean): Promise<void> {
  // oxlint-disable-next-line no-await-in-loop -- one turn after the other
  while (!isSo()) await new Promise((resolve) => setImmediate(resolve));
}

const headWith = (code: string) => (received: string) => received.includes(`X-Tunnel-Error: ${code}\r\n`);

describe("a visitor at a relay that does not have the tunnel", () => {
  it("is answered by the client at the other relay, and both relays count it", async () => {
    const { visit, client, front, owner } = await setUp();
    const visitor = visit("POST /a?b HTTP/1.1\nContent-Length: 5\nX-Tunnel-Hop: other 5", "hello");
    const { head, stream, ended } = await client.accept();
    expect(head.path).toBe("/a?b");
    expect(head.headers.filter((_, i) => i % 2 === 0)).not.toContain("X-Tunnel-Hop");
    await ended;
    stream.sendHead({ status: 200, headers: ["Content-Length", "8"] });
    stream.write(Buffer.from("answered"));
    stream.end();
    expect(await visitor.until((received) => received.endsWith("answered"))).toMatch(/^HTTP\/1.1 200 /);
    expect(await front.record(1)).toMatchObject({ outcome: "completed", wire: "v1", requestBytes: 5 });
    expect(owner.tunnels()).toMatchObject([{ requests: 1, requestBytes: 5, responseBytes: 8 }]);
  });

  it("is asked for the body when the service asks, and not when the relay has taken the request", async () => {
    const { visit, client } = await setUp();
    const visitor = visit("POST / HTTP/1.1\nContent-Length: 5\nExpect: 100-continue");
    const exchange = await client.accept();
    exchange.stream.sendInterim({ status: 103, headers: ["Link", "</x>"] });
    await visitor.until((received) => received.includes("103"));
    expect(visitor.received).not.toContain("100 Continue");
    exchange.stream.sendInterim({ status: 100, headers: [] });
    await visitor.until((received) => received.includes("100 Continue"));
    visitor.socket.write("hello");
    await exchange.ended;
    expect(exchange.body).toBe("hello");
    exchange.stream.sendHead({ status: 204, headers: [] }, true);
    await visitor.until((received) => received.includes("HTTP/1.1 204 "));
  });

  it("leaves HTTP", async () => {
    const { visit, client } = await setUp();
    expect(await leaveHttp(visit, client)).toMatch(/^HTTP\/1.1 101 /);
  });

  it("is noticed at the client when he leaves", async () => {
    const { visit, client } = await setUp();
    const visitor = visit();
    const exchange = await client.accept();
    visitor.close();
    expect((await exchange.wasReset).code).toBe("cancelled");
  });

  it("waits for a client that is away, with his body, although the relay did not know of it", async () => {
    const { visit, client, owner, directory } = await setUp();
    client.cut();
    await owner.logged("tunnel away");
    // The news has not come here.
    directory.route.isTunnelAway = false;
    const visitor = visit("POST / HTTP/1.1\nContent-Length: 5", "hello");
    await until(() => directory.refused.length > 0);
    await client.resume();
    const exchange = await client.accept();
    await exchange.ended;
    expect(exchange.body).toBe("hello");
    exchange.stream.sendHead({ status: 204, headers: [] }, true);
    await visitor.until((received) => received.includes("HTTP/1.1 204 "));
    expect(directory.refused).toEqual(["away"]);
  });

  it("waits while there is no link to the other relay", async () => {
    const { visit, client, peer, directory } = await setUp();
    const { session } = peer;
    peer.session = undefined;
    const visitor = visit();
    await until(() => directory.finds > 0);
    peer.session = session;
    directory.tell();
    (await client.accept()).stream.sendHead({ status: 204, headers: [] }, true);
    await visitor.until((received) => received.includes("HTTP/1.1 204 "));
  });

  it("waits only so long for the link", async () => {
    const { visit, peer } = await setUp({ front: { holdTimeoutMs: 50 } });
    peer.session = undefined;
    expect(await visit().until(headWith("tunnel_reconnecting"))).toMatch(/^HTTP\/1.1 503 /);
  });

  it("gets the answers of the relay with the tunnel: too many requests are open on it", async () => {
    const { visit, client } = await setUp({ owner: { maxStreamsPerTunnel: 1 } });
    visit();
    await client.accept();
    expect(await visit().until(headWith("tunnel_overloaded"))).toMatch(/^HTTP\/1.1 503 /);
  });

  it("gets the answers of the relay with the tunnel: its token has had its requests of this second", async () => {
    const hits: string[] = [];
    const observers = [{ onEnd() {}, onLimit: ({ limit }: { limit: string }) => void hits.push(limit) }];
    const { visit, client, directory, front } = await setUp({
      owner: { maxTokenRequestsPerSecond: 1, observers },
    });
    // The clock stands still, so that no other second begins.
    vi.useFakeTimers({ toFake: ["performance"] });
    opened({ close: () => vi.useRealTimers() });
    visit();
    const exchange = await client.accept();
    for (const head of ["GET / HTTP/1.1", "POST / HTTP/1.1\nContent-Length: 5"]) {
      // oxlint-disable-next-line no-await-in-loop -- one request after the other
      expect(await visit(head).until(headWith("tunnel_rate_limited"))).toMatch(/^HTTP\/1.1 429 /);
    }
    expect(hits).toEqual(["requests_per_token", "requests_per_token"]);
    expect(directory.refused).toEqual([]);
    exchange.stream.sendHead({ status: 204, headers: [] }, true);
    expect(await front.record(2)).toMatchObject({
      outcome: "refused",
      status: 429,
      code: "tunnel_rate_limited",
    });
  });

  it("gets the bytes of an answer at the pace of the token, which the relay with the tunnel keeps", async () => {
    vi.useFakeTimers({ toFake: ["performance", "setTimeout", "clearTimeout"] });
    opened({ close: () => vi.useRealTimers() });
    const { visit, client } = await setUp({ owner: { maxTokenBytesPerSecond: 10_000 } });
    const visitor = visit("POST / HTTP/1.1\nContent-Length: 10000", "u".repeat(10_000));
    const { stream, ended } = await client.accept();
    await ended;
    stream.sendHead({ status: 200, headers: ["Content-Length", "30000"] });
    stream.write(Buffer.alloc(30_000, "x"));
    stream.end();
    await visitor.until((received) => received.includes("\r\n\r\n"));
    let step = 1;
    for (; !visitor.received.endsWith("x".repeat(30_000)); step += 1) {
      vi.advanceTimersByTime(100);
      // oxlint-disable-next-line no-await-in-loop -- what this step lets through has to arrive
      for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
      expect(visitor.received.match(/x*$/)?.[0].length).toBeLessThanOrEqual(step * 1_000);
    }
    expect(step).toBeGreaterThan(30);
    expect(visitor.received).toMatch(/^HTTP\/1.1 200 /);
  });

  it("is told that his request is too large, and so is the client, by way of its relay", async () => {
    const { visit, asked, client } = await setUp({ front: { maxRequestBodyBytes: 4 } });
    visit("POST /x?secret HTTP/1.1\nTransfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n");
    const exchange = await client.accept();
    expect((await exchange.wasReset).code).toBe("body_too_large");
    expect(asked).toMatchObject([
      { name: "app", gen: 1, refusals: [{ code: "request_too_large", status: 413, path: "/x", count: 1 }] },
    ]);
  });
});
