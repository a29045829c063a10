import { once } from "node:events";
import type { IncomingHttpHeaders } from "node:http";
import type { Socket } from "node:net";
import { startTunnelClient, TunnelClient } from "mcp-tunnel-client";
import { Server as ProxyServer } from "proxy-chain";
import { beforeEach, describe, expect, it } from "vitest";
import { createAuthority, createFolder } from "../support/certificates.js";
import { closingAfterEach } from "../support/cleanup.js";
import { startClientCommand, startRelayCommand } from "../support/commands.js";
import { startInProcess } from "../support/in-process.js";
import { startRawServer } from "../support/raw-server.js";
import { secureDomain, startSecureRelay, visitHttp1 } from "../support/secure.js";
import { startUpstream, type Upstream } from "../support/upstream.js";
import { createVisitor } from "../support/visitor.js";

// A client behind an HTTP proxy, as in offices. The proxy is Apify's proxy-chain.

const closing = closingAfterEach();
let upstream: Upstream;

beforeEach(async () => {
  upstream = closing(await startUpstream());
});

/**
 * A proxy for the user `ann` with the password `s3cret`, which finds every name on this machine. `seen` gets
 * the fields that clients send to it.
 */
async function startProxy(seen: IncomingHttpHeaders[] = []): Promise<ProxyServer> {
  const proxy = new ProxyServer({
    host: "127.0.0.1",
    port: 0,
    prepareRequestFunction: ({ request, username, password }) => {
      seen.push(request.headers);
      return {
        requestAuthentication: username !== "ann" || password !== "s3cret",
        dnsLookup: ((_name: string, _options: object, callback: (...result: unknown[]) => void) =>
          callback(null, [{ address: "127.0.0.1", family: 4 }])) as never,
      };
    },
  });
  await proxy.listen();
  closing({ close: () => proxy.close(true) });
  return proxy;
}

describe("a client behind a proxy", () => {
  it("reaches its relay, with a password", async () => {
    const proxy = await startProxy();
    const proxyUrl = `http://ann:s3cret@127.0.0.1:${proxy.port}`;
    const tunnel = closing(await startInProcess({ upstreamPort: upstream.port, client: { proxyUrl } }));
    expect(proxy.stats.connectRequestCount).toBe(1);
    const body = "x".repeat(1_000_000);
    const answer = await tunnel.visit("/echo", { method: "POST", body });
    expect([answer.statusCode, await answer.body.text()]).toEqual([200, body]);
  });

  it("goes on with what was open when the proxy drops the connection", async () => {
    const proxy = await startProxy();
    const proxyUrl = new URL(`http://ann:s3cret@127.0.0.1:${proxy.port}`);
    const tunnel = closing(await startInProcess({ upstreamPort: upstream.port, client: { proxyUrl } }));
    const arrived = upstream.nextRequest();
    const answer = tunnel.visit("/slow?ms=300");
    await arrived;
    const back = new Promise<{ resumed: boolean }>((resolve) => tunnel.client.on("connected", resolve));
    proxy.closeConnections();
    expect((await back).resumed).toBe(true);
    expect((await answer).statusCode).toBe(200);
    await (await answer).body.dump();
    expect(proxy.stats.connectRequestCount).toBe(2);
  });

  it("finds it in the environment, checks the relay's certificate, and leaves the name to it", async () => {
    const proxy = await startProxy();
    const relay = closing(await startSecureRelay());
    closing(
      await startClientCommand(
        upstream.port,
        relay.port,
        ["--relay", `https://${secureDomain}:${relay.port}`, "--subdomain", "demo"],
        { HTTPS_PROXY: `ann:s3cret@127.0.0.1:${proxy.port}`, NODE_EXTRA_CA_CERTS: relay.caFile },
      ),
    );
    expect(proxy.stats.connectRequestCount).toBe(1);
    const host = `demo.${secureDomain}`;
    const answer = await visitHttp1(relay.port, host, "/headers", relay.authority.cert);
    answer.resume();
    expect(answer.statusCode).toBe(200);
  });

  it("believes the relay's authority, and sends the relay's header fields to the relay alone", async () => {
    const seen: IncomingHttpHeaders[] = [];
    const proxy = await startProxy(seen);
    const relay = closing(await startSecureRelay());
    const proxyUrl = `http://ann:s3cret@127.0.0.1:${proxy.port}`;
    const relayUrl = `https://${secureDomain}:${relay.port}`;
    const options = { port: upstream.port, relayUrl, proxyUrl, relayHeaders: { "X-Access": "t0ken" } };
    await expect(startTunnelClient(options)).rejects.toThrow(/relayTls\.ca in a program/);
    const relayTls = { ca: relay.authority.cert };
    closing(await startTunnelClient({ ...options, relayTls }));
    expect(seen.length).toBeGreaterThanOrEqual(2);
    expect(JSON.stringify(seen)).not.toContain("t0ken");
  });

  it("takes a proxy that is spoken to over TLS", async () => {
    const folder = closing(createFolder());
    const authority = await createAuthority();
    const proxy = new ProxyServer({
      host: "127.0.0.1",
      port: 0,
      serverType: "https",
      httpsOptions: await authority.issue(["127.0.0.1"]),
    });
    await proxy.listen();
    closing({ close: () => proxy.close(true) });
    const relay = closing(await startRelayCommand());
    const args = ["--subdomain", "demo", "--proxy", `https://127.0.0.1:${proxy.port}`];
    const env = { NODE_EXTRA_CA_CERTS: folder.write("ca.pem", authority.cert) };
    closing(await startClientCommand(upstream.port, relay.port, args, env));
    expect(proxy.stats.connectRequestCount).toBe(1);
    const visitor = closing(createVisitor(relay.port));
    expect(await visitor.text("demo", "/status/200")).toMatchObject({ status: 200 });
  });

  it("says what the proxy answered, and keeps the password to itself", async () => {
    const proxy = await startProxy();
    const start = startTunnelClient({
      port: upstream.port,
      relayUrl: "https://relay.test",
      proxyUrl: `http://ann:wrong@127.0.0.1:${proxy.port}`,
    });
    await expect(start).rejects.toMatchObject({
      code: "unreachable",
      message:
        `cannot reach the relay at https://relay.test through the proxy http://127.0.0.1:${proxy.port}: the proxy answered ` +
        "407 Proxy Authentication Required: it wants a user and a password, as in http://user:password@proxy",
    });
  });

  it("says that the proxy cannot be reached", async () => {
    const gone = await startRawServer(() => {});
    await gone.close();
    const proxyUrl = `http://127.0.0.1:${gone.port}`;
    const start = startTunnelClient({ port: upstream.port, relayUrl: "https://relay.test", proxyUrl });
    await expect(start).rejects.toMatchObject({
      code: "unreachable",
      message:
        `cannot reach the relay at https://relay.test through the proxy ${proxyUrl}: connect ECONNREFUSED ` +
        `127.0.0.1:${gone.port} (nothing listens there: is the proxy running, and is its port right?)`,
    });
  });

  describe("that says nothing", () => {
    let connected: Promise<Socket>;
    let proxyUrl: string;

    beforeEach(async () => {
      let onConnection: (socket: Socket) => void;
      connected = new Promise((resolve) => (onConnection = resolve));
      const proxy = closing(await startRawServer((socket) => onConnection(socket.resume())));
      proxyUrl = `http://127.0.0.1:${proxy.port}`;
    });

    it("does not wait for ever, and leaves no connection behind", async () => {
      const options = { port: upstream.port, relayUrl: "https://relay.test", proxyUrl };
      await expect(startTunnelClient({ ...options, registerTimeoutMs: 100 })).rejects.toMatchObject({
        code: "unreachable",
        message: `cannot reach the relay at https://relay.test through the proxy ${proxyUrl}: timed out after 100 ms`,
      });
      const socket = await connected;
      if (!socket.readableEnded && !socket.destroyed) await once(socket, "end");
    });

    it("can be closed meanwhile", async () => {
      const client = new TunnelClient({ port: upstream.port, relayUrl: "https://relay.test", proxyUrl });
      const started = client.start();
      const socket = await connected;
      const ended = once(socket, "end");
      await client.close();
      await expect(started).rejects.toMatchObject({ code: "session_closed" });
      await ended;
    });
  });
});
