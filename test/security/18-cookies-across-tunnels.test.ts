import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { createRelay } from "mcp-tunnel";
import { startTunnelClient } from "mcp-tunnel-client";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { launchBrowser } from "../support/browser.js";
import { closingAfterEach } from "../support/cleanup.js";
import { missingProgram } from "../support/requires.js";
import { RawVisitor } from "./support/raw-visitor.js";

/**
 * The attack: tunnels are neighbours below one domain, which a cookie may cover: `Domain=tunnel.test`. One
 * tunnel plants a cookie that all others then get, with a session of its own choosing or a name that shadows
 * theirs ("cookie tossing"). Or it wants to see the cookies that others set.
 *
 * The defence: the relay takes a Domain that covers more than the tunnel itself out of Set-Cookie. It does
 * not see the cookies that scripts set by themselves: only the Public Suffix List helps against those
 * (docs/security.md).
 */
const close = closingAfterEach();

/** A service that sets the given cookies, and shows the cookies that it gets. */
function startCookieServer(cookies: readonly string[]): Promise<Server> {
  const server = createServer((req, res) => {
    res.setHeader("content-type", "text/plain");
    if (req.url === "/set") res.setHeader("set-cookie", cookies);
    res.end(`cookies: ${req.headers.cookie ?? "none"}`);
  });
  server.listen(0, "127.0.0.1");
  return once(server, "listening").then(() => server);
}

const planted = [
  "plain=1",
  "wide=1; Domain=tunnel.test; Path=/",
  "dotted=1; Domain=.tunnel.test",
  "spaced=1; Path=/ ;  domain = TUNNEL.test ; HttpOnly",
  "rooted=1; Domain=tunnel.test.",
  "encoded=1; Domain=%74unnel.test",
  "twice=1; Domain=evil.tunnel.test; Domain=tunnel.test",
  "own=1; Domain=evil.tunnel.test",
  'quoted="a; Domain=tunnel.test"; Path=/',
  `java=1; Domain=".tunnel.test"`,
  "java2=1; Domain='tunnel.test' ; Path=/",
];

let evil: Server;
let good: Server;
beforeAll(async () => {
  [evil, good] = await Promise.all([startCookieServer(planted), startCookieServer(["mine=1; Path=/"])]);
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

async function cookiesSet(port: number): Promise<string[]> {
  const visitor = close(new RawVisitor({ port }));
  visitor.send("GET /set HTTP/1.1\r\nHost: evil.tunnel.test\r\nConnection: close\r\n\r\n");
  return [...(await visitor.all()).matchAll(/^Set-Cookie: (.*)\r$/gim)].map((match) => match[1] as string);
}

it("takes out what covers the domain, and leaves everything else as it is", async () => {
  expect(await cookiesSet(await startTunnels())).toEqual([
    "plain=1",
    "wide=1; Path=/",
    "dotted=1",
    "spaced=1; Path=/ ; HttpOnly",
    "rooted=1",
    "encoded=1",
    "twice=1; Domain=evil.tunnel.test",
    "own=1; Domain=evil.tunnel.test",
    // A quote makes the name invalid: browsers drop such a cookie.
    'quoted="a; Domain=tunnel.test"; Path=/',
    "java=1",
    "java2=1; Path=/",
  ]);
});

it("--cookie-domain keep leaves it to the tunnels", async () => {
  expect(await cookiesSet(await startTunnels({ cookieDomain: "keep" }))).toEqual(planted);
});

describe.skipIf(missingProgram("chromium"))("in Chromium", () => {
  it("one tunnel's cookies never reach the other", async () => {
    const port = await startTunnels();
    const browser = close(await launchBrowser());
    const page = await browser.newPage();
    await page.goto(`http://evil.tunnel.test:${port}/set`);
    await page.goto(`http://evil.tunnel.test:${port}/`);
    // The tunnel has its own cookies: the browser took them for the host that set them.
    expect(await page.textContent("body")).toMatch(/plain=1.*wide=1.*dotted=1/);
    await page.goto(`http://good.tunnel.test:${port}/`);
    expect(await page.textContent("body")).toBe("cookies: none");
    await page.goto(`http://good.tunnel.test:${port}/set`);
    await page.goto(`http://evil.tunnel.test:${port}/`);
    expect(await page.textContent("body")).not.toContain("mine=1");
  });

  it("with --cookie-domain keep they do: the attack is real", async () => {
    const port = await startTunnels({ cookieDomain: "keep" });
    const browser = close(await launchBrowser());
    const page = await browser.newPage();
    await page.goto(`http://evil.tunnel.test:${port}/set`);
    await page.goto(`http://good.tunnel.test:${port}/`);
    expect(await page.textContent("body")).toContain("wide=1");
  });
});
