import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { startTunnelClient } from "mcp-tunnel-client";
import { Agent, request } from "undici";
import { it } from "vitest";
import { startAdminRelay } from "../admin/support.js";
import { launchBrowser } from "../support/browser.js";
import { createFolder } from "../support/certificates.js";
import { closingAfterEach } from "../support/cleanup.js";
import { save } from "./save.js";

// Makes the picture of the relay's page: a relay with tunnels of several people, in use for some minutes.

const closing = closingAfterEach();
const secret = "for-this-picture-alone";
const domain = "tunnel.example.com";
/** Names, and how many requests each has in a second. */
const tunnels: readonly (readonly [name: string, perSecond: number])[] = [
  ["weather", 9],
  ["docs", 4],
  ["api-staging", 12],
  ["notes", 1],
];
/** As many answers of the relay as fill most of a chart. */
const polls = 120;

it("makes the picture of the dashboard", { timeout: 480_000 }, async () => {
  const folder = closing(createFolder());
  const relay = closing(
    await startAdminRelay([
      ...["--domain", domain, "--admin-secret", secret, "--max-request-body", "1MiB"],
      ...["--token-file", folder.write("tokens.yaml", "tokens: []\n")],
    ]),
  );
  const headers = {
    authorization: `Bearer ${secret}`,
    origin: relay.admin,
    "content-type": "application/json",
  };
  const agent = new Agent();
  closing({ close: () => agent.close() });
  const visit = async (name: string, path: string, body?: Buffer): Promise<void> => {
    const answer = await request(`http://127.0.0.1:${relay.port}${path}`, {
      dispatcher: agent,
      method: body === undefined ? "GET" : "POST",
      headers: { host: `${name}.${domain}` },
      body: body ?? null,
    });
    await answer.body.dump();
  };
  for (const [name, perSecond] of tunnels) {
    const created = await request(`${relay.admin}/api/tokens`, {
      method: "POST",
      headers,
      body: JSON.stringify({ subdomains: [name], note: `${name} team` }),
    });
    const { token } = (await created.body.json()) as { token: string };
    const service = createServer((req, res) => {
      const status = req.url?.startsWith("/missing") ? 404 : req.url?.startsWith("/broken") ? 500 : 200;
      const answer = (): void => {
        res.writeHead(status).end(Buffer.alloc(2_000 + Math.floor(Math.random() * 40_000)));
      };
      req.resume();
      // Some take a while, as tools do.
      if (Math.random() < 0.7) answer();
      else setTimeout(answer, Math.random() * 5_000);
    });
    await new Promise<void>((resolve) => service.listen(0, "127.0.0.1", resolve));
    closing({ close: () => new Promise((resolve) => service.close(resolve)) });
    const { port } = service.address() as AddressInfo;
    const relayUrl = `http://127.0.0.1:${relay.port}`;
    closing(await startTunnelClient({ port, relayUrl, token, subdomain: name }));
    let at = 0;
    const timer = setInterval(() => {
      at += 1;
      // Some come together, as those of browsers do, and the load has its waves.
      const wave = 1 + Math.sin(at / (9 + perSecond));
      const count = Math.round(Math.random() * wave * perSecond);
      for (let i = 0; i < count; i += 1) {
        const path = i % 17 === 9 ? "/missing" : at % 40 === 7 ? "/broken" : "/";
        const body = i % 3 === 0 ? Buffer.alloc(Math.floor(Math.random() * 30_000)) : undefined;
        void visit(name, path, body).catch(() => {});
      }
      if (at % 45 === 30) void visit(name, "/", Buffer.alloc(2_000_000)).catch(() => {});
      if (at % 20 === 3) void visit("nobody", "/").catch(() => {});
    }, 1_000);
    closing({ close: () => Promise.resolve(clearInterval(timer)) });
  }

  const browser = closing(await launchBrowser());
  const context = await browser.newContext({ deviceScaleFactor: 1.5, colorScheme: "dark" });
  const page = await context.newPage();
  let answers = 0;
  const enough = new Promise<void>((resolve) => {
    page.on("response", (response) => {
      if (response.url().endsWith("/api/overview")) answers += 1;
      if (answers === polls) resolve();
    });
  });
  await page.goto(`${relay.admin}/?view=relay#${secret}`);
  await enough;
  await save(page, "dashboard", { width: 1_000, height: 700 });
});
