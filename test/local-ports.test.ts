import { execFile } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, connect, createServer as createNetServer } from "node:net";
import { promisify } from "node:util";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { createRelay, type ExchangeRecord, type Relay, type RelayOptions } from "mcp-tunnel";
import {
  createService,
  startTunnelClient,
  type TunnelClient,
  type TunnelClientOptions,
} from "mcp-tunnel-client";
import { createGate } from "mcp-tunnel-gate";
import { gated } from "mcp-tunnel-gate/service";
import { describe, expect, it } from "vitest";
import WebSocket from "ws";
import { createMetrics } from "../packages/relay/src/admin/metrics.js";
import { createAdminServer } from "../packages/relay/src/admin/server.js";
import { type RelayStatus, statusTable } from "../packages/relay/src/cli/output/status-table.js";
import { startV2Server } from "./mcp/servers.js";
import { closingAfterEach } from "./support/cleanup.js";
import { expectNoLeaks } from "./support/leaks.js";
import { LogWatch } from "./support/log-watch.js";
import { missingProgram } from "./support/requires.js";
import { startUpstream, type Upstream } from "./support/upstream.js";

const closing = closingAfterEach();
const hasIpv6 = await new Promise<boolean>((resolve) => {
  const probe = createNetServer().on("error", () => resolve(false));
  probe.listen(0, "::1", () => probe.close(() => resolve(true)));
});

interface World {
  relay: Relay;
  relayPort: number;
  port: number;
  /** The local port of the tunnel `demo`. */
  url: string;
  records: ExchangeRecord[];
}

async function startRelay(options: Partial<RelayOptions> = {}): Promise<World> {
  const records: ExchangeRecord[] = [];
  const relay = createRelay({
    domain: "localhost",
    host: "127.0.0.1",
    port: 0,
    startupHoldMs: 0,
    localPorts: { demo: 0 },
    observers: [{ onEnd: (record) => records.push(record) }],
    ...options,
  });
  const { port: relayPort } = await relay.listen();
  closing({ close: () => relay.close(0) });
  const port = relay.localPorts.get("demo") as number;
  return { relay, relayPort, port, url: `http://localhost:${port}`, records };
}

async function startClient(world: World, options: Partial<TunnelClientOptions>): Promise<TunnelClient> {
  const relayUrl = `http://127.0.0.1:${world.relayPort}`;
  return closing(await startTunnelClient({ relayUrl, token: "demo", subdomain: "demo", ...options }));
}

async function startTunnel(options?: Partial<RelayOptions>): Promise<World & { upstream: Upstream }> {
  const upstream = closing(await startUpstream());
  const world = await startRelay(options);
  await startClient(world, { port: upstream.port });
  return { ...world, upstream };
}

describe("a local port leads to its tunnel", () => {
  it("for Node's fetch, which does not resolve names below localhost, and over either loopback", async () => {
    const { port, url, records } = await startTunnel();
    for (const origin of [url, `http://127.0.0.1:${port}`, ...(hasIpv6 ? [`http://[::1]:${port}`] : [])]) {
      const answer = await fetch(`${origin}/echo?a=1`, { method: "POST", body: "hello" });
      expect([answer.status, await answer.text()]).toEqual([200, "hello"]);
    }
    expect(records[0]).toMatchObject({ name: "demo", path: "/echo", status: 200, address: "127.0.0.1" });
  });

  it.skipIf(missingProgram("curl"))("for curl", async () => {
    const { url } = await startTunnel();
    const { stdout } = await promisify(execFile)("curl", ["-sS", "-d", "from curl", `${url}/echo`]);
    expect(stdout).toBe("from curl");
  });

  it("for a WebSocket, and for an event stream as it happens", async () => {
    const { url, upstream } = await startTunnel();
    const ws = closing(new WebSocket(`${url.replace("http", "ws")}/websocket`));
    await once(ws, "open");
    ws.send("hello");
    const [message] = (await once(ws, "message")) as [Buffer];
    expect(message.toString()).toBe("hello");

    const events = await fetch(`${url}/sse`);
    const reader = events.body?.getReader();
    upstream.emit("first");
    const { value } = (await reader?.read()) ?? {};
    expect(Buffer.from(value as Uint8Array).toString()).toContain("first");
    await reader?.cancel();
  });

  it("for the official MCP client, with no lookup of its own", async () => {
    const server = closing(await startV2Server());
    const world = await startRelay();
    const { url } = await startClient(world, { port: server.port });
    const client = new Client({ name: "test", version: "1" }, { versionNegotiation: { mode: "auto" } });
    closing(client);
    await client.connect(new StreamableHTTPClientTransport(new URL(`${url}/mcp`)));
    const answer = await client.callTool({ name: "add", arguments: { a: 2, b: 3 } });
    expect(answer.content).toEqual([{ type: "text", text: "5" }]);
  });

  it("whose own paths are all the service's, the registration's too", async () => {
    const { url, upstream } = await startTunnel();
    const received = upstream.nextRequest();
    await (await fetch(`${url}/_tunnel/register`)).text();
    expect((await received).path).toBe("/_tunnel/register");

    const ws = new WebSocket(`${url.replace("http", "ws")}/_tunnel/register`);
    const asked = upstream.nextRequest();
    await once(ws, "error");
    expect((await asked).path).toBe("/_tunnel/register");
  });
});

describe("an origin of its own", () => {
  it("is what the client is told, where the public name would be below localhost", async () => {
    const world = await startRelay();
    const upstream = closing(await startUpstream());
    const { url } = await startClient(world, { port: upstream.port });
    expect(url).toBe(world.url);
    // Another tunnel of the relay has its name, and so have both for browsers and curl.
    const other = await startClient(world, { port: upstream.port, subdomain: "other" });
    expect(other.url).toBe(`http://other.localhost:${world.relayPort}`);
  });

  it("is not what the client is told where the name is public", async () => {
    const world = await startRelay({ domain: "tunnel.example.com" });
    const upstream = closing(await startUpstream());
    const { url } = await startClient(world, { port: upstream.port });
    expect(url).toBe("https://demo.tunnel.example.com");
    expect(await (await fetch(`${world.url}/echo`, { method: "POST", body: "x" })).text()).toBe("x");
  });

  it("is the service's, in what it says of itself and in the Origin that it is told", async () => {
    const seen: (string | undefined)[] = [];
    const service = createServer((req, res) => {
      seen.push(req.headers.host, req.headers.origin);
      const own = `http://${req.headers.host}`;
      if (req.url?.startsWith("/.well-known/") === true) {
        res.setHeader("Content-Type", "application/json");
        res.end(JSON.stringify({ resource: `${own}/mcp`, authorization_servers: [own] }));
      } else res.writeHead(302, { Location: `${own}/next` }).end();
    });
    service.listen(0, "127.0.0.1");
    await once(service, "listening");
    closing(service);
    const { port: servicePort } = service.address() as AddressInfo;

    for (const domain of ["localhost", "tunnel.example.com"]) {
      // The proxy of the front is no proxy here, whatever it says.
      const world = await startRelay({ domain, trustedProxies: ["127.0.0.1"] });
      await startClient(world, { port: servicePort });
      for (const origin of [world.url, `http://127.0.0.1:${world.port}`]) {
        seen.length = 0;
        const moved = await fetch(`${origin}/mcp`, {
          redirect: "manual",
          headers: { Origin: origin, "X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example" },
        });
        expect(moved.headers.get("location")).toBe(`${origin}/next`);
        expect(seen).toEqual([`localhost:${servicePort}`, `http://localhost:${servicePort}`]);

        const metadata = await fetch(`${origin}/.well-known/oauth-protected-resource/mcp`);
        expect(await metadata.json()).toEqual({ resource: `${origin}/mcp`, authorization_servers: [origin] });
      }
    }
  });

  it("is that of a gate with OAuth, on a relay of this machine", async () => {
    const upstream = closing(await startUpstream());
    const world = await startRelay();
    const gate = closing(await createGate({ oauth: { passcode: "a long enough passcode" } }));
    await startClient(world, { service: gated(createService({ port: upstream.port }), gate) });
    const refused = await fetch(`${world.url}/mcp`);
    expect(refused.status).toBe(401);
    const metadataUrl = /resource_metadata="([^"]+)"/.exec(
      refused.headers.get("www-authenticate") ?? "",
    )?.[1];
    const metadata = (await (await fetch(metadataUrl ?? "")).json()) as Record<string, unknown>;
    expect(metadata["resource"]).toBe(`${world.url}/mcp`);
    const [issuer] = metadata["authorization_servers"] as string[];
    const described = await fetch(`${issuer}/.well-known/oauth-authorization-server`);
    expect(await described.json()).toMatchObject({ issuer });
  });
});

describe("as at the front", () => {
  it("limits hold", async () => {
    const { url, records } = await startTunnel({ maxRequestBodyBytes: 10 });
    const tooLarge = await fetch(`${url}/echo`, { method: "POST", body: "more than ten bytes" });
    expect([tooLarge.status, tooLarge.headers.get("x-tunnel-error")]).toEqual([413, "request_too_large"]);
    await tooLarge.text();
    expect(records[0]).toMatchObject({ name: "demo", code: "request_too_large" });
  });

  it("a tunnel that is away is not found", async () => {
    const { url } = await startRelay();
    const answer = await fetch(url);
    expect([answer.status, answer.headers.get("x-tunnel-error")]).toEqual([502, "tunnel_not_found"]);
    await answer.text();
  });

  it("judges are asked, and hear the tunnel's name", async () => {
    const names: string[] = [];
    const judges: RelayOptions["judges"] = [
      ({ name, scheme }) => {
        names.push(name, scheme);
        return undefined;
      },
    ];
    const { url } = await startTunnel({ judges });
    await (await fetch(`${url}/echo`, { method: "POST", body: "" })).text();
    expect(names).toEqual(["demo", "http"]);
  });

  it("a request that is open may end while the relay drains, and no other comes in", async () => {
    const upstream = closing(await startUpstream());
    const world = await startRelay();
    const { relay, url, port } = world;
    const client = await startClient(world, { port: upstream.port });
    const answer = await fetch(`${url}/sse`);
    const reader = answer.body?.getReader();
    // Clients are told when the ports are closed.
    const told = new Promise((resolve) => client.on("reconnecting", resolve));
    const closed = relay.close(10_000);
    await told;
    await expect(once(connect(port, "127.0.0.1"), "connect")).rejects.toThrow("ECONNREFUSED");
    upstream.emit("still here");
    const { value } = (await reader?.read()) ?? {};
    expect(Buffer.from(value as Uint8Array).toString()).toContain("still here");
    await reader?.cancel();
    await closed;
  });
});

describe("the port", () => {
  it("that another program has is named, and nothing stays open", async () => {
    const blocker = createNetServer();
    blocker.listen(0, "127.0.0.1");
    await once(blocker, "listening");
    closing(blocker);
    const { port } = blocker.address() as AddressInfo;
    await expectNoLeaks(async () => {
      const relay = createRelay({
        domain: "localhost",
        host: "127.0.0.1",
        port: 0,
        localPorts: { other: 0, demo: port },
      });
      await expect(relay.listen()).rejects.toMatchObject({
        code: "unavailable",
        message: `cannot listen on 127.0.0.1, port ${port}: another program listens there; stop it or choose another local port`,
      });
      expect(relay.localPorts.size).toBe(0);
      await relay.close(0);
    });
  });

  it("is told in the log, and given back at the end", async () => {
    await expectNoLeaks(async () => {
      const log = new LogWatch();
      const relay = createRelay({
        domain: "localhost",
        host: "127.0.0.1",
        port: 0,
        localPorts: { Demo: 0 },
        logger: log.logger,
      });
      await relay.listen();
      const port = relay.localPorts.get("demo");
      const line = await log.waitForJson({ msg: "local port listening", name: "demo" });
      expect(line["url"]).toBe(`http://localhost:${port}`);
      await relay.close(0);
    });
  });

  it("is in the status of the relay", async () => {
    const { relay, port } = await startRelay();
    const metrics = createMetrics("1");
    const admin = createAdminServer(relay, { host: "127.0.0.1", port: 0, metrics, version: "1" });
    const { port: adminPort } = await admin.listen();
    closing(admin);
    const answer = await fetch(`http://127.0.0.1:${adminPort}/api/tunnels`);
    const status = (await answer.json()) as RelayStatus;
    expect(status.relay.localPorts).toEqual({ demo: port });
    expect(statusTable({ ...status, tunnels: [] }, Date.now())[1]).toBe(
      `demo is at http://localhost:${port}, on the relay's machine`,
    );
  });

  it.each<[string, Record<string, number>, string]>([
    ["a name that is none", { "a.b": 1 }, "the local port's name 'a.b' is not a DNS label"],
    ["one port of two names", { a: 4001, b: 4001 }, "local port 4001 cannot lead to both 'a' and 'b'"],
    ["two ports of one name", { a: 4001, A: 4002 }, "'a' has two local ports"],
  ])("is refused: %s", (_what, localPorts, message) => {
    expect(() => createRelay({ domain: "localhost", localPorts })).toThrow(message);
  });
});

describe("the URLs of a relay for localhost", () => {
  it.each<[string, Partial<RelayOptions>, RegExp]>([
    ["have http and the port", {}, /^http:\/\/demo\.localhost:\d+$/],
    ["below it as well", { domain: "tunnel.localhost" }, /^http:\/\/demo\.tunnel\.localhost:\d+$/],
    ["have https behind a proxy", { trustedProxies: ["127.0.0.1"] }, /^https:\/\/demo\.localhost$/],
    ["are the operator's", { publicUrl: "https://{subdomain}.a.test" }, /^https:\/\/demo\.a\.test$/],
    ["have https elsewhere", { domain: "tunnel.test" }, /^https:\/\/demo\.tunnel\.test$/],
  ])("%s", async (_what, options, expected) => {
    const world = await startRelay({ localPorts: {}, ...options });
    const upstream = closing(await startUpstream());
    expect((await startClient(world, { port: upstream.port })).url).toMatch(expected);
  });

  it("are on its page, whatever local ports there are", async () => {
    const { relayPort } = await startRelay({ localPorts: { myapp: 0 } });
    const page = await (await fetch(`http://localhost:${relayPort}/`)).text();
    expect(page).toContain(`http://myapp.localhost:${relayPort}`);
    expect(page).toContain(`--relay http://localhost:${relayPort}`);
  });
});
