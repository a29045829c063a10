import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { createRelay } from "mcp-tunnel";
import { startTunnelClient } from "mcp-tunnel-client";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { frame, types, UPGRADE } from "../../packages/protocol/test/support/wire.js";
import { Http2Visitor } from "../../packages/relay/test/http2-support.js";
import { launchBrowser } from "../support/browser.js";
import { closingAfterEach } from "../support/cleanup.js";
import { missingProgram } from "../support/requires.js";
import { connectRawClient } from "./support/raw-peers.js";
import { RawVisitor } from "./support/raw-visitor.js";
import { startSecureRelay } from "./support/servers.js";

/**
 * The attack: `Clear-Site-Data: "cookies"`, meant for a log-out page, makes the browser forget all cookies of
 * the registrable domain, which all tunnels share. If a visitor looks at one page, or one image, of the
 * attacker's tunnel, he is logged out of every other tunnel, and of all other services on the domain.
 *
 * The defence: the relay takes `"cookies"` out, and `"*"` becomes everything but cookies. The rest is about
 * the tunnel's own origin.
 */
const close = closingAfterEach();

const clearing = ['"cookies"', '"*"', '"storage", "cookies"'];
const spared = [
  '"cache", "clientHints", "executionContexts", "prefetchCache", "prerenderCache", "storage"',
  '"storage"',
];

let evil: Server;
let good: Server;
beforeAll(async () => {
  evil = createServer((_req, res) => {
    res.writeHead(200, { "clear-site-data": clearing, "content-type": "text/plain" });
    res.end("cleared");
  });
  evil.on("upgrade", (_req, socket: Socket) => {
    socket.end(
      "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n" +
        clearing.map((value) => `Clear-Site-Data: ${value}\r\n`).join("") +
        "\r\n",
    );
  });
  good = createServer((req, res) => {
    if (req.url === "/set") res.setHeader("set-cookie", "mine=1; Path=/");
    res.setHeader("content-type", "text/plain");
    res.end(`cookies: ${req.headers.cookie ?? "none"}`);
  });
  for (const server of [evil, good]) {
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
  }
});
afterAll(() => {
  evil.close();
  good.close();
});

async function startTunnels(options = {}): Promise<number> {
  const relay = createRelay({ domain: "tunnel.test", host: "127.0.0.1", port: 0, ...options });
  const { port } = await relay.listen();
  close({ close: () => relay.close(0) });
  const relayUrl = `http://127.0.0.1:${port}`;
  for (const [subdomain, server] of [
    ["evil", evil],
    ["good", good],
  ] as const) {
    close(await startTunnelClient({ port: (server.address() as AddressInfo).port, relayUrl, subdomain }));
  }
  return port;
}

async function clearedBy(port: number, ...fields: string[]): Promise<string[]> {
  const visitor = close(new RawVisitor({ port }));
  visitor.send(["GET / HTTP/1.1", "Host: evil.tunnel.test", ...fields, "", ""].join("\r\n"));
  return [...(await visitor.all()).matchAll(/^Clear-Site-Data: (.*)\r$/gim)].map(
    (match) => match[1] as string,
  );
}

/** RFC 6455 section 4.2.2. */
function acceptOf(key: string): string {
  return createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
}

it("an answer clears no cookies", async () => {
  expect(await clearedBy(await startTunnels(), "Connection: close")).toEqual(spared);
});

it("nor does a 101", async () => {
  expect(await clearedBy(await startTunnels(), "Connection: upgrade", "Upgrade: x")).toEqual(spared);
});

it("nor an answer over HTTP/2, or a WebSocket's there", async () => {
  const relay = close(await startSecureRelay());
  const hostile = close(await connectRawClient(relay.plainPort, "app"));
  const visitor = close(await Http2Visitor.connect(relay.securePort));
  const visit = visitor.request({ ":authority": "app.tunnel.test" }).read();
  const fields = clearing.flatMap((value) => ["Clear-Site-Data", value]);
  hostile.answer((await hostile.next("REQUEST")).stream, "ok", fields);
  expect((await visit.head)["clear-site-data"]).toBe(spared.join(", "));

  const before = hostile.frames.length;
  const socket = visitor.request(
    {
      ":authority": "app.tunnel.test",
      ":method": "CONNECT",
      ":protocol": "websocket",
      ":scheme": "https",
      ":path": "/",
    },
    null,
  );
  const { stream, flags, payload } = await hostile.next("REQUEST", before);
  expect(flags & UPGRADE).toBe(UPGRADE);
  const lines = payload.toString("latin1").split("\n");
  const accept = acceptOf(lines[lines.indexOf("sec-websocket-key") + 1] as string);
  const head = [
    "101",
    "Connection",
    "Upgrade",
    "Upgrade",
    "websocket",
    "Sec-WebSocket-Accept",
    accept,
    ...fields,
  ];
  hostile.send(frame(types.RESPONSE, stream, head.join("\n")));
  expect(await socket.head).toMatchObject({ ":status": 200, "clear-site-data": spared.join(", ") });
});

it("--cookie-domain keep leaves it to the tunnels", async () => {
  const port = await startTunnels({ cookieDomain: "keep" });
  expect(await clearedBy(port, "Connection: close")).toEqual(clearing);
});

describe.skipIf(missingProgram("chromium"))("in Chromium", () => {
  /** The good tunnel's view of its own cookie after a visit to the evil one. */
  async function afterVisit(options: object): Promise<string | null> {
    const port = await startTunnels(options);
    // Browsers obey the field only on a secure connection, or on one that the user declared secure.
    const secure = `--unsafely-treat-insecure-origin-as-secure=http://evil.tunnel.test:${port}`;
    const browser = close(await launchBrowser([secure]));
    const page = await browser.newPage();
    await page.goto(`http://good.tunnel.test:${port}/set`);
    await page.goto(`http://good.tunnel.test:${port}/`);
    expect(await page.textContent("body")).toBe("cookies: mine=1");
    await page.goto(`http://evil.tunnel.test:${port}/`);
    await page.goto(`http://good.tunnel.test:${port}/`);
    return page.textContent("body");
  }

  it("a visit to one tunnel leaves the cookies of the other", async () => {
    expect(await afterVisit({})).toBe("cookies: mine=1");
  });

  it("with --cookie-domain keep it does not: the attack is real", async () => {
    expect(await afterVisit({ cookieDomain: "keep" })).toBe("cookies: none");
  });
});
