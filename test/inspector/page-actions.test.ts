import type { Locator, Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import type { ExchangeDetail, ReplayRequest } from "mcp-tunnel-inspector/model";
import {
  type Fixtures,
  type FixtureServer,
  sendProblem,
} from "../../packages/inspector/test/support/fixture-server.js";
import { sendJson } from "../../packages/page/test/support/fake-server.js";
import { detailOf, messageOf, summaryOf, textOf } from "../../packages/inspector/test/support/fixtures.js";
import { callOf, calls, sessions } from "../../packages/inspector/test/support/mcp-fixtures.js";
import { browserForAll } from "../support/browser.js";
import { closingAfterEach } from "../support/cleanup.js";
import { missingProgram } from "../support/requires.js";
import { expectAccessible } from "../support/page-looks.js";
import { type OpenedPage, openPage, pressAtOnce } from "./page-world.js";

const warning = "book may change something: it has neither readOnlyHint nor idempotentHint.";

/** The exchange of a call; 3 is a form that carries none. */
function exchangeOf(id: number, changes: Partial<ExchangeDetail> = {}): ExchangeDetail {
  const summary = summaryOf(id, { method: "POST", path: id === 3 ? "/form" : "/mcp" });
  return detailOf(summary, {
    calls: id === 3 ? [] : [`${id}.0`],
    request: messageOf(textOf("a=1\r\nb=2"), [
      ["host", "calm-otter.tunnel.example"],
      ["authorization", "Bearer [hidden:0011aabb]"],
    ]),
    hidden: 1,
    ...changes,
  });
}

describe.skipIf(missingProgram("chromium"))("actions of the inspector's page", () => {
  const closing = closingAfterEach();
  const browser = browserForAll();

  const open = async (
    query: string,
    fixtures: Partial<Fixtures> = {},
    options: Parameters<typeof openPage>[3] = {},
  ): Promise<OpenedPage> => {
    const defaults = { sessions: [...sessions], calls: [...calls], detail: (id: number) => exchangeOf(id) };
    return closing(await openPage(browser(), { ...defaults, ...fixtures }, query, options));
  };

  /** Opens the dialog of a call of the tool `book`. */
  async function openReplay(
    fixtures: Partial<Fixtures> = {},
    options: Parameters<typeof openPage>[3] = {},
  ): Promise<OpenedPage & { dialog: Locator }> {
    const opened = await open("?view=mcp&session=s1&call=11.0", fixtures, options);
    await opened.page.getByRole("button", { name: "Replay or edit…" }).click();
    const dialog = opened.page.getByRole("dialog");
    await dialog.getByRole("radio", { name: "As it was" }).waitFor();
    return { ...opened, dialog };
  }

  /** What was sent, once it was. The API then says that the replay is `id`. */
  async function sent(server: FixtureServer, act: () => Promise<void>, id = 11): Promise<ReplayRequest> {
    const request = new Promise<ReplayRequest>((resolve) => {
      server.answers.set(`POST exchanges/${id}/replay`, ({ body }, res) => {
        sendJson(res, { id: 50 }, 202);
        resolve(JSON.parse(body) as ReplayRequest);
      });
    });
    await act();
    return request;
  }

  const press = (dialog: Locator, name: string) => (): Promise<void> =>
    dialog.getByRole("button", { name, exact: true }).click();
  const choose = (dialog: Locator, name: string): Promise<void> =>
    dialog.getByText(name, { exact: true }).click();

  it("says where a replay goes, sends it, and shows the new call as it comes", async () => {
    const { page, server, dialog } = await openReplay();
    await dialog.getByText("http://127.0.0.1:3000").waitFor();
    await dialog.getByText("A session of its own").waitFor();
    expect(await sent(server, press(dialog, "Send again"))).toEqual({});
    await dialog.waitFor({ state: "detached" });
    await page.getByText("not there yet").waitFor();
    await expect.poll(() => page.url()).toContain("call=50.0");

    server.fixtures.calls = [callOf("50.0", { session: "s3", replayOf: 11 })];
    server.push({ type: "sessions", sessions: [sessions[2]!.session], gone: [] });
    await page.getByRole("heading", { name: "book" }).waitFor();
    await expect.poll(() => page.url()).toContain("session=s3");
  });

  it("cancels a replay that runs", async () => {
    const { durationMs: _, result: _result, ...call } = callOf("40.0", { outcome: "open", replayOf: 11 });
    const { page, server } = await open("?view=mcp&session=s1&call=40.0", { calls: [call] });
    const cancelled = new Promise<void>((resolve) => {
      server.answers.set("POST exchanges/40/cancel", (_request, res) => {
        res.writeHead(204).end();
        resolve();
      });
    });
    await page.getByRole("button", { name: "Cancel the replay" }).click();
    await cancelled;
  });

  it("sends what may change something only when it is confirmed", async () => {
    const detail = (id: number): ExchangeDetail => exchangeOf(id, { replayWarning: warning });
    const { server, dialog } = await openReplay({ detail });
    await dialog.getByText(warning).waitFor();
    const button = dialog.getByRole("button", { name: "Send again", exact: true });
    expect(await button.isDisabled()).toBe(true);
    await dialog.getByRole("checkbox", { name: "Send it all the same" }).check();
    expect(await sent(server, press(dialog, "Send again"))).toEqual({ confirmed: true });
  });

  it("asks for it when the inspector has learned of it meanwhile, and says why else it will not", async () => {
    const { server, dialog } = await openReplay();
    server.answers.set("POST exchanges/11/replay", (_request, res) =>
      sendProblem(res, 409, "needs_confirmation", warning),
    );
    await press(dialog, "Send again")();
    await dialog.getByRole("checkbox").check();
    server.answers.set("POST exchanges/11/replay", (_request, res) =>
      sendProblem(res, 429, "too_many", "Wait a second."),
    );
    await press(dialog, "Send again")();
    expect(await dialog.getByRole("alert").innerText()).toBe("Wait a second.");
  });

  it("says why an exchange cannot be sent again", async () => {
    const detail = (id: number): ExchangeDetail =>
      exchangeOf(id, { noReplay: "Its body was too long to keep." });
    const { page } = await open("?view=mcp&session=s1&call=11.0", { detail });
    await page.getByRole("button", { name: "Replay or edit…" }).click();
    await page.getByText("Its body was too long to keep.").waitFor();
    expect(await page.getByRole("button", { name: "Send again" }).count()).toBe(0);
  });

  it("edits the arguments in a form of the tool's schema, and changes nothing else", async () => {
    const { server, dialog } = await openReplay();
    await choose(dialog, "Edit arguments");
    expect(await dialog.getByRole("textbox", { name: /^guest/ }).inputValue()).toBe("Ada");
    await dialog.getByText("How many people come").waitFor();
    await dialog.getByRole("textbox", { name: /^seats/ }).fill("40");
    await dialog.getByRole("textbox", { name: /^extra/ }).fill("words");
    await press(dialog, "Send edited")();
    await dialog.getByText("At most 12.").waitFor();
    const seats = dialog.getByRole("textbox", { name: /^seats/ });
    expect(await seats.evaluate((field) => field === document.activeElement)).toBe(true);
    expect(await seats.getAttribute("aria-invalid")).toBe("true");

    await seats.fill("2");
    await dialog.getByRole("textbox", { name: /^extra/ }).fill('{"a":1.0}');
    await dialog.getByRole("textbox", { name: /^guest/ }).fill('Grace "H"');
    await dialog.getByRole("combobox", { name: /^room/ }).selectOption("left out");
    await dialog.getByRole("combobox", { name: /^smoking/ }).selectOption("false");
    await dialog.getByRole("textbox", { name: /^wishes/ }).fill("window\n\nlight");
    await dialog.getByRole("textbox", { name: /^phone/ }).fill("555");
    const { edit } = await sent(server, press(dialog, "Send edited"));
    expect(edit?.body).toBe(
      '{"jsonrpc":"2.0","id":11,"method":"tools/call","params":{"name":"book","arguments":{' +
        '"guest":"Grace \\"H\\"","seats":2,"smoking":false,"wishes":["window","light"],' +
        '"contact":{"mail":"[hidden:0011aabb]","phone":"555"},"extra":{"a":1.0},"reference":12345678901234567890}}}',
    );
  });

  it("makes a form of a hostile schema, and shows its texts as text", async () => {
    // A server names its arguments to break the page: halves of characters, markup, keys of prototypes.
    const names = ["two words", "\ud800", '"><img src=x onerror=alert(1)>', "__proto__", "constructor", ""];
    const properties = Object.fromEntries(
      names.map((name) => [name, { type: "string", description: "<b>\u202e</b>" }]),
    );
    Object.defineProperty(properties, "__proto__", { value: { type: "string" }, enumerable: true });
    const tool = { ...callOf("11.0").tool!, inputSchema: { type: "object", properties } };
    const { server, dialog } = await openReplay({ calls: [callOf("11.0", { params: "{}", tool })] });
    await choose(dialog, "Edit arguments");
    await dialog.getByText("<b>\\u202e</b>").first().waitFor();
    await dialog.getByRole("textbox", { name: "__proto__" }).fill("1");
    await dialog.getByRole("textbox", { name: "two words" }).fill("2");
    expect(await dialog.locator("img, b").count()).toBe(0);
    const { edit } = await sent(server, press(dialog, "Send edited"));
    expect(edit?.body).toContain('"arguments":{"two words":"2","__proto__":"1"}');
  });

  it("edits a message as JSON", async () => {
    const { server, dialog } = await openReplay();
    await choose(dialog, "Edit raw");
    const message = dialog.getByRole("textbox", { name: "Message" });
    expect(await message.inputValue()).toContain('"reference": 12345678901234567890');
    await message.fill("{");
    await press(dialog, "Send edited")();
    await dialog.getByText("The message is not JSON.").waitFor();
    await message.fill('{"jsonrpc":"2.0","id":1,"method":"ping"}');
    expect(await sent(server, press(dialog, "Send edited"))).toEqual({
      edit: { body: '{"jsonrpc":"2.0","id":1,"method":"ping"}' },
    });
  });

  const questionOn = (page: Page): Locator =>
    page.getByRole("dialog", { name: "Discard what you have changed?" });
  const formOn = (page: Page): Locator => page.getByRole("dialog", { name: "Send again: book" });

  it("keeps what was typed, and asks before it drops that", async () => {
    const { page, dialog } = await openReplay();
    const question = questionOn(page);
    const form = formOn(page);
    await choose(dialog, "Edit arguments");
    const guest = form.getByRole("textbox", { name: /^guest/ });
    await guest.fill("Grace");
    await choose(form, "Edit raw");
    await choose(form, "Edit arguments");
    expect(await guest.inputValue()).toBe("Grace");

    // Left to Chromium, a dialog closes by itself for one of several Escapes in a row.
    await form.evaluate((dialog) => dialog.addEventListener("close", () => dialog.classList.add("closed")));
    for (let times = 0; times < 3; times += 1) {
      await page.keyboard.press("Escape");
      await question.waitFor();
      await page.keyboard.press("Escape");
      await question.waitFor({ state: "detached" });
      await guest.waitFor();
    }
    expect(await form.getAttribute("class")).toBeNull();
    await form.getByRole("button", { name: "Cancel" }).click();
    await question.getByRole("button", { name: "Go on editing" }).click();
    expect(await guest.inputValue()).toBe("Grace");
    await form.getByRole("button", { name: "Close" }).click();
    await question.getByRole("button", { name: "Discard" }).click();
    await page.getByRole("dialog").waitFor({ state: "detached" });
  });

  it("hears each Escape in the dialog that is in front, also if no frame comes between them", async () => {
    const { page, dialog } = await openReplay();
    await choose(dialog, "Edit raw");
    const message = formOn(page).getByRole("textbox", { name: "Message" });
    await message.fill("{}");
    await pressAtOnce(page, ...Array.from({ length: 8 }, () => "Escape"));
    expect(await questionOn(page).count()).toBe(0);
    expect(await message.evaluate((field) => field === document.activeElement)).toBe(true);
    await pressAtOnce(page, "Escape");
    await questionOn(page).getByRole("button", { name: "Discard" }).click();
    await page.getByRole("dialog").waitFor({ state: "detached" });
  });

  it("asks, too, when the browser closes the dialog by itself, as for a gesture to go back", async () => {
    const { page, dialog } = await openReplay();
    await choose(dialog, "Edit raw");
    const message = formOn(page).getByRole("textbox", { name: "Message" });
    await message.fill("{}");
    await formOn(page).evaluate((form) => (form as HTMLDialogElement).close());
    await questionOn(page).getByRole("button", { name: "Go on editing" }).click();
    await questionOn(page).waitFor({ state: "detached" });
    expect(await message.inputValue()).toBe("{}");
  });

  it("edits method, path, headers and body, and sends only what was changed", async () => {
    // Exchange 3 is no call: it is replayed from Traffic, and its ends of lines are CRLF.
    const { page, server } = await open("?id=3", {
      exchanges: [summaryOf(3, { method: "POST", path: "/form" })],
    });
    await page
      .getByRole("button", { name: /Replay/ })
      .first()
      .click();
    const dialog = page.getByRole("dialog");
    await choose(dialog, "Edit raw");
    const field = (name: string): Locator => dialog.getByRole("textbox", { name });
    expect(await field("Headers").inputValue()).toBe(
      "host: calm-otter.tunnel.example\nauthorization: Bearer [hidden:0011aabb]",
    );
    await field("Headers").fill("no header");
    await press(dialog, "Send edited")();
    await dialog.getByText('Line 1 of the headers is not "Name: value".').waitFor();
    await field("Headers").fill("X-A: 1\n\nauthorization: Bearer [hidden:0011aabb]");
    await field("Method").fill("PUT");
    await field("Body").fill("a=1\nb=3");
    expect(await sent(server, press(dialog, "Send edited"), 3)).toEqual({
      edit: {
        method: "PUT",
        headers: [
          ["X-A", "1"],
          ["authorization", "Bearer [hidden:0011aabb]"],
        ],
        body: "a=1\r\nb=3",
      },
    });
    await expect.poll(() => page.url()).toContain("?id=50");
  });

  it("keeps the focus in the dialog, and gives it back", async () => {
    const { page, dialog } = await openReplay();
    for (let tab = 0; tab < 8; tab += 1) {
      await page.keyboard.press("Tab");
      const place = await page.evaluate(() => document.activeElement?.closest("dialog, body")?.tagName);
      // Past the last one, the focus is in the browser's own controls.
      expect(["DIALOG", "BODY"]).toContain(place);
    }
    // A click on a text leaves the focus to nothing, and Escape is heard all the same.
    await dialog.getByRole("heading").click();
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "detached" });
    await expect.poll(() => page.evaluate(() => document.activeElement?.textContent)).toBe("Replay or edit…");
  });

  it("shows two calls side by side", async () => {
    const { page } = await open("?view=mcp&session=s1&call=16.0");
    await page.getByRole("combobox", { name: "Compare with another call" }).selectOption({ value: "11" });
    await expect.poll(() => page.url()).toContain("compare=11-16");
    await page.getByRole("row", { name: "Outcome ok tool error" }).waitFor();
    await page.getByRole("heading", { name: "Arguments the same" }).waitFor();
    await page.getByRole("button", { name: "13 equal lines: show" }).click();
    await page.getByText('"guest": "Ada",').first().waitFor();
    expect(await page.locator(".came").first().innerText()).toContain('"isError": true');
    await page.getByRole("checkbox", { name: "Whole HTTP messages" }).check();
    await page.getByRole("heading", { name: "Request" }).waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("heading", { name: /^book/ }).waitFor();
  });

  it("compares the first 2,000 lines of long bodies, and says so", async () => {
    const body = (end: string) =>
      textOf(JSON.stringify([...Array.from({ length: 5_000 }, (_, at) => at), end]), true);
    const detail = (id: number): ExchangeDetail =>
      exchangeOf(id, { calls: [], request: messageOf(body(String(id)), []) });
    const { page } = await open("?compare=1-2", { detail });
    await page.getByText("Only the first 2,000 lines are compared.").waitFor();
    await page.getByRole("heading", { name: "Request the same" }).waitFor();
  });

  it("says that one of two is not kept any more", async () => {
    const detail = (id: number): ExchangeDetail | undefined => (id === 1 ? exchangeOf(1) : undefined);
    const { page } = await open("?compare=1-2", { detail });
    await page.getByText("Exchange 2: There is nothing (any more).").waitFor();
  });

  it("names what is compared on one line each, however long the paths are", async () => {
    const detail = (id: number): ExchangeDetail => ({
      ...exchangeOf(id, { calls: [] }),
      path: "/x".repeat(200),
    });
    const { page } = await open("?compare=1-2", { detail }, { viewport: { width: 390, height: 844 } });
    const name = page.getByRole("rowheader", { name: "Outcome" });
    expect((await name.boundingBox())?.height).toBeLessThan(30);
  });

  describe("are accessible", { timeout: 60_000 }, () => {
    const detail = (id: number): ExchangeDetail => exchangeOf(id, { replayWarning: warning });

    it("the warning", async () => {
      const { page, dialog } = await openReplay({ detail }, { bypassCSP: true });
      await dialog.getByText(warning).waitFor();
      await expectAccessible(page);
    });

    it("the form of a schema, with a problem, and the question whether to leave it", async () => {
      const { page, dialog } = await openReplay({ detail }, { bypassCSP: true });
      await choose(dialog, "Edit arguments");
      await dialog.getByRole("textbox", { name: /^seats/ }).fill("x");
      await dialog.getByRole("checkbox").check();
      await press(dialog, "Send edited")();
      await dialog.getByText("is not a number").waitFor();
      await expectAccessible(page);
      await page.keyboard.press("Escape");
      await page.getByRole("dialog", { name: "Discard what you have changed?" }).waitFor();
      await expectAccessible(page);
    });

    it("the raw form", async () => {
      const { page, dialog } = await openReplay({ detail }, { bypassCSP: true });
      await choose(dialog, "Edit raw");
      await dialog.getByText("Method, path and headers").click();
      await expectAccessible(page);
    });

    it("two calls side by side", async () => {
      const { page } = await open("?compare=11-16", {}, { bypassCSP: true });
      await page.getByRole("heading", { name: "Arguments the same" }).waitFor();
      await expectAccessible(page);
    });
  });
});
