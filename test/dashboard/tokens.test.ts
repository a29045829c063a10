import { describe, expect, it } from "vitest";
import { overviewOf, tokenOf, tunnelOf } from "../../packages/dashboard/test/support/fixtures.js";
import { browserForAll } from "../support/browser.js";
import { closingAfterEach } from "../support/cleanup.js";
import { missingProgram } from "../support/requires.js";
import { openDashboard } from "./dashboard-world.js";

describe.skipIf(missingProgram("chromium"))("the tokens of the dashboard", () => {
  const closing = closingAfterEach();
  const browser = browserForAll();

  it("lists them with names, end, limits and tunnels, and leads to the tunnels", async () => {
    const tokens = [
      tokenOf("3f9a", { maxTunnels: 1, maxRequestsPerSecond: 50, maxBytesPerSecond: 2_097_152, tunnels: 1 }),
      tokenOf("99aa", { note: "ci", expires: "2020-01-31" }),
      tokenOf("0042", { note: "soon", expires: new Date(Date.now() + 3.5 * 86_400_000).toISOString() }),
    ];
    const { page } = closing(
      await openDashboard(
        browser(),
        { tokens, tunnels: [tunnelOf("demo", { token: "3f9a" })] },
        "?view=tokens",
      ),
    );
    const row = page.getByRole("row", { name: /3f9a/ });
    await row.getByText("demo-*").waitFor();
    await row.getByText("1 tunnel, 50 requests/s, 2.0 MiB/s").waitFor();
    await page.getByRole("row", { name: /ci/ }).getByText("expired").waitFor();
    await page.getByRole("row", { name: /soon/ }).getByText("in 3 days").waitFor();
    await row.getByRole("link").click();
    await page.getByRole("link", { name: "demo" }).waitFor();
    expect(await page.getByRole("searchbox").inputValue()).toBe("3f9a");
  });

  it.each([1_280, 390])("cuts a long note at the end of its column, %i px wide", async (width) => {
    const note = "whose it is, and why, in many words ".repeat(7);
    const { page } = closing(
      await openDashboard(browser(), { tokens: [tokenOf("3f9a", { note })] }, "?view=tokens"),
    );
    await page.setViewportSize({ width, height: 800 });
    const [text, column] = await Promise.all(
      [page.locator("strong").getByText("whose it is"), page.getByRole("rowheader")].map((place) =>
        place.boundingBox(),
      ),
    );
    if (!text || !column) throw new Error("the row is not there");
    expect(text.x + text.width).toBeLessThanOrEqual(Math.min(column.x + column.width, width));
  });

  it("creates one, and shows it once, in a dialog that only its button closes", async () => {
    const { page, relay } = closing(await openDashboard(browser(), {}, "?view=tokens"));
    await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    await page.getByText("No token yet").waitFor();
    await page.getByRole("button", { name: "Create a token" }).click();
    // Each limit that is left out is that of the relay, which may have one.
    expect(await page.getByText("Nothing: the relay's own limit.").count()).toBe(3);
    // A mistake is told at its field, by the page or by the relay.
    await page.getByRole("button", { name: "Create", exact: true }).click();
    await page.getByText("Give a name at least").waitFor();
    await page.getByLabel("Names").fill("Ann's");
    await page.getByRole("button", { name: "Create", exact: true }).click();
    await page.getByText("is not a subdomain pattern").waitFor();
    expect(await page.evaluate(() => document.activeElement?.getAttribute("name"))).toBe("subdomains");

    await page.getByLabel("Names").fill("demo, ann-*");
    await page.getByLabel("Note").fill("Ann");
    await page.getByLabel("Good until").fill("2031-05-01");
    await page.getByLabel("Tunnels at once").fill("3");
    await page.getByLabel("Bytes a second", { exact: true }).fill("1.5");
    await page.getByRole("button", { name: "Create", exact: true }).click();
    await page.getByText("This is the only time that it is shown.").waitFor();
    expect(relay.world.tokens).toEqual([
      {
        id: "drawn2",
        subdomains: ["demo", "ann-*"],
        note: "Ann",
        expires: "2031-05-01",
        maxTunnels: 3,
        maxBytesPerSecond: 1_572_864,
        tunnels: 0,
      },
    ]);
    await page.getByRole("button", { name: "Copy" }).click();
    await page.getByText("Copied the token").waitFor();
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe("mtt_drawn2");
    await page.keyboard.press("Escape");
    await page.mouse.click(5, 5);
    expect(await page.getByRole("dialog").count()).toBe(1);
    await page.getByRole("button", { name: "Done" }).click();
    await page.getByRole("row", { name: /Ann/ }).waitFor();
    expect(await page.content()).not.toContain("mtt_");
  });

  it("changes what was changed, and nothing else", async () => {
    const token = tokenOf("3f9a", {
      expires: "2031-02-01T00:00:00.000Z",
      maxTunnels: 4,
      maxBytesPerSecond: 3_072,
    });
    const { page, relay } = closing(await openDashboard(browser(), { tokens: [token] }, "?view=tokens"));
    await page.getByRole("button", { name: "Edit Ann Example" }).click();
    expect(await page.getByLabel("Good until").inputValue()).toBe("2031-01-31");
    expect(await page.getByLabel("Bytes a second", { exact: true }).inputValue()).toBe("3");
    await page.getByLabel("Tunnels at once").fill("");
    await page.getByLabel("Note").fill("Bea");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByRole("row", { name: /Bea/ }).waitFor();
    const change = relay.requests.find(({ method }) => method === "PATCH");
    expect(change?.path).toBe("tokens/3f9a");
    expect(JSON.parse(change?.body ?? "")).toEqual({ note: "Bea", maxTunnels: null });
  });

  it("rotates and revokes one only when asked again, and says what is lost", async () => {
    const { page, relay } = closing(
      await openDashboard(browser(), { tokens: [tokenOf("3f9a", { tunnels: 2 })] }, "?view=tokens"),
    );
    await page.getByRole("button", { name: "Rotate Ann Example" }).click();
    await page.getByText("Its 2 tunnels are closed.").waitFor();
    await page.getByRole("button", { name: "Cancel" }).click();
    expect(relay.world.tokens[0]?.id).toBe("3f9a");
    await page.getByRole("button", { name: "Rotate Ann Example" }).click();
    await page.getByRole("button", { name: "Make a new one" }).click();
    await page.getByRole("dialog", { name: "The new token of Ann Example" }).waitFor();
    expect(await page.getByLabel("The token drawn1").inputValue()).toBe("mtt_drawn1");
    await page.getByRole("button", { name: "Done" }).click();

    await page
      .getByRole("row", { name: /drawn1/ })
      .getByRole("button", { name: "Revoke" })
      .click();
    await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
    await page.getByText("Ann Example is revoked").waitFor();
    await page.getByText("No token yet").waitFor();
    // The button is gone that opened the dialog: keys go on from the page.
    expect(await page.evaluate(() => document.activeElement?.localName)).toBe("main");
  });

  it("says that tokens are elsewhere where the relay has no file of them", async () => {
    const { page } = closing(
      await openDashboard(browser(), { overview: overviewOf({ tokens: "other" }) }, "?view=tokens"),
    );
    await page.getByText("Tokens are not in a file here").waitFor();
    expect(await page.getByRole("button", { name: "Create a token" }).count()).toBe(0);
  });
});
