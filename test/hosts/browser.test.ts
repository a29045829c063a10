import { mkdirSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { launchBrowser } from "../support/browser.js";
import { closingAfterEach } from "../support/cleanup.js";
import { missingProgram } from "../support/requires.js";
import type { TerminalCommand } from "../support/terminal.js";
import { createSdkClient, Keeper, unauthorized } from "./sdk-clients.js";
import { World } from "./world.js";

const server = fileURLToPath(new URL("../../examples/basic/stdio-server.mjs", import.meta.url));
/** A folder for pictures of the pages, to be looked at by people. None are taken without it. */
const pictures = process.env["MCP_TUNNEL_TEST_PICTURES"];

type Chromium = Awaited<ReturnType<typeof launchBrowser>>;
type Context = Awaited<ReturnType<Chromium["newContext"]>>;
type Page = Awaited<ReturnType<Context["newPage"]>>;

describe.skipIf(missingProgram("chromium"))("the consent in Chromium, at a tunnel with TLS", () => {
  const closing = closingAfterEach();
  let world: World;
  let chromium: Chromium;
  beforeAll(async () => {
    world = await World.start();
    chromium = await launchBrowser();
    if (pictures !== undefined) mkdirSync(pictures, { recursive: true });
  });
  afterAll(async () => {
    await chromium?.close();
    await world?.close();
  });

  /** Publishes an MCP server with the gate that it has without an option. Returns the drawn passcode. */
  async function publish(name: string): Promise<{ terminal: TerminalCommand; passcode: string }> {
    const terminal = closing(world.publishAtTerminal(name, ["--stdio", "--", process.execPath, server]));
    const passcode = await terminal.seeMatch(/(?:[a-z]{5}-){4}[a-z]{5}/);
    return { terminal, passcode };
  }

  interface Asked {
    /** The authorization URL. */
    readonly url: string;
    readonly page: Page;
    /** Gives the answer with which the browser left to the client, and returns what a tool says. */
    finish(): Promise<string>;
  }

  /** A host asks for a grant, and its user's browser opens the page. */
  async function ask(name: string, settings: Parameters<Chromium["newContext"]>[0] = {}): Promise<Asked> {
    const dispatcher = world.visitor();
    closing({ close: () => dispatcher.destroy() });
    const host = createServer((_req, res) => {
      res.setHeader("Content-Type", "text/html").end("<h1>Connected</h1>");
    });
    await new Promise<void>((resolve) => host.listen(0, "127.0.0.1", resolve));
    closing({
      close: async () => {
        host.closeAllConnections();
        await new Promise((resolve) => host.close(resolve));
      },
    });
    const { port } = host.address() as AddressInfo;
    const keeper = new Keeper("registration", `http://127.0.0.1:${port}/callback`);
    const client = closing(createSdkClient("v2", world.url(name, "/mcp"), keeper, dispatcher));
    await expect(client.connect()).rejects.toThrow(unauthorized.v2);
    const context = closing(await chromium.newContext({ ignoreHTTPSErrors: true, ...settings }));
    const page = await context.newPage();
    const url = String(keeper.opened[0]);
    await page.goto(url);
    return {
      url,
      page,
      async finish() {
        await page.waitForURL(`${keeper.redirectUrl}**`);
        const cookies = await context.cookies();
        for (const { name: cookie, secure, path, domain } of cookies) {
          expect(cookie).toMatch(/^__Host-/);
          expect({ secure, path, isForTheHostAlone: !domain.startsWith(".") }).toEqual({
            secure: true,
            path: "/",
            isForTheHostAlone: true,
          });
        }
        await client.finish(new URL(page.url()));
        await client.connect();
        return client.callTool("add", { a: 2, b: 3 });
      },
    };
  }

  async function picture(page: Page, name: string): Promise<void> {
    if (pictures !== undefined) await page.screenshot({ path: `${pictures}/${name}.png`, fullPage: true });
  }

  it("takes the passcode when it is right, and says so when it is wrong", async () => {
    const { terminal, passcode } = await publish("passcode");
    const { page, finish } = await ask("passcode");
    await page.getByLabel("Passcode").fill(`${passcode.slice(0, -1)}q`);
    await page.getByRole("button", { name: "Approve" }).click();
    expect(await page.getByRole("alert").innerText()).toBe("This passcode is wrong.");
    await picture(page, "wrong-passcode");
    await terminal.see("the passcode was wrong");
    await page.getByLabel("Passcode").fill(passcode.toUpperCase().replaceAll("-", " "));
    await page.getByRole("button", { name: "Approve" }).click();
    expect(await finish()).toBe("5");
  });

  it("takes the number that the owner types in the terminal, and no other", async () => {
    const { terminal } = await publish("number");
    const { page, finish } = await ask("number", {
      viewport: { width: 390, height: 844 },
      colorScheme: "dark",
      javaScriptEnabled: false,
    });
    await page.getByRole("button", { name: "Ask the owner" }).click();
    await page.waitForURL("**/waiting");
    const number = (await page.locator(".number").innerText()).replaceAll(/\D/g, "");
    await picture(page, "waiting");
    await terminal.see("type the number");
    terminal.type(`${(Number(number) + 1) % 1_000_000}\r`);
    await terminal.see("No page shows that number.");
    terminal.type(`${number}\r`);
    expect(await finish()).toBe("5");
  });

  it("is remembered for no program on this device: each login is asked about", async () => {
    const { passcode } = await publish("again");
    const first = await ask("again");
    await first.page.getByLabel("Passcode").fill(passcode);
    await first.page.getByRole("button", { name: "Approve" }).click();
    expect(await first.finish()).toBe("5");
    await first.page.goto(first.url);
    expect(await first.page.getByLabel("Passcode").isVisible()).toBe(true);
  });
});
