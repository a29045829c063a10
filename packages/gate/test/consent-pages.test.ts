import { describe, expect, it } from "vitest";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { ownPaths } from "../src/paths.js";
import {
  Browser,
  claude,
  type GateWorld,
  nextOf,
  numberOn,
  passcode,
  startPages,
} from "./consent-support.js";

const opened = closingAfterEach();
const options = { title: "my-tunnel", passcode, terminal: true };
const start = async (more = {}, origin?: string): Promise<GateWorld> =>
  opened(await startPages({ ...options, ...more }, origin));

describe("the page that asks", () => {
  it("says who asks, for what, and where the answer goes", async () => {
    const world = await start();
    const browser = new Browser(world.origin);
    const { status, text } = await browser.get(world.ask(browser));
    expect(status).toBe(200);
    expect(text).toContain("<h1>Let <bdi>Claude</bdi> use <bdi>my-tunnel</bdi>?</h1>");
    expect(text).toContain("Verified: it comes from <strong>claude.ai</strong>");
    expect(text).toContain(`${new URL(world.origin).host}/mcp`);
    expect(text).not.toContain("on this device");
    expect(text).not.toContain("<script");
  });

  it("says that nobody has checked the name of a client that registered itself", async () => {
    const world = await start();
    const browser = new Browser(world.origin);
    const { text } = await browser.get(world.ask(browser, { documentHost: undefined }));
    expect(text).toContain("nobody has checked this name");
    expect(text).not.toContain("Verified");
  });

  it.each([
    ["a port of this computer", { redirectUri: "http://127.0.0.1:3334/callback", isLoopback: true }],
    ["a scheme that any program may claim", { redirectUri: "cursor://callback", isLoopback: true }],
  ])("warns if the answer goes to %s", async (_what, client) => {
    const world = await start();
    const browser = new Browser(world.origin);
    const { text } = await browser.get(world.ask(browser, client));
    expect(text).toContain("A program on this device gets the access.");
  });

  it("names everything that is asked for at once", async () => {
    const world = await start();
    const browser = new Browser(world.origin);
    const urls = Array.from({ length: 7 }, (_, index) => `https://my-tunnel.example.com/${index}`);
    const { text } = await browser.get(world.ask(browser, {}, { resource: urls.join(" ") }));
    expect(text).toContain("<small>my-tunnel.example.com/0</small><small>my-tunnel.example.com/1</small>");
    expect(text).toContain("<small>and 2 more</small>");
  });

  it("shows only the ways that are on, and the tunnel's host if it has no title", async () => {
    const world = await start({ title: undefined, terminal: false });
    const browser = new Browser(world.origin);
    const page = await browser.get(world.ask(browser));
    expect(page.text).toContain(`use <bdi>${new URL(world.origin).host}</bdi>?`);
    expect(page.text).toContain('value="passcode"');
    expect(page.text).not.toContain('value="ask"');
    expect(page.text).not.toContain('value="login"');
    const token = /name="token" value="([^"]*)"/.exec(page.text)?.[1] as string;
    expect((await browser.post(page.url, { token, act: "ask" })).status).toBe(400);
    expect((await browser.post(page.url, { token, act: "login" })).status).toBe(400);
  });

  it("sends fields that keep it out of frames, caches and other pages' hands", async () => {
    const world = await start();
    const browser = new Browser(world.origin);
    const { headers } = await browser.get(world.ask(browser));
    expect(headers.get("content-security-policy")).toMatch(
      /^default-src 'none'; style-src 'sha256-[^']+'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'$/,
    );
    expect(headers.get("cache-control")).toBe("no-store");
    expect(headers.get("referrer-policy")).toBe("no-referrer");
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    expect(headers.get("x-frame-options")).toBe("DENY");
    expect(headers.get("cross-origin-opener-policy")).toBe(null);
    expect(headers.get("clear-site-data")).toBe(null);
  });

  it("clears over https what a service has stored here, service workers above all", async () => {
    const world = await start({}, "https://my-tunnel.example.com");
    const browser = new Browser(world.origin);
    const { headers } = await browser.get(world.ask(browser));
    expect(headers.get("clear-site-data")).toBe('"storage"');
  });

  it("answers HEAD without a body, and refuses other methods", async () => {
    const world = await start();
    const browser = new Browser(world.origin);
    const path = world.ask(browser);
    const head = await browser.send(path, { method: "HEAD" });
    expect([head.status, head.text]).toEqual([200, ""]);
    const put = await browser.send(path, { method: "PUT" });
    expect([put.status, put.headers.get("allow")]).toEqual([405, "GET, HEAD, POST"]);
    const posted = await browser.post(`${path}/waiting`, {});
    expect([posted.status, posted.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
    expect((await browser.send(ownPaths.loggedIn, { method: "HEAD" })).status).toBe(405);
  });

  it("knows paths byte for byte", async () => {
    const world = await start();
    const browser = new Browser(world.origin);
    const path = world.ask(browser);
    for (const other of [`${path}/`, `${path}/else`, `${path}%2Fwaiting`, ownPaths.consent]) {
      expect((await browser.get(other)).status).toBe(404);
    }
  });
});

describe("the passcode", () => {
  it("approves, and the browser goes on by itself", async () => {
    const world = await start();
    const browser = new Browser(world.origin);
    const page = await browser.get(world.ask(browser));
    const approved = await browser.press(page, "passcode", { passcode });
    expect(approved.status).toBe(200);
    expect(approved.text).toContain("<h1>Approved</h1>");
    const sent = await browser.goOn(approved);
    expect(nextOf(sent)).toBe(`${claude.redirectUri}?code=the-code`);
    expect(world.ends).toEqual([{ id: "request-1", approval: { by: "passcode", user: "owner" } }]);
    expect((await browser.goOn(approved)).status).toBe(404);
  });

  it.each([
    ["with a capital letter and spaces, as phones write it", " Lusab babad gutih tugad mubip "],
    ["without hyphens", "lusabbabadgutihtugadmubip"],
    ["with dashes for hyphens", "lusab–babad—gutih–tugad–mubip"],
  ])("is right %s", async (_how, typed) => {
    const world = await start();
    const browser = new Browser(world.origin);
    const page = await browser.get(world.ask(browser));
    expect((await browser.press(page, "passcode", { passcode: typed })).text).toContain("Approved");
  });

  it("is asked for again if it is wrong, with an error that a screen reader finds", async () => {
    const world = await start();
    const browser = new Browser(world.origin, "192.0.2.1");
    const page = await browser.get(world.ask(browser));
    const again = await browser.press(page, "passcode", { passcode: "lusab-babad" });
    expect(again.status).toBe(403);
    expect(again.text).toContain("<title>Not approved: This passcode is wrong.</title>");
    expect(again.text).toContain(
      '<p class="note error" id="problem" role="alert">This passcode is wrong.</p>',
    );
    expect(again.text).toContain('aria-describedby="problem hint" aria-invalid="true" autofocus');
    expect(again.text).not.toContain("lusab");
    expect(world.events).toEqual([
      { type: "denied", reason: "wrong_passcode", clientName: "Claude", address: "192.0.2.1" },
    ]);
    expect((await browser.press(again, "passcode", { passcode })).status).toBe(200);
  });

  it("is not tried if nothing was typed", async () => {
    const world = await start();
    const browser = new Browser(world.origin, "192.0.2.1");
    const page = await browser.get(world.ask(browser));
    for (let count = 0; count < 9; count += 1) {
      expect((await browser.press(page, "passcode", { passcode: " " })).status).toBe(400);
    }
    expect(world.events).toEqual([]);
  });

  it("can be renewed", async () => {
    const world = await start();
    const browser = new Browser(world.origin);
    const page = await browser.get(world.ask(browser));
    world.renew("gutih-tugad-mubip-lusab-babad");
    expect((await browser.press(page, "passcode", { passcode })).status).toBe(403);
    const renewed = await browser.press(page, "passcode", { passcode: "gutih-tugad-mubip-lusab-babad" });
    expect(renewed.status).toBe(200);
  });

  it("has to be long enough, and may not consist of what does not count", async () => {
    for (const short of ["", "hunter2", "- - - - - - - - - - - - - - - -"]) {
      await expect(startPages({ passcode: short })).rejects.toMatchObject({ code: "invalid_option" });
    }
  });
});

describe("the owner in the terminal", () => {
  it("approves by the number, and the page that waits goes on", async () => {
    const world = await start();
    const browser = new Browser(world.origin, "192.0.2.1");
    const page = await browser.get(world.ask(browser));
    const waiting = await browser.goOn(await browser.press(page, "ask"));
    expect(world.events).toEqual([
      { type: "asked", clientName: "Claude", redirectHost: "claude.ai", address: "192.0.2.1" },
    ]);
    expect(numberOn(waiting)).toMatch(/^[0-9]{3} [0-9]{3}$/);
    // The page looks again, and still shows the same number.
    const still = await browser.goOn(waiting);
    expect(numberOn(still)).toBe(numberOn(waiting));
    expect(world.approve(numberOn(waiting))).toBe(true);
    const sent = await browser.goOn(still);
    expect(nextOf(sent)).toBe(`${claude.redirectUri}?code=the-code`);
    expect(world.ends).toEqual([{ id: "request-1", approval: { by: "terminal", user: "owner" } }]);
  });

  it("does not wipe a passcode that is being typed: only the page that waits looks again", async () => {
    const world = await start();
    const browser = new Browser(world.origin);
    const page = await browser.get(world.ask(browser));
    expect(page.text).not.toContain("refresh");
  });

  it("is asked once, however often the button is pressed", async () => {
    const world = await start();
    const browser = new Browser(world.origin);
    const page = await browser.get(world.ask(browser));
    const first = await browser.goOn(await browser.press(page, "ask"));
    const second = await browser.goOn(await browser.press(page, "ask"));
    expect(numberOn(second)).toBe(numberOn(first));
    expect(world.events.filter(({ type }) => type === "asked")).toHaveLength(1);
  });

  it("approves nobody by a wrong number, and each number once", async () => {
    const world = await start();
    const browser = new Browser(world.origin);
    const page = await browser.get(world.ask(browser));
    const number = numberOn(await browser.goOn(await browser.press(page, "ask"))).replace(" ", "");
    const wrong = number === "123456" ? "654321" : "123456";
    expect(world.approve(wrong)).toBe(false);
    expect(world.approve("")).toBe(false);
    expect(world.events.slice(1)).toEqual(
      Array.from({ length: 2 }, () => ({
        type: "denied",
        reason: "wrong_number",
        clientName: undefined,
        address: undefined,
      })),
    );
    expect(world.approve(number)).toBe(true);
    expect(world.approve(number)).toBe(false);
  });

  it("finds a number expired with its request", async () => {
    const world = await start();
    const browser = new Browser(world.origin);
    const soon = Date.now() + 50;
    const page = await browser.get(world.ask(browser, {}, { expiresAtMs: soon }));
    const number = numberOn(await browser.goOn(await browser.press(page, "ask")));
    await expect.poll(() => Date.now() > soon).toBe(true);
    expect(world.approve(number)).toBe(false);
  });

  it("is not asked for a grant by HEAD: what looks ahead takes nothing", async () => {
    const world = await start();
    const browser = new Browser(world.origin);
    const path = world.ask(browser, {}, { approved: { by: "terminal", user: "owner" } });
    expect((await browser.send(path, { method: "HEAD" })).status).toBe(200);
    expect(world.ends).toEqual([]);
    expect((await browser.get(path)).status).toBe(303);
  });
});

describe("Cancel", () => {
  it("sends the browser back without access", async () => {
    const world = await start();
    const browser = new Browser(world.origin, "192.0.2.1");
    const page = await browser.get(world.ask(browser));
    const cancelled = await browser.press(page, "cancel");
    expect(cancelled.text).toContain("<h1>Cancelled</h1>");
    expect(nextOf(await browser.goOn(cancelled))).toBe(`${claude.redirectUri}?error=access_denied`);
    expect(world.ends).toEqual([{ id: "request-1", approval: "denied" }]);
    expect(world.events).toEqual([
      { type: "denied", reason: "cancelled", clientName: "Claude", address: "192.0.2.1" },
    ]);
  });

  it("works from the page that waits, too", async () => {
    const world = await start();
    const browser = new Browser(world.origin);
    const page = await browser.get(world.ask(browser));
    const waiting = await browser.goOn(await browser.press(page, "ask"));
    await browser.goOn(await browser.press(waiting, "cancel"));
    expect(world.ends).toEqual([{ id: "request-1", approval: "denied" }]);
  });
});

it("says that a request is over, and what to do then", async () => {
  const world = await start();
  const browser = new Browser(world.origin);
  const path = world.ask(browser);
  const page = await browser.get(path);
  world.expire(path);
  for (const over of [await browser.get(path), await browser.press(page, "passcode", { passcode })]) {
    expect(over.status).toBe(404);
    expect(over.text).toContain("<h1>This request is over</h1>");
    expect(over.text).toContain("connect again");
  }
  expect(world.events).toEqual([
    { type: "denied", reason: "expired", clientName: undefined, address: undefined },
  ]);
});
