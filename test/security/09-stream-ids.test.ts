import { startTunnelClient, type TunnelClient } from "mcp-tunnel-client";
import { createRelay } from "mcp-tunnel";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { frame, types } from "../../packages/protocol/test/support/wire.js";
import { closingAfterEach } from "../support/cleanup.js";
import { missingProgram } from "../support/requires.js";
import { startUpstream, type Upstream } from "../support/upstream.js";
import { type Nginx, startNginx } from "./support/nginx.js";
import { connectRawClient, type RawPeer, type RawRelay, startRawRelay } from "./support/raw-peers.js";
import { RawVisitor, statuses } from "./support/raw-visitor.js";
import { readVectors } from "./support/vectors.js";

/**
 * The attack: the other end of a tunnel opens, reuses and names streams as it likes. It uses ids that were
 * used before or never opened, frames out of order, wrong lengths, credit beyond all bounds, and more streams
 * than anybody can serve. If that confuses the bookkeeping, one visitor's bytes get into another's response,
 * or the process ends.
 *
 * The defence: ids rise strictly. Every frame is checked against the state of its stream before anything is
 * kept. A frame that breaks the rules ends its session (1002) and no other.
 */
const { vectors } = readVectors("frames");
const close = closingAfterEach();

/** The bytes of a vector, with {data:...} written out, in messages none of which is too large by itself. */
function messagesOf(hex: string): Buffer[] {
  return hex.split(/(\{[^}]*\})/).flatMap((part) => {
    const [, stream, bytes, times] = /^\{data:(\d+):(\d+)x(\d+)\}$/.exec(part) ?? [];
    if (stream === undefined) return Buffer.from(part.replaceAll(" ", ""), "hex");
    const one = frame(types.DATA, Number(stream), Buffer.alloc(Number(bytes)));
    return new Array<Buffer>(Number(times)).fill(one);
  });
}

async function startRelay(options = {}): Promise<number> {
  const relay = createRelay({ domain: "tunnel.test", host: "127.0.0.1", port: 0, ...options });
  const { port } = await relay.listen();
  close({ close: () => relay.close(0) });
  return port;
}

function startClient(port: number, relayPort: number, options = {}): Promise<TunnelClient> {
  // No grace: a request that hangs shall not delay the end of the test.
  const relayUrl = `http://127.0.0.1:${relayPort}`;
  return startTunnelClient({ port, relayUrl, shutdownGraceMs: 0, ...options });
}

function visit(port: number, name: string, path = "/"): RawVisitor {
  const visitor = close(new RawVisitor({ port }));
  visitor.send(`GET ${path} HTTP/1.1\r\nHost: ${name}.tunnel.test\r\n\r\n`);
  return visitor;
}

const statusIn = (received: string): boolean => statuses(received).length > 0;

/** A proxy may be between the relay and its clients. It changes nothing about the bytes that arrive. */
const ways = [
  ["directly", false],
  ["through nginx", true],
] as const;
const needs = (isProxied: boolean): boolean => isProxied && missingProgram("nginx");

describe.each(ways)("a hostile client that comes %s", (_, isProxied) => {
  const toRelay = vectors.filter(({ to }) => to.includes("relay"));

  describe.skipIf(needs(isProxied))("sends", () => {
    let port: number;
    let clientPort: number;
    let count = 0;
    const stop: (() => Promise<void>)[] = [];
    beforeAll(async () => {
      const relay = createRelay({ domain: "tunnel.test", host: "127.0.0.1", port: 0 });
      ({ port } = await relay.listen());
      stop.push(() => relay.close(0));
      clientPort = port;
      if (!isProxied) return;
      const nginx = await startNginx(port);
      stop.unshift(() => nginx.close());
      clientPort = nginx.port;
    });
    afterAll(async () => {
      for (const close of stop) await close();
    });

    it.each(toRelay)("$name: $expect ($origin)", async ({ hex, expect: expected }) => {
      const name = `app-${++count}`;
      const hostile = close(await connectRawClient(clientPort, name));
      const honest = close(await connectRawClient(clientPort, "honest"));
      const visitor = visit(port, name);
      visitor.socket.pause();
      await hostile.next("REQUEST");
      for (const message of messagesOf(hex)) hostile.send(message);
      if (expected === "violation") {
        expect((await hostile.closed).code).toBe(1002);
        visitor.socket.resume();
        await visitor.until((received) => statusIn(received));
        expect(statuses(visitor.received)[0] ?? 502).toBeOneOf([200, 502]);
      } else {
        const before = hostile.frames.length;
        const again = visit(port, name);
        const request = await hostile.next("REQUEST", before);
        hostile.answer(request.stream, "still here");
        expect(await again.until(statusIn)).toContain("200 OK");
      }
      // The other tunnel has noticed nothing.
      const other = visit(port, "honest");
      honest.answer((await honest.next("REQUEST")).stream, "fine");
      expect(await other.until((received) => received.endsWith("fine"))).toContain("200 OK");
    });
  });
});

describe.each(ways)("a hostile relay that is reached %s", (_, isProxied) => {
  const toClient = vectors.filter(({ to }) => to.includes("client"));

  describe.skipIf(needs(isProxied))("sends", () => {
    let upstream: Upstream;
    let relay: RawRelay;
    let relayPort: number;
    let count = 0;
    let nginx: Nginx | undefined;
    beforeAll(async () => {
      [upstream, relay] = await Promise.all([startUpstream(), startRawRelay()]);
      if (isProxied) nginx = await startNginx(relay.port);
      relayPort = nginx?.port ?? relay.port;
    });
    afterAll(async () => {
      await Promise.all([upstream.close(), relay.close(), nginx?.close()]);
    });

    it.each(toClient)("$name: $expect ($origin)", async ({ hex, expect: expected }) => {
      // By the name of this test: a client that an earlier test sent away may still arrive.
      const subdomain = `app-${++count}`;
      const [hostile, client] = await Promise.all([
        relay.nextClient(subdomain),
        startClient(upstream.port, relayPort, { subdomain }),
      ]);
      close(client);
      const arrived = upstream.nextRequest();
      hostile.send(frame(types.REQUEST | 0x80, 1, "GET\n/hang"));
      await arrived;
      for (const message of messagesOf(hex)) hostile.send(message);
      let next: RawPeer = hostile;
      if (expected === "violation") {
        expect((await hostile.closed).code).toBe(1002);
        // The client comes back with a new session and serves.
        next = await relay.nextClient(subdomain);
      }
      next.send(frame(types.REQUEST | 0x80, 100, "GET\n/status/200"));
      const response = await next.next("RESPONSE");
      expect([response.stream, response.payload.toString("latin1").slice(0, 3)]).toEqual([100, "200"]);
    });
  });
});

describe("a hostile relay", () => {
  it("opens more streams than the client serves: those beyond are refused, and the others go on", async () => {
    const upstream = close(await startUpstream());
    const relay = close(await startRawRelay());
    const [hostile, client] = await Promise.all([
      relay.nextClient(),
      startClient(upstream.port, relay.port, { maxStreams: 50 }),
    ]);
    close(client);
    const requests = Array.from({ length: 2_000 }, (_, i) =>
      frame(types.REQUEST | 0x80, i + 1, i === 0 ? "GET\n/slow?ms=300" : "GET\n/hang"),
    );
    hostile.send(Buffer.concat(requests));
    const answer = await hostile.next("RESPONSE");
    expect(answer.stream).toBe(1);
    const refused = hostile.frames.filter(({ type }) => type === types.RESET);
    expect(refused.length).toBe(2_000 - 50);
    expect(upstream.requests.length).toBe(50);
  });
});

describe("visitors who open more streams than a tunnel may carry", () => {
  it("are told to come back, and the tunnel serves those who do", async () => {
    const port = await startRelay({ maxStreamsPerTunnel: 20 });
    const client = close(await connectRawClient(port, "app"));
    const open = Array.from({ length: 20 }, () => visit(port, "app"));
    await client.until((frames) => frames.filter(({ type }) => type === types.REQUEST)[19]);
    expect(await visit(port, "app").until(statusIn)).toMatch(
      /^HTTP\/1\.1 503 .*X-Tunnel-Error: tunnel_overloaded/s,
    );
    client.answer(1, "done");
    await open[0]?.until(statusIn);
    const before = client.frames.length;
    const again = visit(port, "app");
    client.answer((await client.next("REQUEST", before)).stream, "again");
    expect(await again.until((received) => received.endsWith("again"))).toContain("200 OK");
  });
});
