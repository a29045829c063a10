import { once } from "node:events";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { closeCodes } from "mcp-tunnel-protocol";
import { describe, expect, it, vi } from "vitest";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { freePort } from "../../../test/support/free-port.js";
import { LogWatch } from "../../../test/support/log-watch.js";
import { createRelay } from "../src/index.js";
import { FakeCluster, noCluster } from "./fake-cluster.js";
import { RawVisitor, ScriptedClient, startRelay, V1Client } from "./support.js";

// In which order a relay takes its place in a cluster, and gives it up.

const opened = closingAfterEach();

const options = { domain: "localhost", host: "127.0.0.1", port: 0 };

async function isOpen(port: number): Promise<boolean> {
  const { socket } = opened(new RawVisitor(port));
  return await new Promise((resolve) => {
    socket.on("connect", () => resolve(true));
    socket.on("close", () => resolve(false));
  });
}

async function portOfAnother(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  opened({ close: () => new Promise((resolve) => server.close(resolve)) });
  return (server.address() as AddressInfo).port;
}

describe("the start", () => {
  it("joins the cluster before visitors and clients can come", async () => {
    const member = new FakeCluster().member("a");
    const port = await freePort();
    const relay = opened(createRelay({ ...options, port, member }));
    let openAtJoin: boolean | undefined;
    member.onDone = async (what) => {
      if (what === "join") openAtJoin = await isOpen(port);
    };
    await relay.listen();
    expect(openAtJoin).toBe(false);
    expect(await isOpen(port)).toBe(true);
    expect(member.done).toEqual(["join"]);
  });

  it("leaves again when the port for visitors is not to be had, and may be tried again", async () => {
    const cluster = new FakeCluster();
    const member = cluster.member("a");
    const port = await portOfAnother();
    const relay = opened(createRelay({ ...options, port, member }));
    await expect(relay.listen()).rejects.toThrow(`cannot listen on 127.0.0.1, port ${port}`);
    expect(member.done).toEqual(["join", "leave"]);
    await expect(relay.listen()).rejects.toThrow("cannot listen on");
    expect(member.done).toEqual(["join", "leave", "join", "leave"]);
    expect(cluster.members.size).toBe(0);
  });

  it("opens no port without the cluster, and has nothing to leave", async () => {
    const member = new FakeCluster().member("a");
    member.onDone = () => Promise.reject(noCluster);
    const relay = createRelay({ ...options, member });
    await expect(relay.listen()).rejects.toThrow(noCluster);
    await relay.close(0);
    expect(member.done).toEqual(["join"]);
  });

  it("that is broken off leaves the cluster", async () => {
    const member = new FakeCluster().member("a");
    const relay = createRelay({ ...options, member });
    let closing: Promise<void> | undefined;
    member.onDone = (what) => {
      if (what === "join") closing = relay.close(0);
    };
    const opening = relay.listen();
    await expect(opening).rejects.toThrow("the relay was closed");
    await closing;
    expect(member.done).toEqual(["join", "leave"]);
  });
});

describe("the end", () => {
  it("tells the others first, then frees the port, tells the clients, waits, and leaves last", async () => {
    const cluster = new FakeCluster();
    const [memberA, memberB] = [cluster.member("a"), cluster.member("b")];
    const a = opened(await startRelay({ member: memberA }));
    const b = opened(await startRelay({ member: memberB }));
    const client = opened(await V1Client.connect(a.port, "app"));
    // A visitor of the other relay, whose request this relay's drain has to wait for.
    const visitor = opened(new RawVisitor(b.port));
    visitor.request("GET / HTTP/1.1");
    const exchange = await client.accept();

    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"], shouldAdvanceTime: true });
    opened({ close: () => vi.useRealTimers() });
    const told = new Promise<void>((resolve) => {
      memberA.onDone = (what) => {
        if (what === "drain") resolve();
      };
    });
    const closing = a.close(60_000);
    await told;
    expect(memberA.done).toEqual(["join", "drain"]);
    expect(await isOpen(a.port)).toBe(false);
    // After a quiet second a relay that is alone would cut what is open.
    await vi.advanceTimersByTimeAsync(5_000);
    expect(client.goaways).toBe(1);
    expect(memberA.done).toEqual(["join", "drain"]);
    exchange.stream.sendHead({ status: 200, headers: ["Content-Length", "4"] });
    exchange.stream.write(Buffer.from("done"));
    exchange.stream.end();
    expect(await visitor.until((text) => text.endsWith("done"))).toMatch(/^HTTP\/1.1 200 /);
    await closing;
    expect(memberA.done).toEqual(["join", "drain", "leave"]);
  });

  it("cuts what is open on tunnels when the grace is over", async () => {
    const cluster = new FakeCluster();
    const a = opened(await startRelay({ member: cluster.member("a") }));
    const b = opened(await startRelay({ member: cluster.member("b") }));
    const client = opened(await V1Client.connect(a.port, "app"));
    const visitor = opened(new RawVisitor(b.port));
    visitor.request("GET / HTTP/1.1");
    await client.accept();
    await a.close(50);
    expect(await visitor.until((text) => text.includes("\r\n\r\n"))).toMatch(/^HTTP\/1.1 502 /);
  });

  it("lets clients of other relays resume elsewhere at once", async () => {
    const cluster = new FakeCluster();
    const memberB = cluster.member("b");
    const log = new LogWatch();
    const a = opened(await startRelay({ member: cluster.member("a"), logger: log.logger }));
    const b = opened(await startRelay({ member: memberB }));
    const c = opened(await startRelay({ member: cluster.member("c") }));
    const client = opened(await V1Client.connect(a.port, "app"));
    const lost = async (times: number) =>
      await log.waitFor(() =>
        log.json.filter(({ msg }) => msg === "tunnel away").length === times ? times : undefined,
      );
    client.cut();
    await lost(1);
    await client.resume(b.port);
    const closing = b.close(60_000);
    await lost(2);
    await client.resume(c.port);
    expect(a.tunnels()).toMatchObject([{ name: "app", state: "online" }]);
    await closing;
    expect(client.goaways).toBe(0);
  });

  it("depends on no cluster: what fails or hangs is logged, and the relay ends", async () => {
    const member = new FakeCluster().member("a");
    const log = new LogWatch();
    const relay = opened(createRelay({ ...options, member, logger: log.logger }));
    await relay.listen();
    member.onDone = (what) => (what === "drain" ? new Promise(() => {}) : Promise.reject(noCluster));
    await relay.close(0);
    expect(log.json).toContainEqual({ error: noCluster.message, msg: "the cluster failed" });
  });

  it("tells the others nothing if the relay has never listened", async () => {
    const member = new FakeCluster().member("a");
    await createRelay({ ...options, member }).close(0);
    expect(member.done).toEqual([]);
  });

  it("closes a client that is about to return to another relay", async () => {
    const cluster = new FakeCluster();
    const [memberA, memberB] = [cluster.member("a"), cluster.member("b")];
    const a = opened(await startRelay({ member: memberA }));
    const b = opened(await startRelay({ member: memberB }));
    const client = opened(await V1Client.connect(a.port, "app"));
    let asked: () => void;
    const asking = new Promise<void>((resolve) => {
      asked = resolve;
    });
    memberB.beforeReturn = () => {
      asked();
      return new Promise(() => {});
    };
    const returning = opened(await ScriptedClient.connect(b.port));
    returning.send({ token: "t", protocol: [1], ...client.resumeFields });
    await asking;
    const closing = b.close(0);
    expect((await returning.closed).code).toBe(closeCodes.tryAgainLater);
    await closing;
  });
});
