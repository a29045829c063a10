import type { Page } from "playwright-core";
import { describe, it } from "vitest";
import { FakeRelay, type World } from "../../packages/dashboard/test/support/fake-relay.js";
import { overviewOf, tokenOf, tunnelOf } from "../../packages/dashboard/test/support/fixtures.js";
import { sendJson } from "../../packages/page/test/support/fake-server.js";
import { browserForAll } from "../support/browser.js";
import { closingAfterEach } from "../support/cleanup.js";
import { expectAccessible } from "../support/page-looks.js";
import { missingProgram } from "../support/requires.js";
import { openDashboard } from "./dashboard-world.js";

// Each screen in wide and narrow windows, dark and light, looked at by axe-core.

const day = 86_400_000;
const longName = "a-name-as-long-as-a-name-can-be-and-that-is-sixty-three-letters";
const tunnels = [
  tunnelOf("demo", { gate: ["bearer", "oauth"], relay: "a1b2c3d4e5f6" }),
  tunnelOf(longName, {
    note: "N".repeat(256),
    address: "2001:db8:85a3:1234:5678:8a2e:370:7334",
    state: "away",
  }),
  tunnelOf("pooled", { pool: true, gate: [] }),
];
const tokens = [
  tokenOf("3f9ac01b77de", { tunnels: 3, maxTunnels: 9, maxRequestsPerSecond: 50, maxBytesPerSecond: 4_096 }),
  tokenOf("99aa77bb11cc", { note: "N".repeat(256), subdomains: [longName, "*"], expires: "2020-01-31" }),
];

/** A relay with something of everything. */
const eventful = overviewOf(
  {
    relay: {
      ...overviewOf().relay,
      node: "a1b2c3d4e5f6",
      ready: "tokens are stale",
      stale: [
        { kind: "tokens", name: `/etc/${longName}/tokens.yaml`, problem: "line 3: is empty", since: 1 },
      ],
      workers: [
        { worker: 1, pid: 4711, node: "w1", ready: true },
        { worker: 2, ready: false },
      ],
    },
    certificates: [
      {
        names: [`${longName}.example.com`, "*.example.com"],
        issuer: "Example CA",
        notBefore: Date.now() - 80 * day,
        notAfter: Date.now() + 5 * day,
        source: "acme",
        stale: "no answer",
      },
    ],
    cluster: {
      node: "a1b2c3d4e5f6",
      ready: true,
      relays: [
        { node: "a1b2c3d4e5f6", address: "10.0.0.1:7000" },
        { node: "b2", address: "[2001:db8:85a3:1234:5678:8a2e:370:7334]:7000", silent: true },
      ],
    },
  },
  {
    requests: { "1xx": 1, "2xx": 90_000, "3xx": 12, "4xx": 900, "5xx": 70, none: 3 },
    limits: { requests_per_address: 42 },
    refusals: { tunnel_not_found: 391 },
  },
);

interface Screen {
  readonly query?: string;
  readonly world?: Partial<World>;
  readonly act?: (page: Page, relay: FakeRelay) => Promise<void>;
  /** A text of the screen. */
  readonly text: string;
}

const press =
  (name: string) =>
  async (page: Page): Promise<void> => {
    await page.getByRole("button", { name, exact: true }).click();
  };

const screens: Readonly<Record<string, Screen>> = {
  "no tunnel": { text: "No tunnel yet" },
  tunnels: { world: { tunnels, silent: ["b2"] }, text: "3 tunnels" },
  "many tunnels": {
    query: "?page=2",
    world: { tunnels: Array.from({ length: 104 }, (_, i) => tunnelOf(`t-${i}`)) },
    text: "101–104 of 104",
  },
  "no tunnel that matches": { query: "?find=none", world: { tunnels }, text: "No tunnel matches" },
  "a page of tunnels that is not there any more": {
    query: "?page=9",
    world: { tunnels },
    text: "There are not so many tunnels any more.",
  },
  "a tunnel": { query: `?tunnel=${longName}`, world: { tunnels }, text: "is expected back" },
  "a tunnel that is gone": { query: "?tunnel=gone", text: "This tunnel is not there" },
  "the question before a disconnect": {
    query: "?tunnel=demo",
    world: { tunnels },
    act: press("Disconnect"),
    text: "to keep it away, revoke its token",
  },
  "a relay to which nothing has happened": { query: "?view=relay", text: "No limit took effect." },
  "a relay with something of everything": {
    query: "?view=relay",
    act: async (_page, relay) => {
      relay.world.overview = eventful;
    },
    text: "Not ready: tokens are stale",
  },
  "no token": { query: "?view=tokens", text: "No token yet" },
  tokens: { query: "?view=tokens", world: { tokens }, text: "2 tokens" },
  "tokens that are elsewhere": {
    query: "?view=tokens",
    world: { overview: overviewOf({ tokens: "other" }) },
    text: "Tokens are not in a file here",
  },
  "the form of a token, with a mistake": {
    query: "?view=tokens",
    act: async (page) => {
      await press("Create a token")(page);
      await press("Create")(page);
    },
    text: "Give a name at least",
  },
  "a new token": {
    query: "?view=tokens",
    act: async (page) => {
      await press("Create a token")(page);
      await page.getByLabel("Names").fill("demo");
      await press("Create")(page);
    },
    text: "This is the only time that it is shown.",
  },
  "a relay that does not answer": {
    world: { tunnels },
    act: async (_page, relay) => {
      relay.answers.set("GET overview", (_request, res) => res.destroy());
    },
    text: "The relay does not answer since",
  },
  "an answer that says no": {
    world: { tunnels },
    act: async (_page, relay) => {
      relay.answers.set("GET tunnels", (_request, res) => sendJson(res, { error: "out of order" }, 500));
    },
    text: "out of order",
  },
  "the keys": { act: press("Keys"), text: "Letters and signs are keys" },
};

describe.skipIf(missingProgram("chromium"))("the screens of the dashboard are accessible:", () => {
  const closing = closingAfterEach();
  const browser = browserForAll();
  // Each is looked at in four windows.
  const timeout = 60_000;

  it.each(Object.entries(screens))("%s", { timeout }, async (_name, { query, world, act, text }) => {
    const { page, relay } = closing(await openDashboard(browser(), world, query, { bypassCSP: true }));
    await act?.(page, relay);
    await page.getByText(text).first().waitFor();
    await expectAccessible(page);
  });

  it.each([true, false])("signing in, with a secret at the relay: %s", { timeout }, async (hasSecret) => {
    const relay = closing(await FakeRelay.start());
    relay.hasSecret = hasSecret;
    const context = closing(await browser().newContext({ bypassCSP: true }));
    const page = await context.newPage();
    await page.goto(relay.origin);
    if (hasSecret) {
      await page.getByLabel("Admin secret").fill("a guess");
      await page.keyboard.press("Enter");
      await page.getByText("That is not").waitFor();
    } else await page.getByText("has no admin secret").waitFor();
    await expectAccessible(page);
  });
});
