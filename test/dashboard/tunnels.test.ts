import { describe, expect, it } from "vitest";
import { tunnelOf } from "../../packages/dashboard/test/support/fixtures.js";
import { browserForAll } from "../support/browser.js";
import { closingAfterEach } from "../support/cleanup.js";
import { missingProgram } from "../support/requires.js";
import { openDashboard, patience } from "./dashboard-world.js";

describe.skipIf(missingProgram("chromium"))("the tunnels of the dashboard", () => {
  const closing = closingAfterEach();
  const browser = browserForAll();

  it("shows of a tunnel whose it is, from where, with what, and what passes through it", async () => {
    const tunnel = tunnelOf("demo", { gate: ["bearer"], relay: "a1b2", state: "away" });
    const { page } = closing(await openDashboard(browser(), { tunnels: [tunnel] }));
    const row = page.getByRole("row", { name: /demo/ });
    for (const text of [
      "Ann Example",
      "3f9ac01b77de",
      "192.0.2.7 at a1b2",
      "away",
      "0.1.0",
      "bearer",
      "23 ms",
    ]) {
      await row.getByText(text).waitFor();
    }
    expect(await row.getByRole("cell").nth(5).textContent()).toContain("1,204");
    expect(await row.getByRole("cell").nth(6).textContent()).toContain("7.0 MiB");
  });

  it("makes rates of the difference between two answers", async () => {
    const { page, relay } = closing(await openDashboard(browser(), { tunnels: [tunnelOf("demo")] }));
    const cell = page.getByRole("row", { name: /demo/ }).getByRole("cell").nth(5);
    await cell.waitFor();
    expect(await cell.textContent()).toBe("1,204");
    await cell.getByText("0/s").waitFor();
    relay.world.tunnels = [tunnelOf("demo", { since: relay.world.tunnels[0]!.since, requests: 1_300 })];
    await cell.getByText(/^[1-9]\d*(\.\d)?\/s$/).waitFor();
  });

  it("leaves searching and sorting to the relay, and keeps them in the URL", async () => {
    const tunnels = [
      tunnelOf("alpha", { note: "Bea", requests: 1 }),
      tunnelOf("beta", { note: "Ann", requests: 3 }),
      tunnelOf("gamma", { note: "Ann", requests: 2 }),
    ];
    const { page, relay } = closing(await openDashboard(browser(), { tunnels }));
    const names = async (): Promise<string[]> => page.locator("[data-row]").allTextContents();
    await expect.poll(names, patience).toEqual(["alpha", "beta", "gamma"]);
    await page.getByRole("searchbox").fill("ann");
    await page.getByText("2 found").waitFor();
    await page.getByRole("button", { name: "Requests" }).click();
    await expect.poll(names, patience).toEqual(["beta", "gamma"]);
    expect(await page.getByRole("columnheader", { name: "Requests" }).getAttribute("aria-sort")).toBe(
      "descending",
    );
    await page.getByRole("button", { name: "Requests" }).click();
    await expect.poll(names, patience).toEqual(["gamma", "beta"]);
    expect(relay.requests.some(({ path }) => path.includes("sort=requests&order=asc"))).toBe(true);
    await page.reload();
    await expect.poll(names, patience).toEqual(["gamma", "beta"]);
  });

  it("shows thousands of them a page at a time, and asks less often then", async () => {
    const tunnels = Array.from({ length: 3_000 }, (_, i) => tunnelOf(`t${String(i).padStart(4, "0")}`));
    const { page, relay } = closing(await openDashboard(browser(), { tunnels }));
    await page.getByText("1–100 of 3,000").waitFor();
    expect(await page.locator("[data-row]").count()).toBe(100);
    await page.getByRole("button", { name: "Next" }).click();
    await page.getByText("101–200 of 3,000").waitFor();
    await expect.poll(() => page.locator("[data-row]").first().textContent(), patience).toBe("t0100");

    await page.clock.install();
    const count = (): number => relay.requests.filter(({ path }) => path.startsWith("tunnels")).length;
    await page.getByRole("button", { name: "Next" }).click();
    await page.getByText("201–300 of 3,000").waitFor();
    await expect.poll(() => page.locator("[data-row]").first().textContent(), patience).toBe("t0200");
    const before = count();
    await page.clock.runFor(4_000);
    expect(count()).toBe(before);
    await page.clock.runFor(1_500);
    await expect.poll(count, patience).toBe(before + 1);
  });

  it("says which relays are silent", async () => {
    const { page } = closing(
      await openDashboard(browser(), { tunnels: [tunnelOf("demo")], silent: ["d4e5"] }),
    );
    await page.getByText("1 relay does not answer").waitFor();
    await page.getByText("d4e5").waitFor();
  });

  it("disconnects a tunnel once it was asked for again, and says that it is gone", async () => {
    const { page, relay } = closing(
      await openDashboard(browser(), { tunnels: [tunnelOf("demo"), tunnelOf("other")] }),
    );
    await page.getByRole("link", { name: "demo" }).click();
    await page.getByRole("link", { name: "https://demo.tunnel.example.com" }).waitFor();
    await page.getByRole("button", { name: "Disconnect" }).click();
    await page.getByRole("dialog", { name: "Disconnect demo?" }).waitFor();
    await page.getByRole("button", { name: "Cancel" }).click();
    expect(relay.world.tunnels).toHaveLength(2);
    await page.getByRole("button", { name: "Disconnect" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Disconnect" }).click();
    await page.getByText("demo is disconnected").waitFor();
    await page.getByText("This tunnel is not there, or not any more.").waitFor();
    expect(relay.world.tunnels.map(({ name }) => name)).toEqual(["other"]);
  });

  it("warns when relays that may have the tunnel did not answer", async () => {
    const { page } = closing(
      await openDashboard(browser(), { tunnels: [tunnelOf("demo")], silent: ["d4e5"] }, "?tunnel=demo"),
    );
    await page.getByRole("button", { name: "Disconnect" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Disconnect" }).click();
    await page.getByText("these relays did not answer: d4e5").waitFor();
  });

  it("shows all members of a pool, and none of another name that has this one in it", async () => {
    const tunnels = [
      tunnelOf("demo", { pool: true, address: "192.0.2.1" }),
      tunnelOf("demo", { pool: true, address: "192.0.2.2" }),
      tunnelOf("demo-2", { address: "192.0.2.3" }),
    ];
    const { page } = closing(await openDashboard(browser(), { tunnels }, "?tunnel=demo"));
    await expect.poll(() => page.getByRole("region", { name: /The client at/ }).count(), patience).toBe(2);
    await page.getByRole("button", { name: "Disconnect" }).click();
    await page.getByText("All 2 clients of the pool lose the name.").waitFor();
  });

  it("shows what strangers wrote as text", async () => {
    const evil = `<img src=x onerror="document.title='hacked'">\u202egnp\u0000`;
    const tunnel = tunnelOf("demo", {
      note: evil,
      client: { name: evil, version: "<b>1</b>" },
      url: "javascript:document.title='hacked'",
    });
    const { page } = closing(await openDashboard(browser(), { tunnels: [tunnel] }));
    const shown = String.raw`<img src=x onerror="document.title='hacked'">\u202egnp\u0000`;
    await page.getByText(shown).first().waitFor();
    await page.getByRole("link", { name: "demo" }).click();
    await page.getByText(shown).first().waitFor();
    await page.getByText("javascript:document").waitFor();
    expect(await page.locator("main img, main b, main a[href^='javascript:']").count()).toBe(0);
    expect(await page.title()).not.toContain("hacked");
  });
});
