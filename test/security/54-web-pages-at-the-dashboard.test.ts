import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { TunnelClientOptions } from "mcp-tunnel-client";
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { TokenFileAuthenticator } from "../../packages/relay/src/auth/token-file.js";
import { silentLogger } from "../../packages/relay/src/telemetry/log.js";
import { secret, startAdmin, type TestAdmin } from "../admin/in-process.js";
import { launchBrowser } from "../support/browser.js";
import { createFolder, type Folder } from "../support/certificates.js";
import { closingAfterEach } from "../support/cleanup.js";
import { startInProcess } from "../support/in-process.js";
import { missingProgram } from "../support/requires.js";

/**
 * The attack: the operator of a relay has its dashboard open and reads another page meanwhile. That page has
 * the browser ask the admin listener, which it reaches where the attacker does not. It wants a token drawn,
 * with which the attacker takes any name, or it wants tunnels closed and tokens read. The page even knows the
 * secret, as if it had been on a screen that was shared.
 *
 * The defence: each request of a browser has to name the listener as its Host, and to come from its own page.
 * So has each request to what the dashboard alone uses, also one that a tunnel has brought.
 */
const close = closingAfterEach();
const skip = missingProgram("chromium");
const tokens = "# words-of-the-file\ntokens: []\n";

let folder: Folder;
let file: string;
let admin: TestAdmin;
let browser: Browser;
let page: Page;
/** Statuses of what the listener has answered to the browser. */
let statuses: number[] = [];
const other = createServer((_req, res) => {
  res.setHeader("content-type", "text/html").end("<!doctype html><title>evil</title>");
});

beforeAll(async () => {
  folder = createFolder();
  file = folder.write("tokens.yaml", tokens);
  const authenticator = await TokenFileAuthenticator.open(file, silentLogger);
  admin = await startAdmin({ authenticator }, { tokenFile: file });
  other.listen(0, "127.0.0.1");
  await once(other, "listening");
  if (skip) return;
  // Chromium keeps pages of the internet from this machine by itself. Other browsers do not.
  browser = await launchBrowser([
    "--disable-features=LocalNetworkAccessChecks,BlockInsecurePrivateNetworkRequests",
  ]);
  const context = await browser.newContext();
  context.on("response", (response) => {
    if (new URL(response.url()).port === String(admin.adminPort)) statuses.push(response.status());
  });
  page = await context.newPage();
});
afterAll(async () => {
  await browser?.close();
  await admin.close();
  folder.close();
  other.close();
  other.closeAllConnections();
});
afterEach(() => {
  // No token was drawn, whatever was tried.
  expect(readFileSync(file, "utf8")).toBe(tokens);
});

/** What the page's script learns: `source` is the body of an async function. */
async function run(source: string): Promise<string> {
  const names = { origin: admin.origin, secret, body: '{"subdomains":["*"]}' };
  const given = Object.entries(names).map(([name, value]) => `const ${name} = ${JSON.stringify(value)};`);
  const tries = `try { ${source} } catch (error) { return "threw " + error; }`;
  return (
    JSON.stringify(await page.evaluate(`(async () => { ${given.join(" ")} ${tries} })()`)) ?? "undefined"
  );
}

const shown = `{ authorization: "Bearer " + secret, "content-type": "application/json" }`;
const attacks: Readonly<Record<string, string>> = {
  "a fetch": `return await (await fetch(origin + "/api/tokens")).text()`,
  "a fetch of the page": `return await (await fetch(origin + "/")).text()`,
  "a fetch with the secret": `return await (await fetch(origin + "/api/tokens", { headers: ${shown} })).text()`,
  "a fetch of the tunnels with the secret": `return await (await fetch(origin + "/api/tunnels", { headers: ${shown} })).text()`,
  "a fetch of the metrics without CORS": `return (await fetch(origin + "/metrics", { mode: "no-cors" })).type`,
  "a new token, with the secret": `return await (await fetch(origin + "/api/tokens", { method: "POST", headers: ${shown}, body })).text()`,
  "a new token without CORS": `return (await fetch(origin + "/api/tokens", { method: "POST", mode: "no-cors", body })).type`,
  "a tunnel closed, with the secret": `return await (await fetch(origin + "/api/tunnels/app", { method: "DELETE", headers: ${shown} })).text()`,
  "a beacon": `return String(navigator.sendBeacon(origin + "/api/tokens", new Blob([body], { type: "text/plain" })))`,
  "a form": `const frame = document.createElement("iframe");
    frame.name = "sink" + Math.random();
    document.body.append(frame);
    const form = { target: frame.name, method: "post", enctype: "text/plain", action: origin + "/api/tokens" };
    const element = Object.assign(document.createElement("form"), form);
    document.body.append(element);
    const loaded = new Promise((resolve) => (frame.onload = resolve));
    element.submit();
    await loaded;
    return frame.contentDocument === null ? "closed" : frame.contentDocument.body.textContent`,
  "a WebSocket": `return await new Promise((resolve) => {
    const ws = new WebSocket(origin.replace("http", "ws") + "/api/overview");
    ws.onmessage = ({ data }) => resolve(data);
    ws.onclose = ({ code }) => resolve("closed " + code);
  })`,
  "a script": `return await new Promise((resolve) => {
    const script = Object.assign(document.createElement("script"), { src: origin + "/api/tunnels" });
    script.onload = () => resolve("loaded");
    script.onerror = () => resolve("failed");
    document.head.append(script);
  })`,
};

describe.skipIf(skip).each(["127.0.0.1", "evil.tunnel.test"])("a page of %s", (host) => {
  beforeAll(async () => {
    await page.goto(`http://${host}:${(other.address() as AddressInfo).port}/`);
  });

  it.each(Object.entries(attacks))("learns and changes nothing by %s", async (_name, source) => {
    statuses = [];
    expect(await run(source)).toMatch(/^"(?:threw |failed|closed|opaque|true)/);
    // Whatever has come through to the listener was refused.
    for (const status of statuses) expect(status).toBeGreaterThanOrEqual(400);
  });

  it("cannot show the dashboard in a frame", async () => {
    statuses = [];
    const frame = `const frame = document.createElement("iframe");
      const loaded = new Promise((resolve) => (frame.onload = resolve));
      document.body.append(Object.assign(frame, { src: origin + "/" }));
      await loaded;
      return frame.contentDocument === null`;
    expect(await run(frame)).toBe("true");
    expect(statuses).toEqual([403]);
  });
});

// The browser takes the script to be of one origin with what it asks, so it reads every answer.
describe.skipIf(skip)("a page whose own name was made to lead to the listener", () => {
  it.each(["rebound.tunnel.test", "localhost", "127.0.0.1.tunnel.test"])(
    "gets a refusal: %s",
    async (name) => {
      const own = `http://${name}:${admin.adminPort}`;
      const document = { contentType: "text/html", body: "<!doctype html><title>evil</title>" };
      await page.route(`${own}/attack`, (route) => route.fulfill(document));
      await page.goto(`${own}/attack`);
      const asks = [
        `fetch("/")`,
        `fetch("/api/overview", { headers: ${shown} })`,
        `fetch("/api/tokens", { method: "POST", headers: ${shown}, body })`,
        `fetch("/api/tunnels/app", { method: "DELETE", headers: ${shown} })`,
      ];
      for (const ask of asks) {
        expect(await run(`const answer = await ${ask}; return answer.status + await answer.text()`)).toMatch(
          /^"421/,
        );
      }
    },
  );
});

it.skipIf(skip)("the dashboard's own page reads what the others could not", async () => {
  await page.goto(`${admin.origin}/`);
  const read = (path: string): Promise<string> =>
    run(`return await (await fetch("${path}", { headers: ${shown} })).text()`);
  expect(await read("/api/overview")).toContain("totals");
  expect(await read("/api/tunnels")).toContain("tunnels");
  expect(await read("/api/tokens")).toContain("tokens");
});

describe.each<[how: string, client: (port: number) => Partial<TunnelClientOptions>]>([
  ["by its port", (port) => ({ port })],
  ["by its address", (port) => ({ target: `http://127.0.0.1:${port}` })],
  ["with the visitors' Host", (port) => ({ target: `http://127.0.0.1:${port}`, hostHeader: "preserve" })],
  ["without an Origin", (port) => ({ port, origin: "drop", forwardedHeaders: "none" })],
])("a tunnel that leads to the admin listener %s", (_how, client) => {
  it("shows the dashboard and its API to no visitor, not even with the secret", async () => {
    const tunnel = close(await startInProcess({ client: client(admin.adminPort) }));
    const authorization = `Bearer ${secret}`;
    for (const fields of [{}, { origin: admin.origin }, { origin: tunnel.client.url ?? "" }]) {
      const headers = { authorization, "content-type": "application/json", ...fields };
      for (const path of ["/", "/api/overview", "/api/tokens"]) {
        const { statusCode, body } = await tunnel.visit(path, { headers });
        expect([403, 421], path).toContain(statusCode);
        await body.dump();
      }
      const drawn = await tunnel.visit("/api/tokens", {
        method: "POST",
        headers,
        body: '{"subdomains":["*"]}',
      });
      expect([403, 421]).toContain(drawn.statusCode);
      await drawn.body.dump();
    }
  });
});
