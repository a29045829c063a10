import { describe, expect, it } from "vitest";
import type { ExchangeDetail, ExchangeSummary } from "mcp-tunnel-inspector/model";
import { detailOf, messageOf, summaryOf, textOf } from "../../packages/inspector/test/support/fixtures.js";
import { browserForAll } from "../support/browser.js";
import { closingAfterEach } from "../support/cleanup.js";
import { missingProgram } from "../support/requires.js";
import { expectAccessible } from "../support/page-looks.js";
import { type OpenedPage, openPage } from "./page-world.js";

type Changes = Parameters<typeof detailOf>[1];

describe.skipIf(missingProgram("chromium"))("the details of an exchange", () => {
  const closing = closingAfterEach();
  const browser = browserForAll();

  /** Opens the details of exchange 1. */
  async function open(
    detail: Changes,
    summary: Partial<ExchangeSummary> = {},
    options: Parameters<typeof openPage>[3] = {},
  ): Promise<OpenedPage & { details: ReturnType<OpenedPage["page"]["locator"]> }> {
    const entry = summaryOf(1, summary);
    const opened = closing(
      await openPage(
        browser(),
        {
          exchanges: [entry, summaryOf(2)],
          hidden: { "0123abcd": "sk-live-\u001b7" },
          detail: (id): ExchangeDetail => (id === 1 ? detailOf(entry, detail) : detailOf(summaryOf(id))),
        },
        "?id=1",
        options,
      ),
    );
    const details = opened.page.getByRole("region", { name: "Exchange 1", exact: true });
    await details.getByRole("heading", { level: 2 }).getByText(entry.method).waitFor();
    return { ...opened, details };
  }

  it("shows heads, the head that the service got, interim heads, trailers and times", async () => {
    const { details } = await open({
      request: messageOf({ form: "none" }, [["x-twice", "one"]]),
      forService: { path: "/rewritten", headers: [["host", "127.0.0.1:3000"]] },
      interim: [{ atMs: 3, status: 103, headers: [["link", "</a.css>; rel=preload"]] }],
      response: {
        status: 200,
        ...messageOf({ form: "none" }, [["set-cookie", "a=1"]], [["server-timing", "db;dur=53"]]),
      },
      timing: { requestEndMs: 4, headMs: 900, firstByteMs: 1_200, endMs: 12_345 },
    });
    for (const summary of await details.locator("summary").all()) await summary.click();
    for (const text of [
      "x-twice",
      "/rewritten",
      "127.0.0.1:3000",
      "</a.css>; rel=preload",
      "set-cookie",
      "db;dur=53",
    ]) {
      await details.getByText(text).first().waitFor();
    }
    const times = await details.getByRole("table").getByRole("row").allInnerTexts();
    expect(times.map((text) => text.replaceAll(/\s+/g, " ").trim())).toEqual([
      "Request received 4 ms",
      "Waiting for the service 896 ms",
      "First byte 300 ms",
      "Answer 11.1 s",
      "Whole 12.3 s",
    ]);
  });

  it("shows a hidden value in its place, and only when asked", async () => {
    const { details, server } = await open({
      request: messageOf({ form: "none" }, [["authorization", "Bearer [hidden:0123abcd]"]]),
    });
    await details.getByText("Headers (1)").first().click();
    expect(server.requests.filter(({ path }) => path.includes("hidden"))).toEqual([]);
    await details.getByRole("button", { name: "the secret 0123abcd" }).click();
    await details.getByText("sk-live-\\u001b7").waitFor();
    expect(server.requests.map(({ path }) => path)).toContain("exchanges/1/hidden/0123abcd");
  });

  // A visitor or a service sends markup, terminal codes and marks of direction, so that the page of the
  // person who looks at it runs a script, or shows something else than what was sent.
  it("shows markup, control characters and marks of direction as text", async () => {
    const html = '<img src=x onerror="document.title=1"><script>document.title=1</script>';
    const { page, details } = await open(
      {
        request: messageOf(textOf(`${html}\u001b[31m\u202egnp.exe`), [[`x-${html}`, html]]),
        response: {
          status: 200,
          ...messageOf(
            {
              form: "events",
              events: [{ atMs: 1, event: html, id: html, data: html, bytes: 9 }],
              dropped: 0,
              bytes: 9,
            },
            [],
          ),
        },
      },
      {
        path: `/${html}\u202e`,
        error: { code: "upstream_failed", message: html },
        mcp: { method: html, name: html },
        user: html,
      },
    );
    await details.getByText(`${html}\\u001b[31m\\u202egnp.exe`).waitFor();
    await details.getByRole("heading", { name: `/${html}\\u202e` }).waitFor();
    expect(await page.locator("img, main script").count()).toBe(0);
    expect(await page.title()).toBe("Exchange 1 - mcp-tunnel inspector");
  });

  it("cuts a long text until all of it is asked for, and says what was not kept", async () => {
    const text = `${"a".repeat(20_000)}THE END`;
    const { details } = await open({
      request: messageOf(
        { form: "text", text, json: false, bytes: 900_000, kept: 20_007, encoding: "gzip" },
        [],
      ),
      response: { status: 200, ...messageOf({ form: "unread", why: "br cannot be undone", bytes: 77 }, []) },
    });
    await details.getByText("878.9 KiB, the first 19.5 KiB kept, gzip undone").waitFor();
    await details.getByText("br cannot be undone").waitFor();
    expect(await details.getByText("THE END").count()).toBe(0);
    await details.getByRole("button", { name: "show all" }).click();
    await details.getByText("THE END").waitFor();
  });

  it("shows bytes as hex, 16 KiB at a time", async () => {
    const bytes = Buffer.alloc(20_000, "ABCDEFGH\u0000\u00ff", "latin1");
    const { details } = await open({
      response: {
        status: 200,
        ...messageOf({ form: "binary", base64: bytes.toString("base64"), bytes: 20_000, kept: 20_000 }, []),
      },
    });
    const dump = details.getByRole("group", { name: "Bytes" });
    expect((await dump.innerText()).split("\n")[0]).toBe(
      "000000  41 42 43 44 45 46 47 48  00 ff 41 42 43 44 45 46  ABCDEFGH..ABCDEF",
    );
    expect((await dump.innerText()).split("\n")).toHaveLength(1_024);
    await details.getByRole("button", { name: "show more" }).click();
    expect((await dump.innerText()).split("\n")).toHaveLength(1_250);
  });

  it("shows events one by one with their times, the newest at first, and follows an open stream", async () => {
    const events = Array.from({ length: 70 }, (_, i) => ({
      atMs: i * 100,
      event: "tick",
      data: `event ${i}`,
      bytes: 20,
    }));
    const entry = summaryOf(1, { kind: "stream", state: "open" });
    const { page, server } = closing(
      await openPage(
        browser(),
        {
          exchanges: [entry],
          detail: () =>
            detailOf(entry, {
              response: {
                status: 200,
                ...messageOf({ form: "events", events, dropped: 3, bytes: 1_400 }, []),
              },
            }),
        },
        "?id=1",
      ),
    );
    await page.getByText("event 69", { exact: true }).waitFor();
    await page.getByText("3 events before these are not kept.").waitFor();
    expect(await page.locator("li.event").count()).toBe(50);
    await page.getByRole("button", { name: "show earlier ones (20 hidden)" }).click();
    expect(await page.locator("li.event").count()).toBe(70);
    expect(await page.locator("li.event").nth(1).innerText()).toContain("+100 ms");

    events.push({ atMs: 9_999, event: "tick", data: "another one", bytes: 20 });
    // The exchange never comes to rest.
    let bytes = 1_400;
    const changes = setInterval(() => server.add({ ...entry, responseBytes: (bytes += 1) }), 50);
    try {
      await page.getByText("another one").waitFor();
    } finally {
      clearInterval(changes);
    }
  });

  it("shows the messages of a WebSocket in both directions", async () => {
    const { details } = await open(
      {
        response: { status: 101, ...messageOf({ form: "none" }, []) },
        socket: {
          dropped: 1,
          unread: "a message was longer than what is read",
          messages: [
            { atMs: 5, from: "visitor", kind: "text", data: "hello", bytes: 5 },
            { atMs: 9, from: "service", kind: "binary", data: "AAE=", bytes: 2 },
            { atMs: 12, from: "visitor", kind: "close", data: "1000 bye", bytes: 5 },
          ],
        },
      },
      { kind: "websocket", status: 101 },
    );
    const texts = await details.locator("li.event").allInnerTexts();
    expect(texts.map((text) => text.replaceAll(/\s+/g, " "))).toEqual([
      "+5 ms ↑ visitor text 5 B hello",
      "+9 ms ↓ service binary 2 B 000000 00 01 ..",
      "+12 ms ↑ visitor close 5 B 1000 bye",
    ]);
    await details.getByText("1 message before these is not kept.").waitFor();
    await details.getByText("longer than what is read").waitFor();
  });

  it("says what went wrong and what to do, also of what the relay has refused", async () => {
    const { details } = await open(
      {},
      {
        status: 502,
        state: "failed",
        error: { code: "upstream_unreachable", message: "connect ECONNREFUSED" },
      },
    );
    await details.getByText("connect ECONNREFUSED").waitFor();
    await details.getByText("Is the local service running").waitFor();

    const refused = await open(
      {},
      {
        kind: "refused",
        status: 413,
        state: "failed",
        refusal: {
          code: "request_too_large",
          count: 14,
          message: "request body over --max-request-body (5 MiB)",
        },
      },
    );
    await refused.details.getByText("--max-request-body (5 MiB)").waitFor();
    await refused.details.getByText("14 requests").waitFor();
    await refused.details.getByText("raise that limit at the relay").waitFor();
    expect(await refused.details.getByRole("button", { name: "Replay" }).count()).toBe(0);
  });

  it("copies the request as curl, and a body", async () => {
    const { page, details } = await open(
      { request: messageOf(textOf("a=1&b=2"), []) },
      {},
      { permissions: ["clipboard-read", "clipboard-write"] },
    );
    const copied = (): Promise<string> => page.evaluate(() => navigator.clipboard.readText());
    await details.getByRole("button", { name: "Copy as curl" }).click();
    await page.getByText("Copied the curl command").waitFor();
    expect(await copied()).toBe("curl exchange 1");
    await details.getByRole("button", { name: "Copy", exact: true }).first().click();
    await page.getByText("Copied the request body").waitFor();
    expect(await copied()).toBe("a=1&b=2");
  });

  it("leads to the call, to a replay, to a comparison, and to the exchange that was replayed", async () => {
    const { page, details } = await open(
      { calls: ["1.0"], replayWarning: "It may be done twice." },
      { replayOf: 2, mcp: { method: "tools/call", name: "add", session: "s1" } },
    );
    await page.keyboard.press("r");
    await page.getByRole("dialog").waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
    await details.getByRole("button", { name: "Compare" }).click();
    await details.getByRole("button", { name: "Unmark A" }).waitFor();
    await page.keyboard.press("k");
    await page.getByRole("button", { name: "Compare with 1" }).waitFor();
    await page.keyboard.press("c");
    await expect.poll(() => new URL(page.url()).searchParams.get("compare")).toBe("1-2");
    await page.goBack();
    await page.locator("[role=row][data-id='1']").click();
    await details.getByRole("link", { name: "show the call" }).click();
    await expect.poll(() => new URL(page.url()).search).toBe("?view=mcp&id=1&session=s1&call=1.0");
    await page.goBack();
    await details.getByRole("link", { name: "replay of 2" }).click();
    await expect.poll(() => new URL(page.url()).searchParams.get("id")).toBe("2");
  });

  it("can be closed from wherever it is scrolled to", async () => {
    const { page, details } = await open(
      { request: messageOf(textOf("line\n".repeat(500)), []) },
      {},
      { viewport: { width: 390, height: 844 } },
    );
    await details.evaluate((element) => element.scrollTo(0, element.scrollHeight));
    const close = details.getByRole("button", { name: "Close the details" });
    const box = await close.boundingBox();
    expect(box?.y).toBeGreaterThan(0);
    await page.mouse.click(box!.x + box!.width / 2, box!.y + box!.height / 2);
    await details.waitFor({ state: "detached" });
  });

  it("says why there is no replay", async () => {
    const { details } = await open({ noReplay: "Its body was not kept." });
    const button = details.getByRole("button", { name: "Replay" });
    expect(await button.isDisabled()).toBe(true);
    // It does not look as if it could be pressed.
    const [back, accent] = await button.evaluate((element) => {
      const style = getComputedStyle(element);
      const probe = document.body.appendChild(document.createElement("i"));
      probe.style.color = style.getPropertyValue("--accent");
      return [style.backgroundColor, getComputedStyle(probe).color];
    });
    expect(back).not.toBe(accent);
    await details.getByText("Its body was not kept.").waitFor();
  });

  it("still shows what is kept no more, and says so of what it never had", async () => {
    const { page, details, server } = await open({ request: messageOf(textOf("still here"), []) });
    server.answers.set("GET exchanges/1", (_request, res) => {
      res.writeHead(404, { "Content-Type": "application/json" }).end('{"code":"not_found","message":"gone"}');
    });
    server.push({ type: "gone", ids: [1] });
    await details.getByText("This exchange is kept no more.").waitFor();
    await details.getByText("still here").waitFor();
    await page.reload();
    await page.getByRole("alert").getByText("kept no more").waitFor();
  });

  it("is accessible, beside the list and over it", { timeout: 60_000 }, async () => {
    const { page, details } = await open(
      {
        request: messageOf(textOf('{"a":1}', true), [["authorization", "Bearer [hidden:0123abcd]"]]),
        response: {
          status: 502,
          ...messageOf(
            { form: "binary", base64: Buffer.alloc(300, 7).toString("base64"), bytes: 300, kept: 300 },
            [],
          ),
        },
        interim: [{ atMs: 3, status: 103, headers: [["link", "</a.css>"]] }],
        calls: ["1.0"],
      },
      {
        method: "POST",
        path: `/${"long-name/".repeat(30)}?token=[hidden:0123abcd]`,
        status: 502,
        state: "failed",
        error: { code: "upstream_failed", message: "connection reset" },
        mcp: { method: "tools/call", name: "add", session: "s1" },
      },
      { bypassCSP: true },
    );
    for (const summary of await details.locator("summary").all()) await summary.click();
    await expectAccessible(page, async (width) => {
      // Over the list, nothing under the details can have the focus.
      const list = page.locator(".traffic-list");
      expect(await list.evaluate((element) => (element as HTMLElement).inert)).toBe(width < 900);
    });
    await page.keyboard.press("Escape");
    await details.waitFor({ state: "detached" });
  });
});
