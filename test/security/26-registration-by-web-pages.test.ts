import { once } from "node:events";
import { createServer, type IncomingMessage, type Server } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { createRelay, type Relay } from "mcp-tunnel";
import { TunnelClient } from "mcp-tunnel-client";
import { beforeEach, describe, expect, it } from "vitest";
import { ask, startAdminRelay } from "../admin/support.js";
import { launchBrowser } from "../support/browser.js";
import { closingAfterEach } from "../support/cleanup.js";
import { LogWatch } from "../support/log-watch.js";
import { missingProgram } from "../support/requires.js";
import { connectRawClient, tryToRegister } from "./support/raw-peers.js";
import { RawVisitor, statuses } from "./support/raw-visitor.js";

/**
 * The attack: a web page opens a WebSocket to the relay, as pages may to any host, and registers. On an open
 * relay it takes over any name it likes, with the help of any reader of the page who can reach the relay.
 *
 * The defence: browsers tell in the handshake that a page is behind it, clients never do. Such a handshake
 * gets 403 before anything is counted for the address of the page's reader. The operator's listener lets no
 * page in either.
 */
const closing = closingAfterEach();
let relay: Relay;
let port: number;
let log: LogWatch;
const events: string[] = [];

beforeEach(async () => {
  events.length = 0;
  log = new LogWatch();
  relay = createRelay({
    domain: "tunnel.test",
    host: "127.0.0.1",
    port: 0,
    startupHoldMs: 0,
    logger: log.logger,
    limitExempt: [],
    maxRegistrationsPerMinute: 3,
    observers: [{ onEnd() {}, onTunnelEvent: ({ type }) => events.push(type) }],
  });
  ({ port } = await relay.listen());
  closing({ close: () => relay.close(0) });
});

async function handshake(host: string, ...fields: string[]): Promise<string> {
  const visitor = closing(new RawVisitor({ port }));
  const upgrade = [
    ...["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"],
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
  ];
  const head = ["GET /_tunnel/register HTTP/1.1", `Host: ${host}`, ...upgrade, ...fields, "", ""];
  visitor.send(head.join("\r\n"));
  await visitor.until((text) => text.includes("\r\n\r\n"));
  return visitor.received.startsWith("HTTP/1.1 101 ") ? visitor.received : visitor.all();
}

async function listening(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  closing({
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  });
  return (server.address() as AddressInfo).port;
}

describe("a handshake that comes from a web page", () => {
  it.each([
    ["Origin", "Origin: https://evil.example"],
    ["Origin", "Origin: http://tunnel.test"],
    ["Origin", "oRIGIN: null"],
    ["Origin", "Origin:"],
    ["Origin", "ORIGIN: https://a.example", "Origin: https://b.example"],
    ["Sec-WebSocket-Origin", "sec-websocket-origin: https://evil.example"],
    ["Sec-Fetch-Site", "sec-fetch-site: cross-site"],
    ["Sec-Fetch-Mode", "Sec-Fetch-Mode: websocket"],
    ["Sec-Fetch-Dest", "Sec-Fetch-Dest: empty"],
  ])("is refused for its %s: %s", async (field, ...fields) => {
    const reason = `tunnel registration is not for web pages: the request has ${field}`;
    for (const host of ["tunnel.test", "app.tunnel.test", "elsewhere.test"]) {
      const answer = await handshake(host, ...fields);
      expect(statuses(answer)).toEqual([403]);
      expect(answer).toContain("\r\nX-Tunnel-Error: registration_by_web_page\r\n");
      expect(answer.slice(answer.indexOf("\r\n\r\n") + 4)).toBe(reason);
    }
    expect(await log.waitForJson({ msg: "registration refused", code: 403, reason })).toMatchObject({
      address: "127.0.0.1",
    });
    expect(events).toEqual(["refused", "refused", "refused"]);
  });

  it("uses up nothing of what the reader's own clients may do", async () => {
    for (let i = 0; i < 10; i++) {
      expect(statuses(await handshake("tunnel.test", "Origin: https://evil.example"))).toEqual([403]);
    }
    const { outcome, peer } = await tryToRegister(port, { token: "t", subdomain: "app" });
    closing(peer);
    expect(outcome).toBe("app");
  });
});

describe.skipIf(missingProgram("chromium"))("a page in a browser", () => {
  it("cannot take a name, which stays with who holds it", { timeout: 60_000 }, async () => {
    const holder = closing(await connectRawClient(port, "app"));
    const pages = createServer((_req, res) => res.end("<!doctype html><title>x</title>"));
    const pagePort = await listening(pages);
    const browser = closing(await launchBrowser());
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${pagePort}/`);
    const outcome = await page.evaluate(
      `new Promise((resolve) => {
        const ws = new WebSocket("ws://127.0.0.1:${port}/_tunnel/register");
        ws.onopen = () => ws.send(JSON.stringify({ token: "t", subdomain: "app" }));
        ws.onmessage = (event) => resolve("registered: " + event.data);
        ws.onclose = (event) => resolve("closed " + event.code);
      })`,
    );
    expect(outcome).toBe("closed 1006");
    expect(relay.tunnels()).toMatchObject([{ name: "app", wire: "v1" }]);
    expect(holder.ws.readyState).toBe(holder.ws.OPEN);
  });

  it("reaches nothing of the operator's listener, not even to embed it", { timeout: 60_000 }, async () => {
    const { admin } = closing(await startAdminRelay());
    const pagePort = await listening(createServer((_req, res) => res.end("<!doctype html><title>x</title>")));
    const browser = closing(await launchBrowser());
    const page = await browser.newPage();
    const answers: (number | string)[] = [];
    page.on("response", (response) => {
      if (response.url().startsWith(`${admin}/`)) answers.push(response.status());
    });
    page.on("requestfailed", (request) => {
      if (request.url().startsWith(`${admin}/`)) answers.push(request.failure()?.errorText ?? "");
    });
    await page.goto(`http://127.0.0.1:${pagePort}/`);
    const outcomes = await page.evaluate(
      `Promise.allSettled([
        fetch("${admin}/metrics", { mode: "no-cors" }),
        fetch("${admin}/api/tunnels"),
        fetch("${admin}/api/tunnels/app", { method: "DELETE" }),
        fetch("${admin}/api/tunnels/app", { method: "POST", mode: "no-cors", body: "x" }),
        new Promise((resolve, reject) => Object.assign(new Image(), { src: "${admin}/api/tunnels", onerror: reject, onload: resolve })),
      ]).then((all) => all.map(({ status }) => status))`,
    );
    expect(outcomes).toEqual(Array.from({ length: 5 }, () => "rejected"));
    // The listener has answered, and the browser keeps even that from the page.
    expect(answers).toContain("net::ERR_BLOCKED_BY_RESPONSE.NotSameOrigin");
    expect(answers.filter((answer) => typeof answer === "number" && answer !== 403)).toEqual([]);
  });
});

describe("the operator's listener", () => {
  it("answers programs and typed addresses, and no page that links to it or embeds it", async () => {
    const { admin } = closing(await startAdminRelay());
    const statusFor = async (headers: Record<string, string>): Promise<number> =>
      (await ask(`${admin}/api/tunnels`, { headers })).status;
    expect(await statusFor({})).toBe(200);
    expect(await statusFor({ "sec-fetch-site": "none" })).toBe(200);
    for (const site of ["cross-site", "same-site", "same-origin", ""]) {
      expect([site, await statusFor({ "sec-fetch-site": site })]).toEqual([site, 403]);
    }
    expect(await statusFor({ origin: "" })).toBe(403);
    expect(await statusFor({ origin: "null" })).toBe(403);
  });
});

describe("our client", () => {
  it.each(["directly", "through a proxy"])("sends no such field %s", async (way) => {
    const heads: IncomingMessage[] = [];
    const server = createServer();
    server.on("upgrade", (req, socket) => {
      heads.push(req);
      socket.end("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n");
    });
    const relayPort = await listening(server);
    const proxy = createServer();
    const tunnelled: IncomingMessage[] = [];
    proxy.on("connect", (req, socket: Socket) => {
      tunnelled.push(req);
      const upstream = connect(relayPort, "127.0.0.1", () => {
        socket.write("HTTP/1.1 200 OK\r\n\r\n");
        upstream.pipe(socket).pipe(upstream);
      });
      socket.on("error", () => upstream.destroy());
      upstream.on("error", () => socket.destroy());
    });
    const proxyPort = await listening(proxy);
    const client = closing(
      new TunnelClient({
        port: 9,
        relayUrl: `http://127.0.0.1:${relayPort}`,
        token: "t",
        ...(way === "directly" ? {} : { proxyUrl: `http://127.0.0.1:${proxyPort}` }),
      }),
    );
    await expect(client.start()).rejects.toThrow("503");
    expect(heads).toHaveLength(1);
    expect(tunnelled).toHaveLength(way === "directly" ? 0 : 1);
    const names = heads.flatMap(({ rawHeaders }) => rawHeaders.filter((_, i) => i % 2 === 0));
    expect(names.filter((name) => /origin|^sec-fetch/i.test(name))).toEqual([]);
  });
});
