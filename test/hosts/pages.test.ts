import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { BrowserContext, BrowserContextOptions, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { passcode, startPages } from "../../packages/gate/test/consent-support.js";
import { createFolder } from "../support/certificates.js";
import { browserForAll } from "../support/browser.js";
import { closingAfterEach } from "../support/cleanup.js";
import { runClient, type RunningCommand } from "../support/commands.js";
import { freePort } from "../support/free-port.js";
import { expectAccessible, looks } from "../support/page-looks.js";
import { missingProgram } from "../support/requires.js";
import { secureDomain, type SecureRelay, startSecureRelay } from "../support/secure.js";

// The pages that people see in the place of a service, in Chromium: those of the relay, of a gate, and of the
// bridge to MCP servers on stdio.

const stdioServer = fileURLToPath(new URL("../../examples/basic/stdio-server.mjs", import.meta.url));
/** A folder for pictures of the pages, to be looked at by people. None are taken without it. */
const pictures = process.env["MCP_TUNNEL_TEST_PICTURES"];

/** What every page has: its own style and no other, room on a narrow screen, and both colors. */
async function expectPage(page: Page, name: string): Promise<void> {
  await page.setViewportSize(looks[0]);
  const { isScheme, viewport, radius, scripts } = await page.evaluate(() => {
    const main = document.querySelector("main") as HTMLElement;
    return {
      isScheme: getComputedStyle(document.documentElement).colorScheme,
      viewport: document.querySelector('meta[name="viewport"]')?.getAttribute("content"),
      radius: getComputedStyle(main).borderTopLeftRadius,
      scripts: document.scripts.length,
    };
  });
  expect([isScheme, viewport, scripts]).toEqual(["light dark", "width=device-width,initial-scale=1", 0]);
  // Without the style there would be none.
  expect(radius).toBe("12px");
  await expectAccessible(page);
  if (pictures === undefined) return;
  for (const { width, height, colorScheme } of looks) {
    await page.setViewportSize({ width, height });
    await page.emulateMedia({ colorScheme });
    await page.screenshot({ path: `${pictures}/${name}-${width}-${colorScheme}.png` });
  }
}

describe.skipIf(missingProgram("chromium"))("pages in the place of a service", { timeout: 60_000 }, () => {
  const closing = closingAfterEach();
  const browser = browserForAll();
  const clients: RunningCommand[] = [];
  const folder = createFolder();
  let secure: SecureRelay;
  /** Besides the relay's own port: one that leads to https, and one of a tunnel. */
  let also: { redirect: string; local: string };

  async function publish(name: string, ...args: string[]): Promise<void> {
    const env = { NODE_EXTRA_CA_CERTS: secure.caFile, MCP_TUNNEL_STATE_DIR: folder.path };
    const to = ["--relay", `https://127.0.0.1:${secure.port}`, "--token", "pages", "--subdomain", name];
    const client = runClient([...to, "--json", ...args], env);
    clients.push(client);
    await client.waitForJson({ event: "connected" });
  }

  beforeAll(async () => {
    if (pictures !== undefined) mkdirSync(pictures, { recursive: true });
    secure = await startSecureRelay([
      ...["--http-redirect", "0", "--local-port", "local=0"],
      ...["--operator-name", "Example <Team>", "--operator-contact", "help@example.com"],
    ]);
    const { relay } = secure;
    const { port: redirect } = await relay.waitForJson({ msg: "redirecting to HTTPS" });
    const { url: local } = await relay.waitForJson({ msg: "local port listening" });
    also = { redirect: `http://127.0.0.1:${String(redirect)}/`, local: String(local) };
    const server = ["--", process.execPath, stdioServer];
    const nobody = String(await freePort());
    await Promise.all([
      publish("down", nobody),
      publish("mcp", "--stdio", ...server),
      publish("open", "--visitor-auth", "none", "--stdio", ...server),
      publish("basic", nobody, "--visitor-auth", "basic", "--visitor-user", "ann:correct"),
      publish("range", nobody, "--visitor-auth", "bearer", "--allow-ip", "192.0.2.0/24"),
    ]);
  }, 120_000);

  afterAll(async () => {
    await Promise.all(clients.map((client) => client.close()));
    await secure?.close();
    folder.close();
  });

  /** The policy is bypassed for axe alone, so what breaks it is looked for in a context of its own. */
  async function open(
    url: string,
    options: BrowserContextOptions = {},
  ): Promise<{ page: Page; status: number }> {
    const strict = await newContext(options);
    const first = await strict.newPage();
    const complaints: string[] = [];
    first.on("console", (message) => {
      if (/Content Security Policy/i.test(message.text())) complaints.push(message.text());
    });
    await first.goto(url);
    expect(complaints).toEqual([]);
    await strict.close();
    const page = await (await newContext({ ...options, bypassCSP: true })).newPage();
    const answer = await page.goto(url);
    const policy = answer?.headers()["content-security-policy"];
    expect(policy).toMatch(/^default-src 'none'; style-src 'sha256-[\w+/=]+'; form-action 'self'; /);
    return { page, status: answer?.status() ?? 0 };
  }

  async function newContext(options: BrowserContextOptions): Promise<BrowserContext> {
    return closing(await browser().newContext({ ignoreHTTPSErrors: true, ...options }));
  }

  const at = (name: string, path: string) => (): string =>
    `https://${name}${secureDomain}:${secure.port}${path}`;
  const byOperator = "Run by Example <Team>, help@example.com";

  it.each<[string, () => string, number, string, RegExp]>([
    ["landing", at("", "/"), 200, "A tunnel relay", /--subdomain myapp --token TOKEN/],
    ["unknown-path", at("", "/<b>"), 404, "not found", /how to open a tunnel/],
    [
      "registration",
      at("", "/_tunnel/register"),
      426,
      "tunnel registration needs a WebSocket",
      /mcp-tunnel-client/,
    ],
    ["old-client", at("", "/client-0.0.1-0123456789ab.tgz"), 404, "this client is no longer here", /\.tgz/],
    ["no-tunnel", at("nobody.", "/"), 502, "tunnel not found", /start mcp-tunnel-client.*Try again/s],
    ["service-down", at("down.", "/"), 502, "upstream error", /is it running.*Try again/s],
    ["local-port", () => also.local, 502, "tunnel not found", /Try again/],
    ["redirect", () => also.redirect, 421, "this relay does not serve this host name", /neither/],
  ])("of the relay: %s", async (name, url, expected, heading, text) => {
    const { page, status } = await open(url());
    expect(status).toBe(expected);
    expect(await page.getByRole("heading").textContent()).toBe(heading);
    const shown = await page.locator("main").innerText();
    expect(shown).toMatch(text);
    expect(shown).toContain(byOperator);
    await expectPage(page, name);
  });

  it.each<[string, () => string, number, string, RegExp]>([
    [
      "gate-oauth",
      at("mcp.", "/mcp?secret=1"),
      401,
      "Only with permission",
      /mcp\.tunnel\.test:\d+\/mcp\n.*Bearer KEY/s,
    ],
    ["gate-address", at("range.", "/"), 403, "Not allowed", /127\.0\.0\.1.*ask the owner/s],
  ])("of a gate: %s", async (name, url, expected, heading, text) => {
    const { page, status } = await open(url());
    expect(status).toBe(expected);
    expect(await page.getByRole("heading").textContent()).toBe(heading);
    const shown = await page.locator("main").innerText();
    expect(shown).toMatch(text);
    expect(shown).not.toContain("secret");
    await expectPage(page, name);
  });

  it("of a gate: wrong passwords, until there were too many", async () => {
    const wrong = { httpCredentials: { username: "ann", password: "wrong" } };
    const page = await (await newContext({ ...wrong, bypassCSP: true })).newPage();
    await page.goto(at("basic.", "/")());
    expect(await page.locator("main").innerText()).toContain("What was shown is not valid here");
    await expectPage(page, "gate-wrong");
    let status = 401;
    for (let tries = 0; tries < 20 && status === 401; tries += 1) {
      status = (await page.reload())?.status() ?? 0;
    }
    expect(status).toBe(429);
    expect(await page.locator("main").innerText()).toMatch(/Wait for \d+ seconds?, and try again/);
    await expectPage(page, "gate-too-many");
  });

  it.each<[string, () => string, number, string, RegExp]>([
    [
      "mcp-endpoint",
      at("open.", "/mcp"),
      406,
      "This is an MCP server",
      /https:\/\/open\.tunnel\.test:\d+\/mcp/,
    ],
    ["mcp-elsewhere", at("open.", "/"), 404, "Nothing is here", /https:\/\/open\.tunnel\.test:\d+\/mcp/],
  ])("of the bridge: %s", async (name, url, expected, heading, text) => {
    const { page, status } = await open(url());
    expect(status).toBe(expected);
    expect(await page.getByRole("heading").textContent()).toBe(heading);
    expect(await page.locator("main").innerText()).toMatch(text);
    await expectPage(page, name);
  });

  it("on which people consent", async () => {
    const world = closing(await startPages({ title: "my-tunnel", passcode, terminal: true }));
    const context = await newContext({ bypassCSP: true });
    const jar: string[] = [];
    const path = world.ask(
      { cookies: jar },
      { redirectUri: "http://localhost:1/callback", isLoopback: true },
    );
    const [cookie = "", value = ""] = (jar[0] ?? "").split("=");
    await context.addCookies([{ name: cookie, value, domain: "127.0.0.1", path: "/", sameSite: "Lax" }]);
    const page = await context.newPage();
    await page.goto(world.origin + path);
    await expectPage(page, "consent");
    await page.getByLabel("Passcode").fill("wrong");
    await page.getByRole("button", { name: "Approve" }).click();
    await page.getByRole("alert").waitFor();
    await expectPage(page, "consent-wrong");
    await page.getByRole("button", { name: "Ask the owner" }).click();
    await page.waitForURL("**/waiting");
    // It looks again by itself, which axe would not outlive.
    const waiting = (await page.content()).replace(/<meta http-equiv="refresh"[^>]*>/, "");
    await page.setContent(waiting);
    expect(await page.locator(".number").innerText()).toMatch(/^\d{3} \d{3}$/);
    await expectPage(page, "consent-waiting");
    world.expire(path);
    await page.goto(world.origin + path);
    expect(await page.getByRole("heading").textContent()).toBe("This request is over");
    await expectPage(page, "consent-over");
  });
});
