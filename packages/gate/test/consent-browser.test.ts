import { createServer } from "node:http";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { launchBrowser } from "../../../test/support/browser.js";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { missingProgram } from "../../../test/support/requires.js";
import type { ConsentClient } from "../src/oauth/consents.js";
import { closeServer, type GateWorld, listen, passcode, startPages } from "./consent-support.js";

type Chromium = Awaited<ReturnType<typeof launchBrowser>>;
type Context = Awaited<ReturnType<Chromium["newContext"]>>;
type Page = Awaited<ReturnType<Context["newPage"]>>;

const opened = closingAfterEach();

describe.skipIf(missingProgram("chromium"))("in Chromium", () => {
  let chromium: Chromium;
  beforeAll(async () => {
    chromium = await launchBrowser();
  });
  afterAll(() => chromium.close());

  interface Tab {
    readonly world: GateWorld;
    readonly context: Context;
    readonly page: Page;
    /** What the browser itself complains about. */
    readonly complaints: string[];
    /** Opens the page on which a client asks. */
    ask(client?: Partial<ConsentClient>): Promise<string>;
  }

  async function openTab(settings: Parameters<Chromium["newContext"]>[0] = {}): Promise<Tab> {
    const world = opened(await startPages({ title: "my-tunnel", passcode, terminal: true }));
    const context = opened(await chromium.newContext({ javaScriptEnabled: false, ...settings }));
    const page = await context.newPage();
    const complaints: string[] = [];
    page.on("console", (message) => complaints.push(message.text()));
    const ask = async (client?: Partial<ConsentClient>): Promise<string> => {
      const jar: string[] = [];
      const path = world.ask({ cookies: jar }, client);
      const cookies = jar.map((cookie) => {
        const [name = "", value = ""] = cookie.split("=");
        return { name, value, domain: "127.0.0.1", path: "/", sameSite: "Lax" as const };
      });
      await context.addCookies(cookies);
      await page.goto(world.origin + path);
      return path;
    };
    return { world, context, page, complaints, ask };
  }

  /** A client whose page for the answer is at one origin, and sends the browser on to another. */
  async function startClient(): Promise<{ redirectUri: string; end: string }> {
    const last = createServer((_req, res) =>
      res.setHeader("Content-Type", "text/html").end("<h1>Connected</h1>"),
    );
    const end = `http://127.0.0.1:${await listen(last)}/end`;
    const first = createServer((_req, res) => res.writeHead(302, { Location: end }).end());
    const redirectUri = `http://localhost:${await listen(first)}/callback`;
    for (const server of [first, last]) opened({ close: () => closeServer(server) });
    return { redirectUri, end };
  }

  it("goes on by keyboard alone to a client that redirects in turn", async () => {
    // `form-action` would stop each redirect that a form ends in, if the answer to the form were one.
    const { page, complaints, ask } = await openTab();
    const { redirectUri, end } = await startClient();
    await ask({ redirectUri });
    await page.keyboard.press("Tab");
    await page.keyboard.type("lusab babad gutih tugad mubip");
    await page.keyboard.press("Enter");
    await page.waitForURL(end);
    expect(complaints).toEqual([]);
  });

  it("goes on by itself once the owner has typed the number", async () => {
    const { world, page, complaints, ask } = await openTab();
    const { redirectUri, end } = await startClient();
    await ask({ redirectUri });
    await page.getByRole("button", { name: "Ask the owner" }).click();
    await page.waitForURL("**/waiting");
    expect(world.approve(await page.locator(".number").innerText())).toBe(true);
    await page.waitForURL(end);
    expect(complaints).toEqual([]);
  });

  it("goes back to the client by Cancel", async () => {
    const { page, ask } = await openTab();
    const { redirectUri, end } = await startClient();
    await ask({ redirectUri });
    await page.getByRole("button", { name: "Cancel" }).click();
    await page.waitForURL(end);
  });

  it("leaves a page with words in the window when the answer goes to another program", async () => {
    const { world, page, ask } = await openTab();
    await ask({ redirectUri: "cursor://anysphere.cursor-mcp/oauth/callback" });
    await page.getByLabel("Passcode").fill(passcode);
    await page.getByRole("button", { name: "Approve" }).click();
    await expect.poll(() => world.ends.length).toBe(1);
    expect(await page.getByRole("heading").innerText()).toBe("Approved");
  });

  it("has the focus in the field that was wrong, with its error as its description", async () => {
    const { page, ask } = await openTab();
    await ask();
    await page.getByLabel("Passcode").fill("wrong");
    await page.getByRole("button", { name: "Approve" }).click();
    await page.getByRole("alert").waitFor();
    const field = page.locator("#passcode:focus");
    await field.waitFor();
    expect(await page.locator("main").ariaSnapshot()).toContain('textbox "Passcode"');
    expect(await page.title()).toBe("Not approved: This passcode is wrong.");
  });

  it("does not show the pages in a frame of another page: clickjacking", async () => {
    // A page of a stranger lays the button under something that people like to press.
    const { world, page, ask } = await openTab();
    const path = await ask();
    const frame = `<iframe src="${world.origin}${path}"></iframe>`;
    const evil = createServer((_req, res) => res.setHeader("Content-Type", "text/html").end(frame));
    const port = await listen(evil);
    opened({ close: () => closeServer(evil) });
    await page.goto(`http://127.0.0.1:${port}/`);
    expect(await page.frameLocator("iframe").locator("form").count()).toBe(0);
  });

  it.each([
    ["a phone in the light", { viewport: { width: 390, height: 844 }, colorScheme: "light" }],
    ["a phone in the dark", { viewport: { width: 390, height: 844 }, colorScheme: "dark" }],
    ["a narrow phone", { viewport: { width: 320, height: 568 }, colorScheme: "dark" }],
    ["a screen in the dark", { viewport: { width: 1280, height: 800 }, colorScheme: "dark" }],
  ] as const)("can be read on %s", async (_where, settings) => {
    // The script is the test's: it looks at what is drawn.
    const { page, ask } = await openTab({ ...settings, javaScriptEnabled: true, bypassCSP: true });
    await ask({ name: "W".repeat(200), isLoopback: true, documentHost: `${"a".repeat(60)}.example.com` });
    await page.getByLabel("Passcode").fill("wrong");
    await page.getByRole("button", { name: "Approve" }).click();
    await page.getByRole("alert").waitFor();
    expect(await page.evaluate("document.documentElement.scrollWidth <= innerWidth")).toBe(true);
    // WCAG 2.2, success criterion 1.4.3: AA.
    expect(await page.evaluate(worstContrast)).toBeGreaterThanOrEqual(4.5);
  });
});

/** The least contrast between the colour of a text and what lies behind it. */
const worstContrast = `(() => {
  const numbers = (colour) => (colour.match(/[0-9.]+/g) ?? []).map(Number);
  const light = (colour) => numbers(colour).slice(0, 3)
    .map((value) => value / 255)
    .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
    .reduce((sum, value, index) => sum + value * [0.2126, 0.7152, 0.0722][index], 0);
  const behind = (element) => {
    const colour = getComputedStyle(element).backgroundColor;
    return numbers(colour)[3] === 0 ? behind(element.parentElement) : colour;
  };
  const contrasts = [...document.querySelectorAll("main *")]
    .filter((element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== ""))
    .map((element) => [light(getComputedStyle(element).color), light(behind(element))])
    .map(([one, other]) => (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05));
  return Math.min(...contrasts);
})()`;
