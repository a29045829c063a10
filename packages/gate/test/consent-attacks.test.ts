import { randomInt } from "node:crypto";
import { expect, it, vi } from "vitest";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import type { ServerResponse } from "node:http";
import { sendProblem } from "../src/consent/answers.js";
import { html } from "mcp-tunnel-shared/visitor-page";
import { Numbers } from "../src/consent/terminal.js";
import {
  Browser,
  claude,
  type GateWorld,
  numberOn,
  passcode,
  type Seen,
  startPages,
} from "./consent-support.js";

// The numbers that are drawn can be foretold in one test.
vi.mock(import("node:crypto"), { spy: true });

const opened = closingAfterEach();
const start = async (): Promise<GateWorld> => opened(await startPages({ passcode, terminal: true }));

const tokenOn = ({ text }: Seen): string => /name="token" value="([^"]*)"/.exec(text)?.[1] as string;

it("shows markup in a stranger's name as text", async () => {
  // A client registers itself with a name that would add a form of its own to the page.
  const world = await start();
  const browser = new Browser(world.origin);
  const name = '"><form action="https://evil.example"><script>alert(1)</script>';
  const path = world.ask(browser, { name, documentHost: "<b>claude.ai</b>" });
  const { text } = await browser.get(path);
  expect(text).toContain("&quot;&gt;&lt;form action=&quot;https://evil.example&quot;&gt;");
  expect(text).not.toMatch(/<script|<b>|action="https/);
});

it("shows a name that turns the direction of text, or is very long, so that it hides nothing", async () => {
  // The marks would let `moc.live` read as `evil.com`, and a long name would push the warning out of sight.
  const world = await start();
  const browser = new Browser(world.origin);
  const turned = await browser.get(world.ask(browser, { name: "Claude\u202e\u0007\nmoc.live" }));
  expect(turned.text).toContain("Claude\\u202e\\u0007\\u000amoc.live");
  const long = await browser.get(world.ask(browser, { name: "M".repeat(100_000) }));
  expect(long.text).toContain(`“${"M".repeat(63)}…”`);
  expect(long.text).not.toContain("M".repeat(64));
  const empty = await browser.get(world.ask(browser, { name: " " }));
  expect(empty.text).toContain("A program without a name");
});

it("lets an address guess the passcode five times a minute, and nobody else is kept out", async () => {
  // A stranger guesses. The owner, at another address, is not to be locked out by it.
  const world = await start();
  const stranger = new Browser(world.origin, "2001:db8::1");
  const page = await stranger.get(world.ask(stranger));
  for (let count = 0; count < 5; count += 1) {
    expect((await stranger.press(page, "passcode", { passcode: `guess ${count}` })).status).toBe(403);
  }
  const refused = await stranger.press(page, "passcode", { passcode });
  expect(refused.status).toBe(429);
  const seconds = Number(refused.headers.get("retry-after"));
  expect(seconds).toBeGreaterThan(0);
  expect(seconds).toBeLessThanOrEqual(12);
  expect(refused.text).toMatch(/Too many tries from your network. Try again in [0-9]+ seconds?\./);
  expect(world.events.map((event) => event.type === "denied" && event.reason)).toEqual([
    ...Array.from({ length: 5 }, () => "wrong_passcode"),
    "too_many_tries",
  ]);

  // Another address of the same household is the same visitor, with another request too.
  const neighbour = new Browser(world.origin, "2001:db8::2");
  const theirs = await neighbour.get(world.ask(neighbour));
  expect((await neighbour.press(theirs, "passcode", { passcode })).status).toBe(429);
  for (const address of ["192.0.2.1", undefined]) {
    const owner = new Browser(world.origin, address);
    expect((await owner.press(await owner.get(world.ask(owner)), "passcode", { passcode })).status).toBe(200);
  }
});

it("gives another browser nothing, even with the path and the token", async () => {
  // Somebody has looked over a shoulder, or into a history.
  const world = await start();
  const browser = new Browser(world.origin);
  const page = await browser.get(world.ask(browser));
  const stranger = new Browser(world.origin);
  expect((await stranger.get(page.url)).status).toBe(404);
  const posted = await stranger.press(page, "passcode", { passcode });
  expect(posted.status).toBe(404);
  expect((await stranger.get(`${page.url}/waiting`)).status).toBe(404);
  expect(world.ends).toEqual([]);
});

it("takes no form of another page: cross-site request forgery", async () => {
  // A page of a stranger, or of another tunnel of the same relay, which is the same site and so gets the
  // SameSite cookie sent, makes the victim's browser press a button.
  const world = await start();
  const browser = new Browser(world.origin);
  const page = await browser.get(world.ask(browser));
  const fields = { token: tokenOn(page), act: "passcode", passcode };
  for (const headers of [
    { "Sec-Fetch-Site": "same-site" },
    { "Sec-Fetch-Site": "cross-site" },
    { "Sec-Fetch-Site": "none" },
    { Origin: "https://evil.example" },
    { Origin: `${world.origin}0` },
  ]) {
    expect((await browser.post(page.url, fields, headers)).status).toBe(403);
  }
  // An old browser says nothing of where a form comes from, so the form has to prove it.
  for (const token of ["", "wrong", tokenOn(await browser.get(world.ask(browser)))]) {
    expect((await browser.post(page.url, { ...fields, token })).status).toBe(403);
  }
  expect(world.ends).toEqual([]);
  expect((await browser.post(page.url, fields)).status).toBe(200);
});

it("does not cancel because a link was followed", async () => {
  // The token of the forms stands in the page; that of the link only in the answer to Cancel.
  const world = await start();
  const browser = new Browser(world.origin);
  const page = await browser.get(world.ask(browser));
  expect((await browser.get(`${page.url}/cancel`)).status).toBe(404);
  expect((await browser.get(`${page.url}/cancel?token=${tokenOn(page)}`)).status).toBe(404);
  expect(world.ends).toEqual([]);
});

it("does not wave a stranger's request through when the owner approves his own", async () => {
  // A stranger asks at the same moment. Yes or no in the terminal could mean either; the number means one.
  const world = await start();
  const owner = new Browser(world.origin);
  const stranger = new Browser(world.origin);
  const own = await owner.goOn(await owner.press(await owner.get(world.ask(owner)), "ask"));
  const other = await stranger.goOn(await stranger.press(await stranger.get(world.ask(stranger)), "ask"));
  expect(numberOn(other)).not.toBe(numberOn(own));
  expect(world.approve(numberOn(own))).toBe(true);
  expect((await stranger.goOn(other)).status).toBe(200);
  expect((await owner.goOn(own)).status).toBe(303);
  expect(world.ends.map(({ id }) => id)).toEqual(["request-1"]);
});

it("shows no number twice at a time", () => {
  const numbers = new Numbers();
  const expiresAtMs = Date.now() + 60_000;
  vi.mocked<(max: number) => number>(randomInt)
    .mockReturnValueOnce(7)
    .mockReturnValueOnce(7)
    .mockReturnValueOnce(8);
  const drawn = ["one", "two"].map(
    (request) => numbers.draw({ request, address: undefined, expiresAtMs }).number,
  );
  expect(drawn).toEqual(["000007", "000008"]);
});

it("bounds the numbers that wait, and lets whoever comes last in", () => {
  // Without a bound, a stranger who asks often enough makes any six digits a valid number.
  const numbers = new Numbers();
  const expiresAtMs = Date.now() + 60_000;
  const ask = (request: string, address: string | undefined): string =>
    numbers.draw({ request, address, expiresAtMs }).number;
  ask("the owner's", "192.0.2.1");
  for (let count = 0; count < 50; count += 1) ask(`one address, ${count}`, "2001:db8::1");
  const open = (prefix: string): number =>
    Array.from({ length: 200 }, (_, count) => numbers.of(`${prefix}, ${count}`)).filter(Boolean).length;
  expect(open("one address")).toBe(4);
  expect(numbers.of("the owner's")).toBeDefined();
  // Of many addresses that ask, those leave first that have asked for most.
  for (let count = 0; count < 200; count += 1) ask(`many addresses, ${count}`, `192.0.2.${2 + (count % 50)}`);
  expect(open("one address") + open("many addresses")).toBe(99);
  expect(numbers.of("the owner's")).toBeDefined();
  for (let count = 0; count < 200; count += 1) ask(`nobody knows, ${count}`, undefined);
  expect(open("one address") + open("many addresses") + open("nobody knows")).toBe(99);
  expect(numbers.of("the owner's")).toBeDefined();
  const last = ask("the owner's again", "192.0.2.1");
  expect(numbers.take(last)).toBe("the owner's again");
});

it("lets no address fill the owner's screen", async () => {
  // A stranger begins flows without end, each under another name, and asks and cancels as fast as he can.
  const world = await start();
  const stranger = new Browser(world.origin, "192.0.2.9");
  const statuses = new Set<number>();
  for (let count = 0; count < 30; count += 1) {
    const page = await stranger.get(world.ask(stranger, { name: `Name ${count}` }));
    statuses.add((await stranger.press(page, "ask")).status);
    await stranger.goOn(await stranger.press(page, "cancel"));
  }
  expect([...statuses]).toEqual([303, 429]);
  expect(world.events.length).toBe(20);
  const owner = new Browser(world.origin, "192.0.2.1");
  await owner.press(await owner.get(world.ask(owner)), "ask");
  expect(world.events.at(-1)).toMatchObject({ type: "asked", address: "192.0.2.1" });
});

it("tells once that somebody has cancelled, however often he presses the button", async () => {
  const world = await start();
  const browser = new Browser(world.origin);
  const page = await browser.get(world.ask(browser));
  for (let count = 0; count < 3; count += 1) await browser.press(page, "cancel");
  expect(world.events).toEqual([]);
  await browser.goOn(await browser.press(page, "cancel"));
  expect(world.events).toMatchObject([{ type: "denied", reason: "cancelled" }]);
});

it("reads no form without end, and nothing that is no form", async () => {
  const world = await start();
  const browser = new Browser(world.origin);
  const page = await browser.get(world.ask(browser));
  const long = { token: tokenOn(page), act: "passcode", passcode: "x".repeat(1_000_000) };
  expect((await browser.post(page.url, long)).status).toBe(413);
  const text = await browser.send(page.url, { method: "POST", body: "act=cancel" });
  expect(text.status).toBe(415);
  expect(world.events).toEqual([]);
});

it("shows the error of a sign-in with all of a stranger's texts as text, and leads nowhere by itself", async () => {
  // An app that anybody registered asks in a wrong way. The person may tell it, by a link.
  const res = { writeHead: vi.fn(), end: vi.fn() };
  const text = '<script>"\u202e';
  const back = 'https://evil.example/"><b>?error=x&state=<i>';
  sendProblem(res as unknown as ServerResponse, 400, { title: "No", text, back });
  const page = String(res.end.mock.calls[0]?.[0]);
  expect(page).toContain("<p>&lt;script&gt;&quot;\\u202e</p>");
  expect(page).toContain(
    '<a href="https://evil.example/%22%3E%3Cb%3E?error=x&amp;state=%3Ci%3E" rel="noreferrer">',
  );
  expect(page).toContain(">Go back to evil.example</a>");
  expect(page).not.toMatch(/<script|<b>|<i>|http-equiv="refresh"/);
  sendProblem(res as unknown as ServerResponse, 400, { title: "No", text, back: "cursor://x/y?error=z" });
  expect(String(res.end.mock.calls[1]?.[0])).toContain(">Go back to cursor:</a>");
});

it("escapes what stands in a template, wherever it stands", () => {
  expect(html`<a href="${`"'<&>`}">${html`<b>${"<i>"}</b>`}${undefined}</a>`.text).toBe(
    '<a href="&quot;&#39;&lt;&amp;&gt;"><b>&lt;i&gt;</b></a>',
  );
});

it("tells events with names that a terminal can show", async () => {
  const world = await start();
  const browser = new Browser(world.origin);
  const page = await browser.get(world.ask(browser, { name: `${claude.name}\u001b[2J` }));
  await browser.press(page, "ask");
  expect(world.events).toMatchObject([{ type: "asked", clientName: "Claude\\u001b[2J" }]);
});
