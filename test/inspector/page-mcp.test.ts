import type { Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import type { ServerProcess } from "mcp-tunnel-inspector/model";
import type { Fixtures } from "../../packages/inspector/test/support/fixture-server.js";
import { startedAt } from "../../packages/inspector/test/support/fixtures.js";
import { callOf, calls, pngBase64, sessions } from "../../packages/inspector/test/support/mcp-fixtures.js";
import { browserForAll } from "../support/browser.js";
import { closingAfterEach } from "../support/cleanup.js";
import { missingProgram } from "../support/requires.js";
import { expectAccessible } from "../support/page-looks.js";
import { type OpenedPage, openPage } from "./page-world.js";

function processOf(changes: Partial<ServerProcess> = {}): ServerProcess {
  return { process: 1, purpose: "shared", state: "running", startedAt, lines: [], dropped: 0, ...changes };
}

describe.skipIf(missingProgram("chromium"))("MCP on the inspector's page", () => {
  const closing = closingAfterEach();
  const browser = browserForAll();

  const open = async (
    query: string,
    fixtures: Partial<Fixtures> = {},
    options: Parameters<typeof openPage>[3] = {},
  ): Promise<OpenedPage> =>
    closing(
      await openPage(browser(), { sessions: [...sessions], calls: [...calls], ...fixtures }, query, options),
    );

  /** What a single call shows of a result. */
  async function openResult(result: object): Promise<Page> {
    const call = callOf("30.0", { result: JSON.stringify(result) });
    const { page } = await open("?view=mcp&session=s1&call=30.0", { calls: [call] });
    await page.getByRole("heading", { name: "Result" }).waitFor();
    return page;
  }

  it("leads from a session to its calls and to one call, and back", async () => {
    const { page } = await open("?view=mcp");
    await page.getByRole("link", { name: /Claude 0\.1\.0 as ada@example\.com/ }).click();
    await page.getByText("sampling, elicitation, roots").waitFor();
    await page.getByRole("link", { name: /trigger-long-running-operation/ }).click();
    await page.getByRole("heading", { name: /trigger-long-running-operation tools\/call/ }).waitFor();
    await expect.poll(() => page.url()).toContain("?view=mcp&session=s1&call=12.0");
    await page.keyboard.press("Escape");
    await page.getByText("sampling, elicitation, roots").waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("link", { name: /ChatGPT/ }).waitFor();
    await page.goBack();
    await page.getByText("sampling, elicitation, roots").waitFor();
  });

  it("shows who a session is of, as soon as it begins", async () => {
    const { page, server } = await open("?view=mcp", { sessions: [] });
    await page.getByRole("heading", { name: "No MCP yet" }).waitFor();
    await page.getByText("https://calm-otter.tunnel.example/mcp").waitFor();
    const [{ session }] = sessions as [(typeof sessions)[number]];
    server.push({ type: "sessions", sessions: [session], gone: [] });
    const row = page.getByRole("link", { name: /Claude/ });
    expect(await row.innerText()).toMatch(/everything 2\.0\.0[^]*2025-11-25 · legacy[^]*7 calls · 2 errors/);
    expect(await row.innerText()).toContain("2 tools, 48.2 KiB");
    server.push({ type: "sessions", sessions: [], gone: [session.key] });
    await page.getByRole("heading", { name: "No MCP yet" }).waitFor();
  });

  it("moves through the calls with keys, and filters them", async () => {
    const { page } = await open("?view=mcp&session=s1");
    const rows = page.locator(".call-row");
    await expect.poll(() => rows.count()).toBe(calls.length);
    await page.keyboard.press("j");
    await page.keyboard.press("j");
    await page.keyboard.press("k");
    await page.waitForURL((url) => url.searchParams.get("call") === "16.0");
    await rows.first().focus();
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    await expect.poll(() => page.url()).toContain("call=15.0");

    await page.keyboard.press("/");
    await page.keyboard.type("NOT FOUND");
    await expect.poll(() => rows.allInnerTexts()).toEqual([expect.stringContaining("weather")]);
    await page.getByRole("searchbox").fill("");
    await page.getByRole("combobox", { name: "Outcome" }).selectOption("tool error");
    await expect.poll(() => rows.count()).toBe(1);
    await page.getByRole("combobox", { name: "Tool or method" }).selectOption("weather");
    await page.waitForURL(
      ({ search }) => search === "?view=mcp&session=s1&call=15.0&called=weather&outcome=tool_error",
    );
    await page.reload();
    await page.getByText("No call matches.").waitFor();
    await page.getByRole("button", { name: "Show all" }).click();
    await expect.poll(() => rows.count()).toBe(calls.length);
  });

  it("says what took too long, what disagrees, and what to do", async () => {
    const { page } = await open("?view=mcp&session=s1&call=12.0");
    const notes = page.getByRole("list", { name: "Notes" });
    expect(await notes.innerText()).toMatch(/these wait: ChatGPT \(60 s\), Codex \(60 s\)\s+Send progress/);
    expect(await notes.innerText()).toContain('but the header field Mcp-Name says "echo"');
    const limits = page.locator(".limits-list li");
    expect(await limits.allTextContents()).toEqual([
      "✓ Claude 300 s: waits long enough",
      "✕ ChatGPT 60 s: would have given up",
      "✕ Codex 60 s: would have given up",
    ]);
    await page.getByText("How sure these limits are").click();
    await page.getByText("reported by users, not documented").waitFor();
  });

  it("shows what both sides said during a call, control characters as escapes", async () => {
    const { page } = await open("?view=mcp&session=s1&call=12.0");
    const items = page.locator(".timeline > li");
    await expect.poll(() => items.count()).toBe(10);
    expect(await items.nth(2).innerText()).toContain("info: step 1 is done\\u001b[31m");
    expect(await items.nth(4).textContent()).toMatch(
      /^\+26\.4 s→from the client: client answers elicitation\/create accept/,
    );
    await items.nth(4).getByText("Message").click();
    await items.nth(4).getByRole("treeitem", { name: "action" }).waitFor();
  });

  it("follows a call while it runs", async () => {
    const running = callOf("40.0", {
      outcome: "open",
      startedAt: Date.now() - 61_000,
      lastProgress: { progress: 3, total: 5, message: "three" },
    });
    const { durationMs: _, result: _result, ...call } = running;
    const { page, server } = await open("?view=mcp&session=s1&call=40.0", { calls: [call] });
    await page.getByText("the call is still running").waitFor();
    await page.getByText("3 of 5: three").waitFor();
    await page.getByText("Running for 1 min").waitFor();
    await page.getByText("✕ Codex 60 s").waitFor();
    server.fixtures.calls = [callOf("40.0")];
    const [{ session }] = sessions as [(typeof sessions)[number]];
    server.push({ type: "sessions", sessions: [{ ...session, lastAt: session.lastAt + 1 }], gone: [] });
    await page.getByText("Booked a table for 4 on the terrace.").waitFor();
  });

  it("shows the content of a result by its kind", async () => {
    const { page } = await open("?view=mcp&session=s1&call=11.0");
    await page.getByText("Booked a table for 4 on the terrace.\nSee you!").waitFor();
    await page.getByRole("treeitem", { name: /^table: 12/ }).waitFor();
    await page.getByText("demo://menu/1").waitFor();
    const image = page.getByRole("img", { name: /image\/png/ });
    expect(await image.evaluate((element: HTMLImageElement) => element.naturalWidth)).toBe(1);
    await page.getByText("reference: 12345678901234567890").waitFor();
  });

  it("shows no image that could have a script in it, nor an address of one", async () => {
    // An SVG may have scripts and load what it likes; a mimeType may try to become another URL or attribute.
    const page = await openResult({
      content: [
        { type: "image", mimeType: "image/svg+xml", data: pngBase64 },
        { type: "image", mimeType: "image/png", data: 'x" onerror="alert(1)' },
        { type: "image", mimeType: "text/html,<script>", data: pngBase64 },
        { type: "audio", mimeType: "audio/wav", data: "UklGRg==" },
        { type: "resource_link", name: "Link", uri: "javascript:alert(1)" },
        { type: "text", text: "<img src=x onerror=alert(1)>" },
      ],
    });
    await page.getByText("audio · audio/wav, 6 B").waitFor();
    await page.getByText("<img src=x onerror=alert(1)>").waitFor();
    expect(await page.locator(".call img, .call script, .call a[href^='javascript']").count()).toBe(0);
  });

  it("does nothing that the content security policy forbids", async () => {
    const { page, server } = await open("?view=mcp");
    const errors: string[] = [];
    page.on("console", (message) => {
      if (message.type() === "error") errors.push(message.text());
    });
    page.on("pageerror", (error) => errors.push(String(error)));
    for (const query of ["?view=mcp&session=s1&call=11.0", "?view=mcp&session=s1&call=12.0"]) {
      await page.goto(server.url(query));
      // The bar beside the limits has widths, which are styles.
      await page.locator(".limits-took").waitFor();
      await page.getByRole("tree").first().waitFor();
    }
    expect(errors).toEqual([]);
  });

  it("asks for a hidden value only when told to", async () => {
    const { page, server } = await open("?view=mcp&session=s1&call=11.0", {
      hidden: { "0011aabb": "ada@example.com\u202e" },
    });
    const tree = page.getByRole("tree", { name: "Arguments" });
    await tree.getByRole("button", { name: /show/ }).click();
    await tree.getByText("ada@example.com\\u202e").waitFor();
    expect(server.requests.map(({ path }) => path)).toContain("exchanges/11/hidden/0011aabb");
  });

  it("folds JSON with keys, and shows JSON in a string", async () => {
    const page = await openResult({ list: [1, [2, { three: '{"four":[5]}' }]], last: "end" });
    const tree = page.getByRole("tree", { name: "Result" });
    const focused = (): Promise<string> =>
      page.evaluate(() => document.activeElement?.querySelector(".json-line")?.textContent ?? "");
    await tree.getByRole("treeitem").first().focus();
    await page.keyboard.press("ArrowDown");
    expect(await focused()).toBe("list: [2 items]");
    await page.keyboard.press("ArrowLeft");
    expect(await tree.getByRole("treeitem").count()).toBe(3);
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("ArrowRight");
    expect(await focused()).toBe("0: 1");
    await page.keyboard.press("End");
    expect(await focused()).toBe('last: "end"');
    await page.keyboard.press("ArrowUp");
    expect(await focused()).toMatch(/^three: JSON in a string/);
    await page.keyboard.press("Enter");
    await tree.getByRole("treeitem", { name: "four" }).waitFor();
    await page.keyboard.press("ArrowLeft");
    await page.keyboard.press("ArrowLeft");
    expect(await focused()).toBe("1: {1 member}");
    await page.locator(".json", { has: tree }).getByRole("button", { name: "Collapse all" }).click();
    expect(await tree.getByRole("treeitem").count()).toBe(3);
  });

  it("opens JSON of 20,000 values at once, 200 at a time", async () => {
    const page = await openResult({ many: Array.from({ length: 20_000 }, (_, at) => ({ at })) });
    const tree = page.getByRole("tree", { name: "Result" });
    await tree.getByText("many:").click();
    await tree.getByText("19,800 more: show 200").click();
    await tree.getByText("19,600 more: show 200").waitFor();
    expect(await tree.getByRole("treeitem").count()).toBe(403);
    // The focus is where the new ones begin.
    expect(await page.evaluate(() => document.activeElement?.textContent)).toContain("200: ");
    await page.locator(".json", { has: tree }).getByRole("button", { name: "Expand all" }).click();
    expect(await tree.getByRole("treeitem").count()).toBeLessThan(2_500);
  });

  it("shows JSON that was cut off as text", async () => {
    const { page } = await open("?view=mcp&session=s1&call=30.0", {
      calls: [callOf("30.0", { result: '{"content":[{"type":"te' })],
    });
    await page.getByText("This JSON is cut off after").waitFor();
    await page.getByText('{"content":[{"type":"te', { exact: true }).waitFor();
  });

  it("shows no control character of a name, and the order of right-to-left texts", async () => {
    const folded = {
      outer: { "\u202egnp": 1, "": 2 },
      "": "",
      "\u05e9\u05dc\u05d5\u05dd": "\u0645\u0631\u062d\u0628\u0627",
    };
    const page = await openResult(folded);
    const tree = page.getByRole("tree", { name: "Result" });
    await page.locator(".json", { has: tree }).getByRole("button", { name: "Collapse all" }).click();
    await tree.getByText('{ \\u202egnp, "" }').waitFor();
    await tree
      .getByRole("treeitem")
      .filter({ hasText: /^"": ""/ })
      .waitFor();
    // The name stands on the left of its value, though both are written to the left.
    const row = tree.getByRole("treeitem").filter({ hasText: "\u05e9" });
    const [name, value] = await Promise.all(
      [".json-key", ".json-string"].map((part) => row.locator(part).boundingBox()),
    );
    expect(name!.x + name!.width).toBeLessThanOrEqual(value!.x + 1);
  });

  it("gives each time in a timeline one line", async () => {
    const { page } = await open("?view=mcp&session=s1&call=12.0");
    const time = page.locator(".timeline-at").last();
    expect(await time.innerText()).toBe("+1 min 11 s");
    expect((await time.boundingBox())?.height).toBeLessThan(30);
  });

  it("says that a call is not kept any more", async () => {
    const { page } = await open("?view=mcp&session=s1&call=99.0");
    await page.getByText("not kept any more").waitFor();
  });

  it("shows servers on stdio, and follows their newest lines", async () => {
    const line = (at: number, text: string) => ({ at: startedAt + at, text });
    const lines = Array.from({ length: 100 }, (_, at) => line(at, `\u001b[32mline ${at}\u001b[0m`));
    const failed = processOf({ process: 2, state: "failed", message: "It ended with 1." });
    const { page, server } = await open("?view=servers", {
      servers: [{ name: "files", processes: [processOf({ lines }), failed], started: 5, failed: 1 }],
    });
    await page.getByText("5 processes started, 1 failed").waitFor();
    await page.getByText("It ended with 1.").waitFor();
    const log = page.getByRole("log");
    await log.getByText("line 99", { exact: true }).waitFor();
    const bottom = (): Promise<number> =>
      log.evaluate((box) => Math.round(box.scrollHeight - box.clientHeight - box.scrollTop));
    expect(await bottom()).toBeLessThan(2);

    const next = [...lines, { ...line(200, "a banner"), stray: true }];
    server.push({
      type: "servers",
      servers: [{ name: "files", processes: [processOf({ lines: next })], started: 5, failed: 1 }],
    });
    await log.getByText("stray").waitFor();
    expect(await bottom()).toBeLessThan(2);
  });

  describe("is accessible", { timeout: 60_000 }, () => {
    const show = async (query: string, fixtures: Partial<Fixtures> = {}): Promise<Page> =>
      (await open(query, fixtures, { bypassCSP: true })).page;

    it("without a session", async () => {
      const page = await show("?view=mcp", { sessions: [] });
      await page.getByRole("heading", { name: "No MCP yet" }).waitFor();
      await expectAccessible(page);
    });

    it("the sessions", async () => {
      const page = await show("?view=mcp");
      await page.getByRole("link", { name: /Claude/ }).waitFor();
      await expectAccessible(page);
    });

    it("a session, with the schema of a tool", async () => {
      const page = await show("?view=mcp&session=s1");
      await page.locator(".about summary").last().click();
      await page.getByRole("tree").waitFor();
      await expectAccessible(page);
    });

    it("a call with an image, a secret and JSON", async () => {
      const page = await show("?view=mcp&session=s1&call=15.0");
      await page.getByRole("img").waitFor();
      await expectAccessible(page);
    });

    it("a call with notes and a timeline, its messages unfolded", async () => {
      const page = await show("?view=mcp&session=s1&call=12.0");
      await page.locator(".timeline").waitFor();
      for (const message of await page.locator(".timeline summary").all()) await message.click();
      await expectAccessible(page);
    });

    it("servers on stdio, with a long line", async () => {
      const lines = [{ at: startedAt, text: "x".repeat(500), stray: true }];
      const page = await show("?view=servers", {
        servers: [{ processes: [processOf({ lines })], started: 1, failed: 0 }],
      });
      await page.getByText("stray").waitFor();
      await expectAccessible(page);
    });
  });
});
