import { beforeEach, describe, expect, it, vi } from "vitest";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { EmailList } from "../src/consent/emails.js";
import type { LoginOptions } from "../src/options.js";
import { ownPaths } from "../src/paths.js";
import { Browser, claude, type GateWorld, nextOf, type Seen, startPages } from "./consent-support.js";
import { clientSecret, startProvider, type TestProvider } from "./openid-support.js";

const opened = closingAfterEach();
const origin = "https://my-tunnel.example.com";
const redirectUri = origin + ownPaths.loggedIn;

// The provider of the test warns that it keeps all in memory.
beforeEach(() => {
  const silenced = [vi.spyOn(console, "warn"), vi.spyOn(console, "info")];
  for (const spy of silenced) spy.mockReturnValue(undefined);
  return () => silenced.forEach((spy) => spy.mockRestore());
});

interface LoginWorld {
  readonly provider: TestProvider;
  readonly world: GateWorld;
}

async function start(
  settings: Parameters<typeof startProvider>[1] = {},
  more: Partial<LoginOptions> = {},
): Promise<LoginWorld> {
  const provider = opened(await startProvider(redirectUri, settings));
  const login = {
    issuer: provider.issuer,
    clientId: "gate",
    clientSecret,
    allowEmails: ["ann@example.com"],
    ...more,
  };
  return { provider, world: opened(await startPages({ login }, origin)) };
}

/** The browser consents, and is on the way to the provider. */
async function consent(browser: Browser, path: string): Promise<string> {
  return nextOf(await browser.press(await browser.get(path), "login"));
}

/** The browser comes back from the provider with this URL. */
function comeBack(browser: Browser, url: string): Promise<Seen> {
  expect(url).toMatch(`${redirectUri}?`);
  return browser.get(url.slice(origin.length));
}

describe("a login at an OpenID provider", () => {
  it.each([
    ["in the id token", { isClaimsInToken: true }],
    ["at the userinfo endpoint", {}],
    ["of a provider that wants the secret in the body", { methods: ["client_secret_post"] }],
  ])("lets an address on the list approve: %s", async (_where, settings) => {
    const { provider, world } = await start(settings, { allowEmails: ["Ann@Example.COM"] });
    const browser = new Browser(world.origin);
    const url = await consent(browser, world.ask(browser));
    const asked = new URL(url).searchParams;
    expect(asked.get("redirect_uri")).toBe(redirectUri);
    expect(asked.get("code_challenge_method")).toBe("S256");
    expect(asked.get("scope")).toBe("openid email");
    for (const name of ["state", "nonce", "code_challenge"]) expect(asked.get(name)?.length).toBe(43);
    const approved = await comeBack(browser, await provider.logIn(url));
    expect(approved.text).toContain("<h1>Approved</h1>");
    expect(nextOf(await browser.goOn(approved))).toBe(`${claude.redirectUri}?code=the-code`);
    expect(world.ends).toEqual([{ id: "request-1", approval: { by: "login", user: "ann@example.com" } }]);
    expect(provider.authorizations[0] === undefined).toBe("methods" in settings);
  });

  it("is asked for by a button before anybody is sent away", async () => {
    const { provider, world } = await start();
    const browser = new Browser(world.origin);
    const page = await browser.get(world.ask(browser));
    expect(page.status).toBe(200);
    expect(nextOf(page)).toBe("");
    expect(page.text).toContain(`Sign in with ${new URL(provider.issuer).host}`);
    // Chromium would hold a redirect from here to the rules for forms, and each one that the provider adds.
    const left = await browser.press(page, "login");
    expect([left.status, left.headers.get("location")]).toEqual([200, null]);
  });

  it("admits a whole domain, but none below it", async () => {
    const { provider, world } = await start({}, { allowEmails: ["@example.com"] });
    const browser = new Browser(world.origin);
    const path = world.ask(browser);
    provider.account = { email: "eve@sub.example.com", email_verified: true };
    expect((await comeBack(browser, await provider.logIn(await consent(browser, path)))).status).toBe(403);
    provider.account = { email: "bob@example.com", email_verified: true };
    expect((await comeBack(browser, await provider.logIn(await consent(browser, path)))).status).toBe(200);
  });

  it.each([
    ["another address", { email: "eve@example.com", email_verified: true }],
    ["an address that is not verified", { email: "ann@example.com", email_verified: false }],
    ["an address of which the provider says nothing", { email: "ann@example.com" }],
    ["an address that is verified as a text", { email: "ann@example.com", email_verified: "true" }],
    ["no address", {}],
    ["a list of addresses", { email: ["ann@example.com"], email_verified: true }],
  ])("tells %s that it is not on the list, and not who is", async (_who, account) => {
    const { provider, world } = await start();
    provider.account = account;
    const browser = new Browser(world.origin, "192.0.2.1");
    const path = world.ask(browser);
    const refused = await comeBack(browser, await provider.logIn(await consent(browser, path)));
    expect(refused.status).toBe(403);
    expect(refused.text).toContain("not on the owner’s list");
    expect(refused.text).not.toMatch(/ann|eve/);
    expect(world.events).toEqual([
      { type: "denied", reason: "not_on_list", clientName: "Claude", address: "192.0.2.1" },
    ]);
    expect(refused.text).toContain(`href="${path}"`);
    expect((await browser.get(path)).status).toBe(200);
  });

  it("can be tried again if it did not succeed", async () => {
    const { provider, world } = await start();
    const browser = new Browser(world.origin);
    const path = world.ask(browser);
    const state = new URL(await consent(browser, path)).searchParams.get("state") as string;
    const iss = encodeURIComponent(provider.issuer);
    const answer = `${redirectUri}?error=access_denied&error_description=%3Cb%3E&state=${state}&iss=${iss}`;
    const failed = await comeBack(browser, answer);
    expect(failed.status).toBe(403);
    expect(failed.text).not.toContain("<b>");
    expect(world.events).toEqual([
      { type: "denied", reason: "login_failed", clientName: "Claude", address: undefined },
    ]);
    const approved = await comeBack(browser, await provider.logIn(await consent(browser, path)));
    expect(approved.status).toBe(200);
  });

  it("tells the owner why it fails if only he can mend it", async () => {
    const { provider, world } = await start({}, { clientSecret: "wrong" });
    const browser = new Browser(world.origin);
    const failed = await comeBack(browser, await provider.logIn(await consent(browser, world.ask(browser))));
    expect(failed.status).toBe(403);
    expect(world.events.map(({ type }) => type)).toEqual(["denied", "notice"]);
    expect(JSON.stringify(world.events)).not.toContain("wrong");
  });
});

describe("attacks on a login", () => {
  it("gives a stranger nothing if somebody else ends the login that he has begun", async () => {
    // The confused deputy (CVE-2026-27124): a stranger asks for access and consents himself, but does not log
    // in. He sends the link to the owner, whom the provider knows already and sends back at once. The grant
    // would be the stranger's.
    const { provider, world } = await start();
    const stranger = new Browser(world.origin);
    const path = world.ask(stranger);
    const link = await consent(stranger, path);
    const owner = new Browser(world.origin);
    const ended = await comeBack(owner, await provider.logIn(link));
    expect(ended.status).toBe(404);
    expect(nextOf(await stranger.get(path))).toBe("");
    expect(world.ends).toEqual([]);
  });

  it("takes no answer for a login that this browser did not begin", async () => {
    // A stranger logs in as himself, and makes the victim's browser bring the answer: the victim would act in
    // the stranger's name, or end his own consent with the stranger's code.
    const { provider, world } = await start();
    const stranger = new Browser(world.origin);
    const strangers = new URL(await provider.logIn(await consent(stranger, world.ask(stranger))));
    const victim = new Browser(world.origin);
    const path = world.ask(victim);
    const link = await consent(victim, path);
    expect((await comeBack(victim, strangers.href)).status).toBe(404);
    const state = new URL(link).searchParams.get("state") as string;
    strangers.searchParams.set("state", state);
    // The code is for another PKCE verifier.
    expect((await comeBack(victim, strangers.href)).status).toBe(403);
    expect(nextOf(await victim.get(path))).toBe("");
  });

  it("takes an answer once", async () => {
    const { provider, world } = await start();
    const browser = new Browser(world.origin);
    const path = world.ask(browser);
    const answer = await provider.logIn(await consent(browser, path));
    provider.account = { email: "eve@example.com", email_verified: true };
    expect((await comeBack(browser, answer)).status).toBe(403);
    provider.account = { email: "ann@example.com", email_verified: true };
    expect((await comeBack(browser, answer)).status).toBe(404);
  });

  it("takes no answer of another provider: mix-up", async () => {
    // RFC 9207: a provider in the stranger's hands sends people back with a code of the right one.
    const { provider, world } = await start();
    const browser = new Browser(world.origin);
    const answer = new URL(await provider.logIn(await consent(browser, world.ask(browser))));
    expect(answer.searchParams.get("iss")).toBe(provider.issuer);
    answer.searchParams.set("iss", "https://evil.example");
    expect((await comeBack(browser, answer.href)).status).toBe(403);
    expect(provider.authorizations).toEqual([]);
  });

  it("forwards nobody without a login that was begun", async () => {
    const { world } = await start();
    const browser = new Browser(world.origin);
    for (const search of ["", "?state=", "?state=x&code=y", "?code=y"]) {
      expect((await browser.get(ownPaths.loggedIn + search)).status).toBe(404);
    }
  });

  it("reads no address in another way than the provider", () => {
    const list = new EmailList(["mike@example.com", "@corp.example"]);
    expect(list.find("MIKE@example.com")).toBe("mike@example.com");
    expect(list.find("any.one+tag@Corp.Example")).toBe("any.one+tag@corp.example");
    for (const trick of [
      "evil@corp.example@evil.example",
      '"evil@evil.example"@corp.example',
      "evil@evil.example,x@corp.example",
      "evil@evilcorp.example",
      "evil@sub.corp.example",
      "evil@corp.example.evil.example",
      "evil@corp.example.",
      "@corp.example",
      "corp.example",
      // The Kelvin sign is a `k` in lower case.
      "mi\u212ae@example.com",
      "mike@ex\u0430mple.com",
      "mike@example.com\u0000",
      "mike@example.com ",
      "evil\n@corp.example",
    ]) {
      expect(list.find(trick)).toBe(undefined);
    }
  });
});

describe("the options of a login", () => {
  it.each([
    ["plain http elsewhere", { issuer: "http://login.example.com" }],
    ["no URL", { issuer: "login.example.com" }],
    ["an empty list", { allowEmails: [] }],
    ["a name without a domain", { allowEmails: ["ann"] }],
    ["a pattern", { allowEmails: ["*@*.example.com"] }],
    ["a bare @", { allowEmails: ["@"] }],
  ])("are refused: %s", async (_what, more) => {
    const login = { issuer: "https://login.example.com", clientId: "gate", allowEmails: ["@example.com"] };
    await expect(startPages({ login: { ...login, ...more } })).rejects.toMatchObject({
      code: "invalid_option",
    });
  });

  it("are tried at the provider before anybody needs it", async () => {
    const provider = await startProvider(redirectUri);
    await provider.close();
    const login = { issuer: provider.issuer, clientId: "gate", allowEmails: ["@example.com"] };
    await expect(startPages({ login })).rejects.toMatchObject({ code: "unavailable" });
  });
});
