import { describe, expect, it } from "vitest";
import { stateOf, summaryOf } from "../../packages/inspector/test/support/fixtures.js";
import { browserForAll } from "../support/browser.js";
import { closingAfterEach } from "../support/cleanup.js";
import { missingProgram } from "../support/requires.js";
import { expectAccessible } from "../support/page-looks.js";
import { openPage } from "./page-world.js";

const tunnels = ["web", "a-tunnel-with-a-name-that-is-long"].map((name) => ({
  name,
  service: "http://localhost:3000",
  url: `https://${name}.tunnel.example`,
  connection: "online" as const,
}));
const { url: _, ...state } = stateOf({ tunnels });

describe.skipIf(missingProgram("chromium"))("a page of several tunnels", () => {
  const closing = closingAfterEach();
  const browser = browserForAll();

  it("says of each request which tunnel it is of, and shows one tunnel alone", async () => {
    const exchanges = tunnels.map(({ name }, i) => summaryOf(i + 1, { tunnel: name }));
    const matches = ({ tunnel }: { tunnel?: string }, filters: URLSearchParams): boolean =>
      !filters.has("tunnel") || filters.get("tunnel") === tunnel;
    const { page } = closing(
      await openPage(browser(), { state, exchanges, matches }, "", { bypassCSP: true }),
    );
    const rows = page.locator("[role=row][data-id]");
    await expect.poll(() => rows.count()).toBe(2);
    expect(await rows.locator(".badge.tunnel").allTextContents()).toEqual(
      expect.arrayContaining(tunnels.map(({ name }) => name)),
    );
    const choice = page.getByRole("combobox", { name: "Tunnel" });
    expect(await choice.locator("option").allTextContents()).toEqual([
      "2 tunnels",
      ...tunnels.map(({ name, service }) => `${name} → ${service}`),
    ]);
    await expectAccessible(page, async () => {
      expect(await rows.locator(".badge.tunnel").first().isVisible()).toBe(true);
    });
    await choice.selectOption("web");
    await expect.poll(() => rows.count()).toBe(1);
    await page.getByText("https://web.tunnel.example").waitFor();
    expect(new URL(page.url()).searchParams.get("tunnel")).toBe("web");
    await expectAccessible(page);
  });

  it("is that of one tunnel while there is one", async () => {
    const [first] = tunnels;
    const exchanges = [summaryOf(1, { tunnel: "web" })];
    const one = stateOf({ ...(first === undefined ? {} : { tunnels: [first] }) });
    const { page } = closing(await openPage(browser(), { state: one, exchanges }));
    await page.locator("[role=row][data-id]").waitFor();
    expect(await page.getByRole("combobox", { name: "Tunnel" }).count()).toBe(0);
    expect(await page.locator(".badge.tunnel").count()).toBe(0);
  });
});
