import type { Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import type { ExchangeSummary } from "mcp-tunnel-inspector/model";
import {
  type Fixtures,
  type FixtureServer,
  sendProblem,
} from "../../packages/inspector/test/support/fixture-server.js";
import {
  detailOf,
  messageOf,
  stateOf,
  summaryOf,
  textOf,
} from "../../packages/inspector/test/support/fixtures.js";
import { callOf, calls, sessions } from "../../packages/inspector/test/support/mcp-fixtures.js";
import { browserForAll } from "../support/browser.js";
import { closingAfterEach } from "../support/cleanup.js";
import { missingProgram } from "../support/requires.js";
import { expectAccessible } from "../support/page-looks.js";
import { openPage } from "./page-world.js";

// Screens that no other test looks at with axe-core, and what is seen on them.

interface Screen {
  readonly query?: string;
  readonly fixtures?: Partial<Fixtures>;
  /** Leads to the screen, once the page is there. */
  readonly act?: (page: Page, server: FixtureServer) => Promise<void>;
  /** A text of the screen. */
  readonly text: string;
}

const exchanges = Array.from({ length: 20 }, (_, i) => summaryOf(i + 1));

function details(
  summary: Partial<ExchangeSummary>,
  detail: Parameters<typeof detailOf>[1],
): Partial<Fixtures> {
  const entry = summaryOf(21, summary);
  return { exchanges: [...exchanges, entry], detail: () => detailOf(entry, detail) };
}

function call(changes: Parameters<typeof callOf>[1]): Partial<Fixtures> {
  const { durationMs: _durationMs, result: _result, ...unfinished } = callOf("40.0");
  return { sessions: [...sessions], calls: [{ ...unfinished, ...changes }] };
}

const lose = async (_page: Page, server: FixtureServer): Promise<void> => {
  server.answers.set("GET stream", (_request, res) => res.destroy());
  server.dropStreams();
};

const screens: Readonly<Record<string, Screen>> = {
  "no exchange": { text: "No requests yet." },
  "no exchange that matches": {
    query: "?method=GET",
    fixtures: { exchanges, matches: () => false },
    text: "Nothing that is kept matches",
  },
  "a filter that is not understood": {
    fixtures: {
      matches: (_entry, filters) => {
        if (filters.has("status")) throw new Error("status is no number");
        return true;
      },
      exchanges,
    },
    act: async (page) => {
      await page.keyboard.press("f");
      await page.getByLabel("Status", { exact: true }).fill("x");
    },
    text: "status is no number",
  },
  "an exchange that is not kept": { query: "?id=99", fixtures: { exchanges }, text: "kept no more" },
  "an event stream": {
    query: "?id=21",
    fixtures: details(
      { kind: "stream", state: "open" },
      {
        response: {
          status: 200,
          ...messageOf(
            {
              form: "events",
              events: [
                { atMs: 1, event: "", data: "alive", comment: true, bytes: 7 },
                { atMs: 9, event: "message", id: "7", data: '{"a":[1]}', bytes: 30, cut: true },
              ],
              dropped: 3,
              bytes: 37,
            },
            [],
          ),
        },
      },
    ),
    text: "3 events before these are not kept.",
  },
  "a WebSocket": {
    query: "?id=21",
    fixtures: details(
      { kind: "websocket", status: 101 },
      {
        response: { status: 101, ...messageOf({ form: "none" }, []) },
        socket: {
          messages: [
            { atMs: 5, from: "visitor", kind: "text", data: "hello", bytes: 5 },
            { atMs: 9, from: "service", kind: "binary", data: "AAE=", bytes: 2 },
          ],
          dropped: 0,
          unread: "a message was too long",
        },
      },
    ),
    text: "a message was too long",
  },
  "a refusal": {
    query: "?id=21",
    fixtures: details(
      {
        kind: "refused",
        status: 413,
        state: "failed",
        refusal: { code: "request_too_large", count: 14, message: "request body over the limit" },
      },
      {},
    ),
    text: "14 requests",
  },
  "an exchange that cannot be sent again": {
    query: "?id=21",
    fixtures: details(
      { state: "cancelled" },
      { noReplay: "Its body was not kept.", request: messageOf(textOf("a"), []) },
    ),
    text: "Its body was not kept.",
  },
  "a call that runs": {
    query: "?view=mcp&session=s1&call=40.0",
    fixtures: call({ outcome: "open", lastProgress: { progress: 3, total: 5, message: "three" } }),
    text: "3 of 5: three",
  },
  "a call that was cancelled": {
    query: "?view=mcp&session=s1&call=40.0",
    fixtures: call({ outcome: "cancelled", durationMs: 5_000 }),
    text: "the client has taken the call back",
  },
  "a call without an answer": {
    query: "?view=mcp&session=s1&call=40.0",
    fixtures: call({ outcome: "cut", notes: [{ code: "no_answer", text: "It ended without an answer" }] }),
    text: "It ended without an answer",
  },
  "a tool that failed": {
    query: "?view=mcp&session=s1&call=16.0",
    fixtures: { sessions: [...sessions], calls: [...calls] },
    text: "No table is free",
  },
  "a call that is not kept": {
    query: "?view=mcp&session=s1&call=99.0",
    fixtures: { sessions: [...sessions] },
    text: "not kept any more",
  },
  "no server on stdio": { query: "?view=servers", text: "No server on stdio" },
  "two exchanges side by side": {
    query: "?compare=1-2",
    fixtures: {
      detail: (id) => detailOf(summaryOf(id), { request: messageOf(textOf(`body ${id}`), []) }),
    },
    text: "lines differ",
  },
  "one of two that is not kept": { query: "?compare=1-99", fixtures: { exchanges }, text: "Exchange 99:" },
  "the question before all is deleted": {
    fixtures: { exchanges },
    act: async (page) => page.getByRole("button", { name: "Clear" }).click(),
    text: "Delete all exchanges?",
  },
  "a problem": {
    fixtures: { exchanges },
    act: async (page, server) => {
      server.answers.set("GET har", (_request, res) => sendProblem(res, 429, "too_many", "Wait a second."));
      await page.getByRole("button", { name: "Export HAR" }).click();
    },
    text: "Wait a second.",
  },
  "a lost connection": { fixtures: { exchanges }, act: lose, text: "The inspector does not answer" },
  "a pause, after much was missed": {
    fixtures: { state: stateOf({ paused: true, missed: { exchanges: 1_200, bodies: 3 } }) },
    text: "3 bodies not kept under load",
  },
  "no secret": {
    act: async (page, server) => {
      await page.evaluate(() => sessionStorage.clear());
      await page.goto(server.origin);
    },
    text: "opens only with its secret",
  },
};

describe.skipIf(missingProgram("chromium"))("the screens of the inspector's page", () => {
  const closing = closingAfterEach();
  const browser = browserForAll();

  it.each(Object.keys(screens))("are accessible: %s", { timeout: 60_000 }, async (name) => {
    const { query, fixtures, act, text } = screens[name] as Screen;
    const { page, server } = closing(await openPage(browser(), fixtures, query, { bypassCSP: true }));
    await act?.(page, server);
    await page.getByText(text).first().waitFor();
    await expectAccessible(page);
  });

  it("have one line for the state of the page, in a wide window", async () => {
    const { page, server } = closing(await openPage(browser(), { exchanges }));
    await lose(page, server);
    await page.getByText("The inspector does not answer").waitFor();
    expect((await page.locator("footer").boundingBox())?.height).toBeLessThan(30);
  });

  it("leave room for the path of each exchange beside its marks", async () => {
    const entry = summaryOf(22, { kind: "stream", state: "open", replayOf: 3, user: "ada@example.com" });
    const { page } = closing(await openPage(browser(), { exchanges: [...exchanges, entry] }, "?id=22"));
    const path = page.locator("[data-id='22'] .path > .cut").first();
    expect((await path.boundingBox())?.width).toBeGreaterThan(25);
  });

  it("have a head in which nothing lies over anything else, however long the service is called", async () => {
    const state = stateOf({ service: "npx -y @modelcontextprotocol/server-everything stdio" });
    const { page } = closing(
      await openPage(browser(), { state, servers: [{ started: 0, failed: 0, processes: [] }] }, "", {
        viewport: { width: 390, height: 844 },
      }),
    );
    const right = async (selector: string): Promise<number> =>
      page
        .locator(selector)
        .last()
        .evaluate((element) => element.getBoundingClientRect().right);
    const left = async (selector: string): Promise<number> =>
      page.locator(selector).evaluate((element) => element.getBoundingClientRect().left);
    expect(await right(".brand span")).toBeLessThanOrEqual(await left(".actions"));
    expect(await right(".tabs a")).toBeLessThanOrEqual(await left(".where-service"));
    expect(await page.locator(".actions").evaluate((element) => element.getBoundingClientRect().right)).toBe(
      390 - 12,
    );
  });

  it("name calls where keys move through them", async () => {
    const { page } = closing(await openPage(browser()));
    await page.keyboard.press("?");
    await page.getByText("next request or call").waitFor();
  });
});
