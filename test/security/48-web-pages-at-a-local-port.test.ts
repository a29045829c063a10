import { createRelay } from "mcp-tunnel";
import { startTunnelClient } from "mcp-tunnel-client";
import { beforeEach, describe, expect, it } from "vitest";
import { closingAfterEach } from "../support/cleanup.js";
import { startUpstream, type Upstream } from "../support/upstream.js";
import { RawVisitor } from "./support/raw-visitor.js";

/**
 * The attack: a developer's relay has a local port for the tunnel of an MCP server, and the developer reads a
 * page of evil.example. A second later that name leads to 127.0.0.1 (DNS rebinding). For the browser the page
 * and whatever answers at the local port are now one origin: the page may call tools and read the answers.
 * The guards of the local service do not help, because the tunnel's client gives it the Host that it expects,
 * and takes an Origin that agrees with the Host for the tunnel's own.
 *
 * The defence: a local port chooses nothing by the Host, but answers only if the Host is `localhost` or an
 * address of this machine. A page cannot choose its Host. A page of another origin that asks for localhost by
 * that name sends its own Origin, which reaches the service unchanged.
 */
const closing = closingAfterEach();
let upstream: Upstream;
let port: number;

beforeEach(async () => {
  upstream = closing(await startUpstream());
  const relay = createRelay({
    domain: "localhost",
    host: "127.0.0.1",
    port: 0,
    startupHoldMs: 0,
    localPorts: { demo: 0 },
  });
  const address = await relay.listen();
  closing({ close: () => relay.close(0) });
  port = relay.localPorts.get("demo") as number;
  const relayUrl = `http://127.0.0.1:${address.port}`;
  closing(await startTunnelClient({ relayUrl, token: "t", subdomain: "demo", port: upstream.port }));
});

async function answerTo(...lines: string[]): Promise<string> {
  const visitor = closing(new RawVisitor({ port }));
  visitor.send([...lines, "Connection: close", "", ""].join("\r\n"));
  return visitor.all();
}

describe("a page whose name was made to lead to the local port", () => {
  it.each([
    "evil.example",
    "evil.example:80",
    "demo.evil.example",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "evil.localhost",
    "demo.localhost",
    "0.0.0.0",
    "127.1",
    "2130706433",
    "[::]",
    "[::ffff:10.0.0.1]",
    "192.168.0.1",
  ])("is refused, and the service hears nothing: Host %s", async (host) => {
    const answer = await answerTo("GET /echo HTTP/1.1", `Host: ${host}`, `Origin: http://${host}`);
    expect(answer).toMatch(/^HTTP\/1\.1 421 /);
    expect(answer).toContain("X-Tunnel-Error: unserved_host");
    expect(upstream.requests).toEqual([]);
  });

  it.each([
    ["no Host", [], "400 "],
    ["two Hosts", ["Host: localhost", "Host: evil.example"], "400 "],
    ["a Host with a name before it", ["Host: localhost@evil.example"], "400 "],
  ])("is refused with %s", async (_what, fields, status) => {
    expect(await answerTo("GET /echo HTTP/1.1", ...fields)).toContain(`HTTP/1.1 ${status}`);
    expect(upstream.requests).toEqual([]);
  });

  it("is refused with a target that names another host", async () => {
    expect(await answerTo("GET http://evil.example/echo HTTP/1.1", "Host: localhost")).toMatch(
      /^HTTP\/1\.1 400 /,
    );
    expect(upstream.requests).toEqual([]);
  });

  it("opens no WebSocket, and registers no tunnel", async () => {
    const upgrade = [
      ...["Upgrade: websocket", "Sec-WebSocket-Version: 13"],
      "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
    ];
    for (const path of ["/websocket", "/_tunnel/register"]) {
      const visitor = closing(new RawVisitor({ port }));
      const head = [`GET ${path} HTTP/1.1`, "Host: evil.example", "Connection: Upgrade", ...upgrade, "", ""];
      visitor.send(head.join("\r\n"));
      expect(await visitor.all()).toMatch(/^HTTP\/1\.1 4\d\d /);
    }
    expect(upstream.requests).toEqual([]);
  });
});

describe("a page of another origin that asks for localhost", () => {
  it.each(["https://evil.example", "http://localhost:1", "http://evil.localhost:8080", "null"])(
    "comes to the service with its own Origin: %s",
    async (origin) => {
      await answerTo("GET /status/200 HTTP/1.1", `Host: localhost:${port}`, `Origin: ${origin}`);
      const [request] = upstream.requests;
      const at = request?.rawHeaders.findIndex((name) => name.toLowerCase() === "origin") ?? -1;
      expect(request?.rawHeaders[at + 1]).toBe(origin);
    },
  );
});
