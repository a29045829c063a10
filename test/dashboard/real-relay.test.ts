import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { startTunnelClient } from "mcp-tunnel-client";
import type { Page } from "playwright-core";
import { request } from "undici";
import { describe, expect, it } from "vitest";
import { type AdminRelay, startAdminRelay } from "../admin/support.js";
import { browserForAll } from "../support/browser.js";
import { createFolder } from "../support/certificates.js";
import { closingAfterEach } from "../support/cleanup.js";
import { missingProgram } from "../support/requires.js";
import { patience } from "./dashboard-world.js";

// The page at the relay's command, whose token file it changes: what is typed there is what clients meet.

const secret = "the secret of this test";

// Each starts a relay and a browser, and types.
describe.skipIf(missingProgram("chromium"))("the dashboard of a relay", { timeout: 60_000 }, () => {
  const closing = closingAfterEach();
  const browser = browserForAll();

  async function start(options: readonly string[]): Promise<{ page: Page; relay: AdminRelay }> {
    const relay = closing(await startAdminRelay(options));
    const context = closing(await browser().newContext());
    const page = await context.newPage();
    await page.goto(relay.admin);
    return { page, relay };
  }

  async function startWithTokens(): Promise<{ page: Page; relay: AdminRelay }> {
    const folder = closing(createFolder());
    const tokenFile = folder.write("tokens.yaml", "tokens: []\n");
    const secretFile = folder.write("secret", `${secret}\n`);
    const started = await start(["--token-file", tokenFile, "--admin-secret-file", secretFile]);
    await started.page.getByLabel("Admin secret").fill(secret);
    await started.page.keyboard.press("Enter");
    await started.page.getByText("The relay is ready").waitFor();
    return started;
  }

  /** Creates a token on the page, and gives it to a client of a service that greets. */
  async function openTunnel(
    page: Page,
    relay: AdminRelay,
    note: string,
  ): Promise<{ closed: Promise<unknown> }> {
    await page.getByRole("link", { name: "Tokens" }).click();
    await page.getByRole("button", { name: "Create a token" }).click();
    await page.getByLabel("Names").fill("demo");
    await page.getByLabel("Note").fill(note);
    await page.getByRole("button", { name: "Create", exact: true }).click();
    const token = await page.getByLabel(/^The token/).inputValue();
    await page.getByRole("button", { name: "Done" }).click();
    const service = createServer((_req, res) => res.end("hello"));
    await new Promise<void>((resolve) => service.listen(0, "127.0.0.1", resolve));
    closing({ close: () => new Promise((resolve) => service.close(resolve)) });
    const client = await startTunnelClient({
      port: (service.address() as AddressInfo).port,
      relayUrl: `http://127.0.0.1:${relay.port}`,
      token,
      subdomain: "demo",
    });
    closing(client);
    return { closed: new Promise((resolve) => client.on("closed", resolve)) };
  }

  it("creates a token, shows its tunnel and what passes through it, and revokes it", async () => {
    const { page, relay } = await startWithTokens();
    const client = await openTunnel(page, relay, "Ann's laptop");
    await page.getByRole("link", { name: "Tunnels" }).click();
    const row = page.getByRole("row", { name: /demo/ });
    await row.getByText("Ann's laptop").waitFor();
    for (let i = 0; i < 3; i += 1) {
      const { body } = await request(`http://127.0.0.1:${relay.port}/`, {
        headers: { host: "demo.localhost" },
      });
      expect(await body.text()).toBe("hello");
    }
    await page.getByRole("searchbox").fill("laptop");
    await page.getByText("1 found").waitFor();

    await page.getByRole("link", { name: "Relay" }).click();
    await expect
      .poll(
        () =>
          page
            .getByRole("row", { name: /registered/ })
            .getByRole("cell")
            .last()
            .textContent(),
        patience,
      )
      .toBe("1");
    await page.getByRole("link", { name: "Tokens" }).click();
    await page.getByRole("button", { name: "Revoke Ann's laptop" }).click();
    await page.getByText("Its tunnel is closed.").waitFor();
    await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
    await page.getByText("No token yet").waitFor();
    await client.closed;
    await page.getByRole("link", { name: "Tunnels" }).click();
    await page.getByText("No tunnel").waitFor();
  });

  it("tells the form what the relay does not take, and disconnects", async () => {
    const { page, relay } = await startWithTokens();
    const client = await openTunnel(page, relay, "Bea");
    await page.getByRole("button", { name: "Edit Bea" }).click();
    await page.getByLabel("Names").fill("not_a_name");
    await page.getByRole("button", { name: "Save" }).click();
    await expect.poll(() => page.getByLabel("Names").getAttribute("aria-invalid"), patience).toBe("true");
    await page.getByRole("button", { name: "Cancel" }).click();
    await page.getByRole("link", { name: "Tunnels" }).click();
    await page.getByRole("link", { name: "demo" }).click();
    await page.getByText("Bea").waitFor();
    await page.getByRole("button", { name: "Disconnect" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Disconnect" }).click();
    await page.getByText("demo is disconnected").waitFor();
    await client.closed;
  });

  it("says how to set a secret where the relay has none", async () => {
    const { page } = await start([]);
    await page.getByText("This relay has no admin secret").waitFor();
  });

  it("says that tokens are elsewhere where they are no file's", async () => {
    const { page } = await start(["--admin-secret", secret]);
    await page.getByLabel("Admin secret").fill(secret);
    await page.keyboard.press("Enter");
    await page.getByRole("link", { name: "Tokens" }).click();
    await page.getByText("Tokens are not in a file here").waitFor();
  });
});
