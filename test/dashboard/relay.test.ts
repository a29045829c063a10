import { describe, expect, it } from "vitest";
import type { Overview } from "../../packages/dashboard/src/model.js";
import { overviewOf } from "../../packages/dashboard/test/support/fixtures.js";
import { browserForAll } from "../support/browser.js";
import { closingAfterEach } from "../support/cleanup.js";
import { missingProgram } from "../support/requires.js";
import { openDashboard, patience } from "./dashboard-world.js";

const day = 86_400_000;

describe.skipIf(missingProgram("chromium"))("the relay on the dashboard", () => {
  const closing = closingAfterEach();
  const browser = browserForAll();

  it("makes rates of the relay's own times, and draws them", async () => {
    const { page, relay } = closing(await openDashboard(browser(), {}, "?view=relay"));
    const requests = page.getByRole("figure").filter({ hasText: "Requests a second" });
    await requests.getByText("…").waitFor();
    let at = Date.now() + 60_000;
    let count = 0;
    // Each answer is ten seconds later than the one before, and has 500 requests more.
    relay.answers.set("GET overview", (_request, res) => {
      at += 10_000;
      count += 500;
      const none = overviewOf().totals.requests;
      const overview = overviewOf(
        { at, relay: relay.world.overview.relay },
        {
          requests: { ...none, "2xx": count, "5xx": count / 50 },
          responseBytes: count * 1_024,
          openRequests: 7,
        },
      );
      res.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify(overview));
    });
    await requests.getByText("51", { exact: true }).waitFor();
    await requests.getByText("1.0 failed").waitFor();
    await page
      .getByRole("figure")
      .filter({ hasText: "To visitors" })
      .getByText("50.0 KiB/s")
      .first()
      .waitFor();
    await page
      .getByRole("figure")
      .filter({ hasText: "Open requests" })
      .getByText("7", { exact: true })
      .waitFor();
    await expect
      .poll(() => requests.locator(".chart-line").first().getAttribute("d"), patience)
      .toMatch(/^M[\d.]+ [\d.]+L/);
    const row = page.getByRole("row", { name: /2xx/ });
    await expect.poll(() => row.getByRole("cell").first().textContent(), patience).toBe("50");
  });

  it("begins anew when the relay was started again, and never shows a rate below zero", async () => {
    const before = overviewOf({}, { requests: { ...overviewOf().totals.requests, "2xx": 90_000 } });
    const { page, relay } = closing(await openDashboard(browser(), { overview: before }, "?view=relay"));
    const requests = page.getByRole("figure").filter({ hasText: "Requests a second" });
    await requests.getByText("0", { exact: true }).waitFor();
    relay.world.overview = overviewOf({ relay: { ...before.relay, startedAt: before.relay.startedAt + 1 } });
    await requests.getByText("…").waitFor();
    await requests.getByText("0", { exact: true }).waitFor();
  });

  it("says of a limit what it means and which option sets it, and of a refusal what was said", async () => {
    const totals: Partial<Overview["totals"]> = {
      limits: { connections: 0, requests_per_address: 42, of_tomorrow: 1 },
      refusals: { tunnel_not_found: 391, too_many_requests: 0, from_a_judge: 2 },
    };
    const { page, relay } = closing(
      await openDashboard(browser(), { overview: overviewOf({}, totals) }, "?view=relay"),
    );
    const limits = page.getByRole("region", { name: "Limits that took effect" });
    await limits.getByText("requests at once from one address, over all tunnels").waitFor();
    await limits.getByText("--max-requests-per-address").waitFor();
    await limits.getByText("of_tomorrow").waitFor();
    expect(await limits.getByText("--max-connections").count()).toBe(0);
    const refused = page.getByRole("region", { name: "Refused by the relay" });
    await refused.getByText("502: tunnel not found").waitFor();
    await refused.getByText("by the program around the relay").waitFor();
    expect(await refused.getByText("too_many_requests").count()).toBe(0);

    // What takes effect while somebody looks stands on top, and at the tab.
    expect(await page.getByText("to see").count()).toBe(0);
    relay.world.overview = overviewOf(
      { relay: relay.world.overview.relay },
      { ...totals, limits: { ...totals.limits, connections: 3 } },
    );
    await page.getByRole("link", { name: "Relay 1 to see" }).waitFor();
    await page.getByText("Limit reached 3 times: connections at once").waitFor();
  });

  it("shows what needs a hand: what is stale, what expires, who is silent, who is not ready", async () => {
    const overview = overviewOf({
      relay: {
        ...overviewOf().relay,
        ready: "tokens are stale",
        stale: [
          {
            kind: "tokens",
            name: "/etc/tokens.yaml",
            problem: "line 3: is empty",
            since: Date.now() - 60_000,
          },
        ],
        workers: [
          { worker: 1, pid: 4711, node: "w1", ready: true },
          { worker: 2, ready: false },
        ],
      },
      certificates: [
        {
          names: ["tunnel.example.com"],
          issuer: "Example CA",
          notBefore: Date.now() - 80 * day,
          notAfter: Date.now() + 10.5 * day,
          source: "acme",
          stale: "the authority does not answer",
        },
        {
          names: ["old.example.com"],
          issuer: "Example CA",
          notBefore: Date.now() - 80 * day,
          notAfter: Date.now() - 2.5 * day,
          source: "files",
        },
      ],
      cluster: {
        node: "a1",
        ready: true,
        relays: [
          { node: "a1", address: "10.0.0.1:7000" },
          { node: "b2", address: "10.0.0.2:7000", silent: true },
        ],
      },
    });
    const relay = { overview };
    const opened = await openDashboard(browser(), { overview: overviewOf() }, "?view=relay");
    closing(opened);
    opened.relay.world.overview = relay.overview;
    const { page } = opened;
    const list = page.getByRole("region", { name: "To see to" });
    for (const text of [
      "Not ready: tokens are stale",
      "Cannot be read again: /etc/tokens.yaml",
      "line 3: is empty",
      "The certificate of old.example.com has expired 2 days ago",
      "The certificate of tunnel.example.com expires in 10 days",
      "The relay b2 does not answer",
      "Process 2 is not ready",
    ]) {
      await list.getByText(text).waitFor();
    }
    // The worst is on top.
    expect(await list.getByRole("listitem").first().textContent()).toContain("Not ready");
    await page.getByText("Could not be renewed: the authority does not answer").waitFor();
    await page.getByRole("row", { name: /a1 this one/ }).waitFor();
    await page.getByRole("row", { name: /4711/ }).waitFor();
  });
});
