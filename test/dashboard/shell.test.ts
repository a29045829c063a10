import type { Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import { FakeRelay } from "../../packages/dashboard/test/support/fake-relay.js";
import { tunnelOf } from "../../packages/dashboard/test/support/fixtures.js";
import { sendJson } from "../../packages/page/test/support/fake-server.js";
import { browserForAll } from "../support/browser.js";
import { closingAfterEach } from "../support/cleanup.js";
import { missingProgram } from "../support/requires.js";
import { openDashboard, patience } from "./dashboard-world.js";

describe.skipIf(missingProgram("chromium"))("the shell of the dashboard", () => {
  const closing = closingAfterEach();
  const browser = browserForAll();

  async function open(): Promise<{ page: Page; relay: FakeRelay }> {
    const relay = closing(await FakeRelay.start());
    const context = closing(await browser().newContext());
    return { page: await context.newPage(), relay };
  }

  it("asks for the secret, says when it is wrong, and keeps it for a reload and for this tab alone", async () => {
    const { page, relay } = await open();
    await page.goto(relay.origin);
    const field = page.getByLabel("Admin secret");
    await field.fill("a guess");
    await field.press("Enter");
    await page.getByText("That is not the relay's admin secret.").waitFor();
    expect(await field.getAttribute("aria-invalid")).toBe("true");

    await field.fill(relay.secret);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByText("The relay is ready").waitFor();
    await page.reload();
    await page.getByText("The relay is ready").waitFor();

    const other = await page.context().newPage();
    await other.goto(relay.origin);
    await other.getByLabel("Admin secret").waitFor();
    expect(await page.context().cookies()).toEqual([]);
  });

  it("takes the secret out of the URL", async () => {
    const { page, relay } = await open();
    await page.goto(relay.url("?view=relay"));
    await page.getByText("The relay is ready").waitFor();
    expect(page.url()).toBe(`${relay.origin}/?view=relay`);
  });

  it("says how to set a secret where there is none, and goes on once there is one", async () => {
    const { page, relay } = await open();
    relay.hasSecret = false;
    await page.goto(relay.origin);
    await page.getByText("This relay has no admin secret").waitFor();
    expect(await page.locator("pre").textContent()).toContain("--admin-secret-file");
    expect(await page.getByLabel("Admin secret").count()).toBe(0);
    relay.hasSecret = true;
    await page.getByRole("button", { name: "Look again" }).click();
    await page.getByLabel("Admin secret").waitFor();
  });

  it("says what the relay says of a name that it does not know", async () => {
    const { page, relay } = await open();
    relay.hasSecret = true;
    await page.goto(relay.origin);
    relay.answers.set("GET overview", (_request, res) =>
      sendJson(
        res,
        { error: "the Host is not a name of this listener: --admin-host", code: "wrong_host" },
        421,
      ),
    );
    await page.getByLabel("Admin secret").fill(relay.secret);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByText("--admin-host").waitFor();
  });

  it("forgets the secret when the user signs out", async () => {
    const { page } = closing(await openDashboard(browser()));
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByLabel("Admin secret").waitFor();
    expect(await page.evaluate(() => sessionStorage.length)).toBe(0);
    await page.reload();
    await page.getByLabel("Admin secret").waitFor();
  });

  it("asks for the secret again when the relay has another", async () => {
    const { page, relay } = closing(await openDashboard(browser()));
    relay.secret = "another";
    await page.getByText("It may have a new one.").waitFor();
    await page.getByLabel("Admin secret").fill("another");
    await page.keyboard.press("Enter");
    await page.getByText("The relay is ready").waitFor();
  });

  it("loads nothing that the content security policy forbids, on any screen", async () => {
    const { page, relay } = await open();
    relay.world.tunnels = [tunnelOf("demo")];
    const errors: string[] = [];
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") errors.push(message.text());
    });
    page.on("pageerror", (error) => errors.push(String(error)));
    await page.goto(relay.url());
    for (const name of ["Relay", "Tokens", "Tunnels"]) {
      await page.getByRole("link", { name: new RegExp(`^${name}`) }).click();
    }
    await page.getByRole("link", { name: "demo" }).click();
    await page.getByText("Round trip").waitFor();
    expect(errors).toEqual([]);
  });

  it("says that the relay does not answer, shows what was, and is back by itself", async () => {
    const { page, relay } = closing(await openDashboard(browser(), { tunnels: [tunnelOf("demo")] }));
    await page.getByRole("link", { name: "demo" }).waitFor();
    for (const path of ["overview", "tunnels"]) {
      relay.answers.set(`GET ${path}`, (_request, res) => res.destroy());
    }
    await page.getByText("The relay does not answer since").waitFor();
    await page.getByText("The relay is unknown").waitFor();
    expect(await page.getByRole("link", { name: "demo" }).count()).toBe(1);
    relay.answers.clear();
    await page.getByText("The relay is ready").waitFor();
    expect(await page.getByText("The relay does not answer since").count()).toBe(0);
  });

  it("asks nothing while it is paused, and at once when it goes on", async () => {
    const { page, relay } = await open();
    relay.world.tunnels = [tunnelOf("demo")];
    await page.clock.install();
    await page.goto(relay.url());
    await page.getByRole("link", { name: "demo" }).waitFor();
    const asked = relay.requests.length;
    await page.clock.runFor(2_100);
    await expect.poll(() => relay.requests.length, patience).toBeGreaterThan(asked);

    await page.keyboard.press("p");
    await page.getByText("Paused").waitFor();
    relay.world.tunnels = [tunnelOf("newer")];
    const before = relay.requests.length;
    await page.clock.runFor(60_000);
    expect(relay.requests.length).toBe(before);
    await page.keyboard.press("p");
    await page.getByRole("link", { name: "newer" }).waitFor();
  });

  it("is moved through with keys, which say what they do", async () => {
    const { page } = closing(await openDashboard(browser(), { tunnels: [tunnelOf("a"), tunnelOf("b")] }));
    await page.getByRole("link", { name: "b", exact: true }).waitFor();
    await page.keyboard.press("j");
    await page.keyboard.press("j");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "b", exact: true }).waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("link", { name: "a", exact: true }).waitFor();
    await page.keyboard.press("/");
    await page.keyboard.type("123");
    expect(await page.getByRole("searchbox").inputValue()).toBe("123");
    await page.keyboard.press("Escape");
    await page.keyboard.press("Escape");
    await page.keyboard.press("3");
    await page.getByRole("heading", { name: "Tokens" }).waitFor();
    await page.keyboard.press("?");
    await page.getByRole("dialog", { name: "Keys" }).waitFor();
  });
});
