import { once } from "node:events";
import { connect, type AddressInfo } from "node:net";
import { createRelay, type Relay, type RelayOptions, staticAuthenticator } from "mcp-tunnel";
import { connect as connectTls } from "node:tls";
import { describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { frame, types } from "../../packages/protocol/test/support/wire.js";
import { createAuthority, createFolder } from "../support/certificates.js";
import { closingAfterEach } from "../support/cleanup.js";
import { connectRawClient, type RawPeer } from "./support/raw-peers.js";
import { RawVisitor, statuses } from "./support/raw-visitor.js";

/**
 * Limits without an attack of their own. Each has an answer of its own and is counted once for each time that
 * it took effect. The next request that keeps to the limit is served.
 */
const close = closingAfterEach();

interface World {
  port: number;
  relay: Relay;
  client: RawPeer;
  /** The limits that took effect, in order. */
  hits: string[];
}

async function start(options: Partial<RelayOptions>, logger?: RelayOptions["logger"]): Promise<World> {
  const hits: string[] = [];
  const relay = createRelay({
    domain: "tunnel.test",
    host: "127.0.0.1",
    port: 0,
    limitExempt: [],
    observers: [{ onEnd() {}, onLimit: ({ limit }) => hits.push(limit) }],
    ...(logger === undefined ? {} : { logger }),
    ...options,
  });
  const { port } = await relay.listen();
  close({ close: () => relay.close(0) });
  const client = close(await connectRawClient(port, "app"));
  return { port, relay, client, hits };
}

function send({ port }: World, text: string): RawVisitor {
  const visitor = close(new RawVisitor({ port }));
  visitor.send(text);
  return visitor;
}

const host = "Host: app.tunnel.test\r\n";
const get = (line = "GET / HTTP/1.1", fields = ""): string => `${line}\r\n${host}${fields}\r\n`;

/** The status of the first answer, and the relay's name for the error if it is one. */
async function answer(visitor: RawVisitor): Promise<[number | undefined, string | undefined]> {
  const received = await visitor.until((text) => text.includes("\r\n\r\n"));
  return [statuses(received)[0], /^X-Tunnel-Error: (.*)\r$/m.exec(received)?.[1]];
}

async function expectServed(world: World): Promise<void> {
  const before = world.client.frames.length;
  const visitor = send(world, get());
  world.client.answer((await world.client.next("REQUEST", before)).stream, "fine");
  expect(await answer(visitor)).toEqual([200, undefined]);
}

describe("a request head", () => {
  it.each([
    [
      "longer than allowed",
      { maxHeaderBytes: 1_024 },
      get("GET / HTTP/1.1", `X: ${"x".repeat(2_000)}\r\n`),
      "header_bytes",
      431,
    ],
    [
      "of too many fields",
      { maxHeaderCount: 8 },
      get("GET / HTTP/1.1", "X: 1\r\n".repeat(8)),
      "header_count",
      431,
    ],
    [
      "with too long a target",
      { maxUrlBytes: 20 },
      get(`GET /${"x".repeat(20)} HTTP/1.1`),
      "url_length",
      414,
    ],
  ])("%s", async (_, options, text, limit, status) => {
    const world = await start(options);
    expect((await answer(send(world, text)))[0]).toBe(status);
    expect(world.hits).toEqual([limit]);
    await expectServed(world);
    expect(world.client.frames.filter(({ type }) => type === types.REQUEST)).toHaveLength(1);
  });
});

it("a request head that is within its limit, and longer than a tunnel carries", async () => {
  const world = await start({ maxHeaderBytes: 409_600 });
  const long = get("GET / HTTP/1.1", `X: ${"x".repeat(300_000)}\r\n`);
  expect(await answer(send(world, long))).toEqual([431, "headers_too_large"]);
  await expectServed(world);
});

describe("a response", () => {
  it("longer than allowed, as announced or as it comes", async () => {
    const world = await start({ maxResponseBodyBytes: 4 });
    const announced = send(world, get());
    world.client.answer((await world.client.next("REQUEST")).stream, "five!");
    expect(await answer(announced)).toEqual([502, "response_too_large"]);
    expect(world.hits).toEqual(["response_body"]);
    const before = world.client.frames.length;
    const coming = send(world, get());
    const { stream } = await world.client.next("REQUEST", before);
    world.client.send(
      Buffer.concat([frame(types.RESPONSE, stream, "200"), frame(types.DATA, stream, "five!")]),
    );
    // The body is cut, so that it does not look whole.
    expect(await coming.all()).not.toContain("\r\n0\r\n");
    expect(world.hits).toEqual(["response_body", "response_body"]);
    await expectServed(world);
  });

  it("that does not begin in time", async () => {
    const world = await start({ responseTimeoutMs: 100 });
    expect(await answer(send(world, get()))).toEqual([504, "tunnel_timeout"]);
    expect(world.hits).toEqual(["response_time"]);
    expect((await world.client.next("RESET")).stream).toBe(1);
    await expectServed(world);
  });
});

it("more streams than a tunnel may carry", async () => {
  const world = await start({ maxStreamsPerTunnel: 1 });
  const first = send(world, get());
  const { stream } = await world.client.next("REQUEST");
  expect(await answer(send(world, get()))).toEqual([503, "tunnel_overloaded"]);
  expect(world.hits).toEqual(["streams_per_tunnel"]);
  world.client.answer(stream, "fine");
  expect(await answer(first)).toEqual([200, undefined]);
  await expectServed(world);
});

describe("while a client is away", () => {
  async function away(options: Partial<RelayOptions>): Promise<World> {
    let gone = (): void => {};
    const lost = new Promise<void>((resolve) => {
      gone = resolve;
    });
    const ignore = (): void => {};
    const info = (_: object, message: string): void => {
      if (message === "tunnel away") gone();
    };
    const world = await start(options, { debug: ignore, info, warn: ignore, error: ignore });
    world.client.close();
    await lost;
    return world;
  }

  it("more requests than may wait for it", async () => {
    const world = await away({ maxHeldRequests: 1 });
    const held = send(world, get());
    while (world.relay.openExchanges < 1) await new Promise((resolve) => setImmediate(resolve));
    expect(await answer(send(world, get()))).toEqual([503, "tunnel_reconnecting"]);
    expect(world.hits).toEqual(["held_requests"]);
    world.client = close(await connectRawClient(world.port, "app"));
    world.client.answer((await world.client.next("REQUEST")).stream, "fine");
    expect(await answer(held)).toEqual([200, undefined]);
  });

  it("requests that have waited for long enough", async () => {
    const world = await away({ holdTimeoutMs: 100 });
    expect(await answer(send(world, get()))).toEqual([503, "tunnel_reconnecting"]);
    expect(world.hits).toEqual(["hold_time"]);
  });
});

it("a client that never picks one of the names on offer", async () => {
  const authenticator = staticAuthenticator([{ token: "t", subdomains: ["app", "pick-*"] }]);
  const world = await start({ pickTimeoutMs: 100, authenticator });
  const ws = new WebSocket(`ws://127.0.0.1:${world.port}/_tunnel/register`);
  await once(ws, "open");
  ws.send(JSON.stringify({ token: "t" }));
  const [offer] = (await once(ws, "message")) as [Buffer];
  expect(JSON.parse(offer.toString())).toEqual({ subdomains: ["app", "pick-*"] });
  expect((await once(ws, "close"))[0]).toBe(1013);
  expect(world.hits).toEqual(["pick_time"]);
  await expectServed(world);
});

describe("with TLS", () => {
  async function startSecure(options: Partial<RelayOptions>) {
    const folder = close(createFolder());
    const pair = await (await createAuthority()).issue(["tunnel.test", "*.tunnel.test"]);
    const files = [{ cert: folder.write("relay.pem", pair.cert), key: folder.write("relay.key", pair.key) }];
    const hits: string[] = [];
    const lines: Record<string, unknown>[] = [];
    const ignore = (): void => {};
    const relay = createRelay({
      domain: "tunnel.test",
      host: "127.0.0.1",
      port: 0,
      limitExempt: [],
      tls: { files, redirectPort: 0 },
      observers: [{ onEnd() {}, onLimit: ({ limit }) => hits.push(limit) }],
      logger: {
        debug: ignore,
        info: (fields, message) => lines.push({ ...fields, message }),
        warn: ignore,
        error: ignore,
      },
      ...options,
    });
    const { port } = await relay.listen();
    close({ close: () => relay.close(0) });
    const redirect = lines.find(({ message }) => message === "redirecting to HTTPS");
    return { port, redirectPort: (redirect as unknown as AddressInfo).port, hits };
  }

  it("a handshake that never comes", async () => {
    const { port, hits } = await startSecure({ headerTimeoutMs: 100 });
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => {}).resume();
    await once(socket, "close");
    expect(hits).toEqual(["header_time"]);
  });

  it.each(["http/1.1", "h2"])(
    "connections over %s count until they are closed, and no longer",
    async (protocol) => {
      const { port, hits } = await startSecure({ maxConnections: 4, maxConnectionsPerAddress: 4 });
      for (let i = 0; i < 10; i++) {
        const socket = connectTls({
          port,
          host: "127.0.0.1",
          rejectUnauthorized: false,
          ALPNProtocols: [protocol],
        });
        await once(socket, "secureConnect");
        expect(socket.alpnProtocol).toBe(protocol);
        const closed = once(socket.resume(), "close");
        // The connections come one after the other, and the two ends take turns in closing them.
        if (i % 2 === 0) socket.destroy();
        else socket.write("no HTTP\r\n\r\n");
        await closed;
      }
      expect(hits).toEqual([]);
    },
  );

  it.each([
    ["in all", { maxConnections: 2 }, "connections"],
    ["of one address", { maxConnectionsPerAddress: 2 }, "connections_per_address"],
  ])("more connections %s than there may be, those to the redirect included", async (_, options, limit) => {
    const { port, redirectPort, hits } = await startSecure(options);
    const first = close(new RawVisitor({ port: redirectPort }));
    const second = close(new RawVisitor({ port }));
    await Promise.all([once(first.socket, "connect"), once(second.socket, "connect")]);
    await new RawVisitor({ port: redirectPort }).closed;
    await new RawVisitor({ port }).closed;
    expect(hits).toEqual([limit, limit]);
    first.send(get());
    expect(await first.all()).toMatch(/^HTTP\/1\.1 308 .*Location: https:\/\/app\.tunnel\.test/s);
  });
});
