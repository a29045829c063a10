import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { captured } from "../../packages/inspector/test/support/captured.js";
import { openTestPage, type TestPage } from "../../packages/inspector/test/support/page.js";
import { openPage } from "../../packages/inspector/src/server/page-server.js";
import { launchBrowser } from "../support/browser.js";
import { missingProgram } from "../support/requires.js";

/**
 * The attack: the developer has the inspector open and reads another page meanwhile: an advertisement, a
 * chat, a readme. That page cannot leave the browser, but it can have the browser ask 127.0.0.1 for things.
 * It wants to read what was captured (keys, answers of the MCP server), or to send a call again: the service
 * does what the page likes. This worked against MCP Inspector (CVE-2025-49596) and against servers of the SDK
 * (CVE-2025-66414).
 *
 * The defence: each request has to name the inspector's address as its Host, to come from no other page, and
 * to show in a header field a secret that no page can guess. The hostile page of these tests even knows the
 * secret, and gets nothing by it.
 */
const mark = "words-of-a-captured-request";

let inspector: TestPage;
let origin: string;
let browser: Browser;
let page: Page;
/** Statuses of what the inspector has answered to the browser. */
let statuses: number[];
/** Other sites: one on this machine, and one that only looks like being elsewhere. */
const hosts = ["127.0.0.1", "evil.tunnel.test"];
const others = createServer((req, res) => {
  const type = req.url?.endsWith(".js") === true ? "text/javascript" : "text/html";
  res.setHeader("content-type", type).end(type === "text/html" ? "<!doctype html><title>evil</title>" : "");
});

const skip = missingProgram("chromium");
beforeAll(async () => {
  if (skip) return;
  others.listen(0, "127.0.0.1");
  await once(others, "listening");
  // Chromium keeps pages of the internet from this machine by itself. Other browsers do not.
  browser = await launchBrowser([
    "--disable-features=LocalNetworkAccessChecks,BlockInsecurePrivateNetworkRequests",
  ]);
  inspector = await openTestPage();
  origin = `http://127.0.0.1:${inspector.port}`;
  inspector.add(captured({ path: `/${mark}`, method: "POST" }));
});
afterAll(async () => {
  await browser?.close();
  await inspector?.close();
  others.close();
  others.closeAllConnections();
});
beforeEach(() => {
  statuses = [];
});
afterEach(() => {
  // Nothing was changed, whatever was tried.
  expect(inspector?.parts.state()).toMatchObject({ paused: false, kept: { exchanges: 1 } });
  expect(inspector?.asked).toEqual([]);
});

/** A page for the tests of one `describe`. */
function openPageFirst(): void {
  beforeAll(async () => {
    if (skip) return;
    const context = await browser.newContext();
    context.on("response", (response) => {
      if (new URL(response.url()).port === String(inspector.port)) statuses.push(response.status());
    });
    page = await context.newPage();
  });
  afterAll(() => page?.context().close());
}

/** What the page's script learns: `source` is the body of an async function. */
async function run(source: string, on: { evaluate(text: string): Promise<unknown> } = page): Promise<string> {
  const [id] = inspector.entries.keys();
  const names = { origin, secret: inspector.secret, socket: origin.replace("http", "ws"), id: String(id) };
  const given = Object.entries(names).map(([name, value]) => `const ${name} = ${JSON.stringify(value)};`);
  const tries = `try { ${source} } catch (error) { return "threw " + error; }`;
  return JSON.stringify(await on.evaluate(`(async () => { ${given.join(" ")} ${tries} })()`)) ?? "undefined";
}

const authorized = `{ authorization: "Bearer " + secret }`;
const json = `{ authorization: "Bearer " + secret, "content-type": "application/json" }`;
/** What an element tells of the file that it has loaded. */
const element = (tag: string, fields: string): string =>
  `return await new Promise((resolve) => {
    const element = Object.assign(document.createElement("${tag}"), ${fields});
    element.onload = () => resolve("loaded " + Object.keys(window).length);
    element.onerror = () => resolve("failed");
    document.head.append(element);
  })`;
/** What a frame or a window shows, once it has settled. */
const formPost = (fields: string): string =>
  `const frame = document.createElement("iframe");
  frame.name = "sink" + Math.random();
  document.body.append(frame);
  const form = Object.assign(document.createElement("form"), { target: frame.name, method: "post", ...${fields} });
  form.innerHTML = '<input name="{&quot;paused&quot;:true,&quot;x&quot;:&quot;" value="&quot;}">';
  document.body.append(form);
  const loaded = new Promise((resolve) => (frame.onload = resolve));
  form.submit();
  await loaded;
  return frame.contentDocument === null ? "closed" : frame.contentDocument.body.textContent`;

/** Each tries something, and gives whatever it has learnt. */
const attacks: Readonly<Record<string, string>> = {
  "a fetch": `return await (await fetch(origin + "/api/exchanges")).text()`,
  "a fetch of the page": `return await (await fetch(origin + "/")).text()`,
  "a fetch without CORS": `return (await fetch(origin + "/api/exchanges", { mode: "no-cors" })).type`,
  "a fetch with the secret, which needs a preflight": `return await (await fetch(origin + "/api/exchanges", { headers: ${authorized} })).text()`,
  "a stream with the secret": `return await (await fetch(origin + "/api/stream", { headers: ${authorized} })).text()`,
  "a fetch with credentials": `return await (await fetch(origin + "/api/har", { credentials: "include" })).text()`,
  "a post with the secret": `return await (await fetch(origin + "/api/pause", { method: "POST", headers: ${json}, body: '{"paused":true}' })).text()`,
  "a post without CORS": `return (await fetch(origin + "/api/pause", { method: "POST", mode: "no-cors", body: '{"paused":true}' })).type`,
  "a replay with the secret": `return await (await fetch(origin + "/api/exchanges/" + id + "/replay", { method: "POST", headers: ${json}, body: '{"confirmed":true}' })).text()`,
  "a replay without CORS": `return (await fetch(origin + "/api/exchanges/" + id + "/replay", { method: "POST", mode: "no-cors", body: "{}" })).type`,
  "a delete with the secret": `return await (await fetch(origin + "/api/exchanges", { method: "DELETE", headers: ${authorized} })).text()`,
  "a beacon": `return String(navigator.sendBeacon(origin + "/api/pause", new Blob(['{"paused":true}'], { type: "text/plain" })))`,
  "a form that looks like JSON": formPost(`{ enctype: "text/plain", action: origin + "/api/pause" }`),
  "a form": formPost(`{ action: origin + "/api/exchanges/" + id + "/replay" }`),
  "a WebSocket": `return await new Promise((resolve) => {
    const ws = new WebSocket(socket + "/api/stream");
    ws.onmessage = ({ data }) => resolve(data);
    ws.onclose = ({ code }) => resolve("closed " + code);
  })`,
  "an EventSource": `return await new Promise((resolve) => {
    const source = new EventSource(origin + "/api/stream");
    source.onmessage = ({ data }) => resolve(data);
    source.onerror = () => (source.close(), resolve("failed"));
  })`,
  "a script of the API": element("script", `{ src: origin + "/api/exchanges" }`),
  "the page as a script": element("script", `{ src: origin + "/" }`),
  "a module": `return Object.keys(await import(origin + "/api/exchanges")).join()`,
  "a stylesheet": element("link", `{ rel: "stylesheet", href: origin + "/api/exchanges" }`),
  "a picture": element("img", `{ src: origin + "/api/exchanges/" + id }`),
  "a worker": `return await new Promise((resolve) => {
    const worker = new Worker(origin + "/api/exchanges");
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = () => resolve("failed");
  })`,
  "a service worker": `return String(await navigator.serviceWorker.register(origin + "/", { scope: origin }))`,
};

describe.skipIf(skip).each(hosts)("a page of %s", (host) => {
  openPageFirst();
  beforeAll(async () => {
    await page.goto(`http://${host}:${(others.address() as AddressInfo).port}/`);
  });

  it.each(Object.entries(attacks))("learns and changes nothing by %s", async (_name, source) => {
    const learnt = await run(source);
    expect(learnt).not.toContain(mark);
    expect(learnt).toMatch(/threw |failed|closed|opaque|true/);
    // Whatever has come through to the inspector was refused.
    for (const status of statuses) expect(status).toBeGreaterThanOrEqual(400);
  });

  it("cannot show the inspector in a frame", async () => {
    await run(`document.body.innerHTML = '<iframe src="' + origin + '/"></iframe>'`);
    await expect.poll(() => page.frames().length).toBe(2);
    const [, frame] = page.frames();
    await frame?.waitForLoadState();
    expect(await run(`return document.querySelector("iframe").contentDocument === null`)).toBe("true");
    expect(statuses).toEqual([403]);
  });

  it("cannot lead there, not even with the secret, nor keep a hand on the window that opens", async () => {
    const [opened] = await Promise.all([
      page.waitForEvent("popup"),
      run(`window.opened = window.open(origin + "/#" + secret)`),
    ]);
    await opened.getByText("another page has led here").waitFor();
    expect(statuses).toEqual([403]);
    // Cross-Origin-Opener-Policy has cut the two apart.
    await expect.poll(() => run(`return opened.closed`)).toBe("true");
    expect(await run(`return window.opener === null`, opened)).toBe("true");
  });
});

/**
 * Below, the script runs where the browser takes it to be of one origin with what it asks, so that it reads
 * every answer. That is what rebinding comes to: the name has led to the attacker's server first, and leads
 * to this machine now.
 */
describe.skipIf(skip)("a page whose own name leads to the inspector", () => {
  openPageFirst();
  it.each(["rebound.tunnel.test", "localhost", "evil.localhost", "127.0.0.1.tunnel.test"])(
    "gets only a refusal: %s",
    async (name) => {
      const own = `http://${name}:${inspector.port}`;
      const document = { contentType: "text/html", body: "<!doctype html><title>evil</title>" };
      await page.route(`${own}/attack`, (route) => route.fulfill(document));
      await page.goto(`${own}/attack`);
      statuses = [];
      const asks = [
        `fetch("/")`,
        `fetch("/api/exchanges", { headers: ${authorized} })`,
        `fetch("/api/stream", { headers: ${authorized} })`,
        `fetch("/api/pause", { method: "POST", headers: ${json}, body: '{"paused":true}' })`,
        `fetch("/api/exchanges", { method: "DELETE", headers: ${authorized} })`,
      ];
      for (const ask of asks) {
        const learnt = await run(`const answer = await ${ask}; return answer.status + await answer.text()`);
        expect(learnt).toMatch(/^"421/);
        expect(learnt).not.toContain(inspector.secret);
      }
      const registered = await run(
        `return String(await navigator.serviceWorker.register("/", { scope: "/" }))`,
      );
      expect(registered).toContain("threw ");
      expect(new Set(statuses)).toEqual(new Set([421]));
    },
  );
});

describe.skipIf(skip)("the inspector's own page", () => {
  openPageFirst();
  beforeEach(async () => {
    // From the same page, the browser would only change the fragment.
    await page.goto("about:blank");
    await page.goto(inspector.url);
    // It takes the secret out of what others may see of a tab: its URL and its history.
    await expect.poll(() => page.url(), { timeout: 10_000 }).toBe(`${origin}/`);
  });

  it("reads all that the others could not", async () => {
    expect(
      await run(`return await (await fetch("/api/exchanges", { headers: ${authorized} })).text()`),
    ).toContain(mark);
    expect(await run(`return await (await fetch("/api/exchanges")).text()`)).toContain("no_secret");
  });

  it("leaves its secret to no other page of the tab", async () => {
    const { port } = others.address() as AddressInfo;
    await page.goto(`http://127.0.0.1:${port}/`);
    const stored = await run(
      `return [{ ...sessionStorage }, { ...localStorage }, document.cookie, document.referrer]`,
    );
    expect(stored).not.toContain(inspector.secret);
    expect(stored).not.toContain(String(inspector.port));
  });

  it.each([
    [`document.body.innerHTML = "<img src=x>"`, "TrustedHTML"],
    [`return await (await fetch("http://evil.tunnel.test:" + location.port)).text()`, "threw "],
    [`document.createElement("script").src = "http://evil.tunnel.test/x.js"`, "TrustedScriptURL"],
    [
      `return await new Promise((resolve) => {
        addEventListener("securitypolicyviolation", ({ violatedDirective }) => resolve(violatedDirective));
        document.head.append(Object.assign(document.createElement("base"), { href: "http://evil.tunnel.test/" }));
      })`,
      "base-uri",
    ],
  ])("may not do what only a hostile script would: %s", async (source, refusal) => {
    expect(await run(source)).toContain(refusal);
  });
});

/**
 * A server that had this address and port before has left a service worker in the browser. It answers in the
 * place of whatever comes later, and sees URLs with their fragments. The first visit is lost: only another
 * address helps against somebody who has prepared that (docs/security.md). But the worker does not stay.
 */
describe.skipIf(skip)("a service worker of an earlier server at the inspector's address", () => {
  openPageFirst();

  it("is thrown out by the browser", { timeout: 60_000 }, async () => {
    const worker = `
      addEventListener("install", () => skipWaiting());
      addEventListener("activate", (event) => event.waitUntil(clients.claim()));
      addEventListener("fetch", (event) => event.respondWith(new Response("evil")));`;
    const earlier = createServer((req, res) => {
      const isWorker = req.url === "/worker.js";
      res.setHeader("content-type", isWorker ? "text/javascript" : "text/html").end(isWorker ? worker : "");
    });
    earlier.listen(0, "127.0.0.1");
    await once(earlier, "listening");
    const { port } = earlier.address() as AddressInfo;
    await page.goto(`http://127.0.0.1:${port}/`);
    const ready = `navigator.serviceWorker.register("/worker.js").then(() => navigator.serviceWorker.ready)`;
    await page.evaluate(`${ready}.then(() => undefined)`);
    await page.goto("about:blank");
    earlier.close();
    earlier.closeAllConnections();
    await once(earlier, "close");

    const later = await openPage(inspector.parts, inspector.hub, { port });
    const isEvil = async (): Promise<boolean | undefined> => {
      await page.goto("about:blank");
      return (await page.goto(later.url))?.fromServiceWorker();
    };
    try {
      expect(await isEvil()).toBe(true);
      // Chromium looks for a new worker a second after the last visit.
      await expect.poll(isEvil, { timeout: 45_000, interval: 2_500 }).toBe(false);
    } finally {
      await later.close();
    }
  });
});
