import { afterEach, describe, expect, it, vi } from "vitest";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import type { TunnelError } from "mcp-tunnel-protocol";
import { ownPaths } from "../src/paths.js";
import {
  FakeStorage,
  answerOf,
  askTokens,
  authorizeTarget,
  connect,
  drawPkce,
  identifyAt,
  logIn,
  origin,
  redeem,
  redirectUri,
  refresh,
  register,
  startOAuth,
  stopClock,
} from "./oauth-rig.js";
import type { OAuthRig } from "./oauth-rig.js";

const closing = closingAfterEach();
const start = async (options?: Parameters<typeof startOAuth>[0]): Promise<OAuthRig> =>
  closing(await startOAuth(options));

// The library speaks on the console of what it misses in its settings. A person's screen is no place for it.
const spies = (["log", "info", "warn", "error"] as const).map((level) => vi.spyOn(console, level));
afterEach(() => {
  vi.useRealTimers();
  for (const spy of spies) expect(spy).not.toHaveBeenCalled();
});

describe("a host that registers itself", () => {
  it("gets a token that is good for the whole origin, and may be refreshed", async () => {
    const rig = await start();
    const registered = await register(rig, {
      scope: "mcp offline_access openid",
      grant_types: ["authorization_code"],
    });
    expect(registered.status).toBe(201);
    expect(registered.json).toMatchObject({
      ...{ client_name: "Test host", redirect_uris: [redirectUri], token_endpoint_auth_method: "none" },
      grant_types: ["authorization_code", "refresh_token"],
    });

    const client_id = registered.json.client_id;
    const login = await logIn(rig, { client_id, scope: "openid offline_access x", nonce: "n", max_age: "1" });
    const tokens = await redeem(rig, login);
    expect(tokens.json).toMatchObject({ token_type: "Bearer", expires_in: 28_800, scope: "mcp" });
    expect(tokens.json.id_token).toBeUndefined();
    const identity = { user: "owner", client: client_id, scope: "mcp" };
    expect(identifyAt(rig, tokens.json.access_token)).toEqual(identity);

    const refreshed = await refresh(rig, client_id, tokens.json.refresh_token);
    expect(refreshed.status).toBe(200);
    expect(identifyAt(rig, refreshed.json.access_token)).toEqual(identity);
    expect(rig.events).toMatchObject([{ type: "granted", clientName: "Test host", user: "owner" }]);
  });

  it.each(["login", "consent", "select_account", "consent login", "create", "none"])(
    "may ask for prompt=%s, since somebody is asked in any case",
    async (prompt) => {
      const rig = await start();
      const { json } = await register(rig);
      const login = await logIn(rig, { client_id: json.client_id, prompt });
      expect((await redeem(rig, login)).status).toBe(200);
    },
  );

  it.each(["client_secret_basic", "client_secret_post"])("may prove itself by %s", async (method) => {
    const storage = new FakeStorage();
    const rig = await start({ storage });
    const { json } = await register(rig, { token_endpoint_auth_method: method });
    const { client_id: id, client_secret: secret = "" } = json;
    const login = await logIn(rig, { client_id: id });
    const ask = (value: string) => {
      const { code, pkce } = login;
      const fields = {
        grant_type: "authorization_code",
        code,
        redirect_uri: redirectUri,
        code_verifier: pkce.verifier,
      };
      return method === "client_secret_post"
        ? askTokens(rig, { ...fields, client_id: id, client_secret: value })
        : askTokens(rig, fields, {
            authorization: `Basic ${Buffer.from(`${id}:${value}`).toString("base64")}`,
          });
    };
    expect(await ask("guessed")).toMatchObject({ status: 401, json: { error: "invalid_client" } });
    expect(await ask(secret)).toMatchObject({ status: 200 });
    expect(storage.written).not.toContain(secret);
  });

  it("hears that somebody has declined", async () => {
    const rig = await start({ decide: () => "deny" });
    const { json } = await register(rig);
    const target = authorizeTarget({ client_id: json.client_id, code_challenge: drawPkce().challenge });
    const reply = await rig.browser().follow(target);
    expect(Object.fromEntries(answerOf(reply))).toMatchObject({ error: "access_denied", state: "st4te" });
  });

  it("gets iss only if it is announced (RFC 9207; Codex 0.143 fails on it)", async () => {
    for (const issParameter of [true, false]) {
      const rig = await start({ issParameter });
      const { json } = await register(rig);
      const browser = rig.browser();
      const target = authorizeTarget({ client_id: json.client_id, code_challenge: drawPkce().challenge });
      expect(answerOf(await browser.follow(target)).get("iss")).toBe(issParameter ? origin : null);
      rig.decide = () => "deny";
      expect(answerOf(await browser.follow(target)).get("iss")).toBe(issParameter ? origin : null);
      const metadata = await rig.ask("/.well-known/oauth-authorization-server");
      const announced = { authorization_response_iss_parameter_supported: true };
      if (issParameter) expect(metadata.json).toMatchObject(announced);
      else expect(metadata.json).not.toHaveProperty("authorization_response_iss_parameter_supported");
    }
  });
});

describe("a refresh token", () => {
  it("may be used again within a minute: the answer may have been lost", async () => {
    const pass = stopClock();
    const rig = await start();
    const { clientId, refresh: token } = await connect(rig);
    expect((await refresh(rig, clientId, token)).status).toBe(200);
    pass(55);
    const again = await refresh(rig, clientId, token);
    expect(again.status).toBe(200);
    expect(identifyAt(rig, again.json.access_token)).toBeDefined();
  });

  it("may be used by two windows of a host at once", async () => {
    const rig = await start();
    const { clientId, refresh: token } = await connect(rig);
    const both = await Promise.all([refresh(rig, clientId, token), refresh(rig, clientId, token)]);
    for (const { status, json } of both) {
      expect(status).toBe(200);
      expect((await refresh(rig, clientId, json.refresh_token)).status).toBe(200);
    }
  });

  it("ends the grant when it comes back after a minute: somebody has stolen it", async () => {
    const pass = stopClock();
    const rig = await start();
    const { clientId, access, refresh: token } = await connect(rig);
    const next = await refresh(rig, clientId, token);
    pass(61);
    expect(await refresh(rig, clientId, token)).toMatchObject({
      status: 400,
      json: { error: "invalid_grant" },
    });
    expect(identifyAt(rig, access)).toBeUndefined();
    expect(identifyAt(rig, next.json.access_token)).toBeUndefined();
    expect((await refresh(rig, clientId, next.json.refresh_token)).status).toBe(400);
    expect(rig.events.map(({ type }) => type)).toEqual(["granted", "revoked"]);
  });

  it("is good for its own client alone", async () => {
    const rig = await start();
    const { refresh: token } = await connect(rig);
    const { json } = await register(rig);
    expect(await refresh(rig, json.client_id, token)).toMatchObject({ json: { error: "invalid_grant" } });
  });

  it("slides: a host that comes every 29 days stays connected", async () => {
    const pass = stopClock();
    const rig = await start();
    const { clientId, refresh: first } = await connect(rig);
    let token = first;
    for (let month = 0; month < 4; month += 1) {
      pass(29 * 24 * 3_600);
      const reply = await refresh(rig, clientId, token);
      expect(reply.status).toBe(200);
      token = reply.json.refresh_token;
    }
    pass(31 * 24 * 3_600);
    expect((await refresh(rig, clientId, token)).status).toBe(400);
  });
});

describe("a code", () => {
  it("that comes a second time ends the grant: it was stolen on the way", async () => {
    const rig = await start();
    const { login, access } = await connect(rig);
    expect(await redeem(rig, login)).toMatchObject({ status: 400, json: { error: "invalid_grant" } });
    expect(identifyAt(rig, access)).toBeUndefined();
  });

  it("is worth nothing without the verifier (RFC 7636)", async () => {
    const rig = await start();
    const { json } = await register(rig);
    for (const code_verifier of [drawPkce().verifier, ""]) {
      const login = await logIn(rig, { client_id: json.client_id });
      expect(await redeem(rig, login, { code_verifier })).toMatchObject({ json: { error: "invalid_grant" } });
    }
  });

  it("is not given without a challenge, or for a plain one (a PKCE downgrade)", async () => {
    const rig = await start();
    const { json } = await register(rig);
    for (const change of [
      { code_challenge: undefined, code_challenge_method: undefined },
      { code_challenge: drawPkce().challenge, code_challenge_method: "plain" },
      { code_challenge: drawPkce().challenge, code_challenge_method: undefined },
    ]) {
      const reply = await rig.browser().follow(authorizeTarget({ client_id: json.client_id, ...change }));
      expect(reply.text).toContain(`${redirectUri}?error=invalid_request`);
    }
  });

  it("lasts a minute", async () => {
    const pass = stopClock();
    const rig = await start();
    const { json } = await register(rig);
    const login = await logIn(rig, { client_id: json.client_id });
    pass(61);
    expect(await redeem(rig, login)).toMatchObject({ json: { error: "invalid_grant" } });
  });

  it("leaves no grant behind if nobody fetches tokens for it", async () => {
    const pass = stopClock();
    const rig = await start();
    const { json } = await register(rig);
    await logIn(rig, { client_id: json.client_id });
    pass(301);
    await register(rig);
    expect(rig.events.map(({ type }) => type)).toEqual(["granted", "revoked"]);
  });
});

describe("a token", () => {
  it("is over after 8 hours", async () => {
    const pass = stopClock();
    const rig = await start();
    const { access } = await connect(rig);
    pass(8 * 3_600 - 1);
    expect(identifyAt(rig, access)).toBeDefined();
    pass(1);
    expect(identifyAt(rig, access)).toBeUndefined();
  });

  it.each([
    ["/a", true],
    ["/a/b?c=/../d", true],
    ["/a?b", true],
    ["/ab", false],
    ["/", false],
    ["/A", false],
    ["*", false],
    ["/a/../b", false],
    ["/a/..%2fb", false],
    ["/a/%2E%2e/b", false],
    ["/a/%252e%252e/b", false],
    ["/a/.%09./b", true],
    ["/a/..;/b", false],
    ["/a//b", false],
    ["//a", false],
    ["/a\\..\\b", false],
    ["/a%5c..%5cb", false],
    ["/a/\t", false],
  ])("for /a at %j: %j, since no spelling may lead out of its path", async (target, isGood) => {
    const rig = await start();
    const { access } = await connect(rig, { resource: `${origin}/a` });
    expect(identifyAt(rig, access, target) !== undefined).toBe(isGood);
  });

  it.each([undefined, origin, `${origin}/`, `${origin}/a/..`])(
    "for %j is good for all paths",
    async (resource) => {
      const rig = await start();
      const { access } = await connect(rig, { resource });
      for (const target of ["/", "/a", "/a/../b", "//c", "*"])
        expect(identifyAt(rig, access, target)).toBeDefined();
    },
  );

  it.each([
    "https://other.relay.test",
    "https://demo.relay.test:8443/",
    "http://demo.relay.test",
    "mcp",
    "urn:x:y",
  ])("is not given for the resource %j, which is another's", async (resource) => {
    const rig = await start();
    const { json } = await register(rig);
    const target = authorizeTarget({
      client_id: json.client_id,
      code_challenge: drawPkce().challenge,
      resource,
    });
    expect((await rig.browser().follow(target)).text).toContain(`${redirectUri}?error=invalid_target`);
  });

  it("is not given for a resource that nobody consented to", async () => {
    const rig = await start();
    const { json } = await register(rig);
    const login = await logIn(rig, { client_id: json.client_id, resource: `${origin}/a` });
    const reply = await redeem(rig, login, { resource: `${origin}/b` });
    expect(reply).toMatchObject({ status: 400, json: { error: "invalid_target" } });
  });

  it("of another gate, or for another origin, lets nobody in", async () => {
    const rig = await start();
    const other = await start({ origin: "https://other.relay.test" });
    const { access } = await connect(rig);
    expect(identifyAt(other, access)).toBeUndefined();
    expect(identifyAt(rig, access, "/mcp", "https://other.relay.test")).toBeUndefined();
  });

  it("is an access token: refresh tokens and codes let nobody in", async () => {
    const rig = await start();
    const { refresh: token, login } = await connect(rig);
    for (const secret of [token, login.code, login.clientId, ""])
      expect(identifyAt(rig, secret)).toBeUndefined();
  });

  it.each(["access", "refresh"] as const)(
    "that its client gives back ends the grant (%s; RFC 7009)",
    async (kind) => {
      const rig = await start();
      const connected = await connect(rig);
      const body = new URLSearchParams({ token: connected[kind], client_id: connected.clientId });
      const headers = { "content-type": "application/x-www-form-urlencoded" };
      const reply = await rig.ask(ownPaths.revoke, { method: "POST", headers, body: body.toString() });
      expect(reply.status).toBe(200);
      expect(identifyAt(rig, connected.access)).toBeUndefined();
      expect((await refresh(rig, connected.clientId, connected.refresh)).status).toBe(400);
      expect(rig.events.map(({ type }) => type)).toEqual(["granted", "revoked"]);
    },
  );
});

describe("what is kept", () => {
  it("lasts over a restart, without any secret in it", async () => {
    const storage = new FakeStorage();
    const rig = await startOAuth({ storage });
    const { clientId, access, refresh: token, login } = await connect(rig);
    await rig.close();
    const { written = "" } = storage;
    for (const secret of [access, token, login.code, login.pkce.verifier])
      expect(written).not.toContain(secret);

    const again = await start({ storage });
    expect(identifyAt(again, access)).toMatchObject({ user: "owner", client: clientId });
    expect((await refresh(again, clientId, token)).status).toBe(200);
    expect(again.events).toEqual([]);
  });

  it("lasts in what it knows of used tokens: a stolen one is noticed after a restart", async () => {
    const pass = stopClock();
    const storage = new FakeStorage();
    const rig = await startOAuth({ storage });
    const { clientId, refresh: token } = await connect(rig);
    const next = await refresh(rig, clientId, token);
    await rig.close();
    pass(61);
    const again = await start({ storage });
    expect((await refresh(again, clientId, token)).status).toBe(400);
    expect(identifyAt(again, next.json.access_token)).toBeUndefined();
  });

  it("is dropped at another origin, and the person is told", async () => {
    const storage = new FakeStorage();
    const rig = await startOAuth({ storage });
    const { access } = await connect(rig);
    await rig.close();
    const moved = "https://moved.relay.test";
    const again = await start({ storage, origin: moved });
    expect(storage.stored).toMatchObject({ origin: moved, grants: [], records: [] });
    expect(identifyAt(again, access, "/mcp", moved)).toBeUndefined();
    expect(again.events).toMatchObject([{ type: "notice", text: expect.stringContaining(moved) as string }]);
  });

  it("is dropped when the tunnel gets another origin while it runs", async () => {
    const rig = await start();
    const { access } = await connect(rig);
    rig.oauth.begin(origin);
    expect(identifyAt(rig, access)).toBeDefined();
    rig.oauth.begin("https://moved.relay.test");
    rig.oauth.begin(origin);
    expect(identifyAt(rig, access)).toBeUndefined();
    expect(rig.events.map(({ type }) => type)).toEqual(["granted", "notice"]);
  });

  it("ends at once when another process revokes a grant", async () => {
    const storage = new FakeStorage();
    const rig = await start({ storage });
    const { clientId, access, refresh: token } = await connect(rig);
    const [grant] = storage.stored.grants;
    expect(grant).toMatchObject({
      id: expect.stringMatching(/^[0-9a-f]{8}$/) as string,
      clientId,
      user: "owner",
    });
    storage.revoke([grant?.id ?? "", "unknown"]);
    expect(identifyAt(rig, access)).toBeUndefined();
    expect((await refresh(rig, clientId, token)).status).toBe(400);
    expect(storage.stored.grants).toEqual([]);
    expect(rig.events.at(-1)).toMatchObject({ type: "revoked", grant: grant?.id, clientName: "Test host" });
  });

  it("ends at the start if a grant was revoked meanwhile, and the storage hears of it", async () => {
    const storage = new FakeStorage();
    const rig = await startOAuth({ storage });
    const { access } = await connect(rig);
    await rig.close();
    storage.revokedBefore = storage.stored.grants.map(({ id }) => id);
    const again = await start({ storage });
    expect(identifyAt(again, access)).toBeUndefined();
    expect(storage.stored.grants).toEqual([]);
    expect(again.events.map(({ type }) => type)).toEqual(["revoked"]);
  });

  it("says to the minute when a grant was last used", async () => {
    const pass = stopClock();
    const storage = new FakeStorage();
    const rig = await start({ storage });
    const { access } = await connect(rig);
    pass(3_600);
    identifyAt(rig, access);
    const used = storage.stored.grants[0]?.lastUsedMs ?? 0;
    expect(used % 60_000).toBe(0);
    expect(Date.now() - used).toBeLessThan(60_000);
  });
});

describe("the origin", () => {
  it.each(["http://localhost:8080", "http://demo.localhost:8080", "http://127.0.0.2", "http://[::1]:8080"])(
    "may be %s: plain http to this machine",
    async (at) => {
      const rig = await start({ origin: at });
      const { access } = await connect(rig);
      expect(identifyAt(rig, access)).toBeDefined();
    },
  );

  it("may not be plain http elsewhere, where browsers keep no cookie of this host alone", async () => {
    const rig = await start();
    const refused = { code: "invalid_option", message: expect.stringContaining("bearer") as string };
    expect(() => rig.oauth.begin("http://demo.relay.test")).toThrow(
      expect.objectContaining(refused) as TunnelError,
    );
  });

  it("is the tunnel's: a request for another host is refused, whatever its other fields say", async () => {
    const rig = await start();
    const reply = await rig.ask("/.well-known/oauth-authorization-server", {
      headers: { host: "evil.test" },
    });
    expect(reply.status).toBe(421);
    const spoofed = await rig.ask("/.well-known/oauth-authorization-server", {
      headers: { "x-forwarded-host": "evil.test", "x-forwarded-proto": "http", forwarded: "host=evil.test" },
    });
    expect(spoofed.json.issuer).toBe(origin);
  });
});

describe("browsers", () => {
  it("keep one cookie for each flow, which no other host can set, and lose it after the end", async () => {
    const rig = await start();
    const browser = rig.browser();
    const { json } = await register(rig);
    await logIn(rig, { client_id: json.client_id, redirect_uri: redirectUri }, browser);
    const names = browser.setCookies.map((line) => line.split("=")[0] ?? "");
    expect(names.length).toBeGreaterThan(0);
    for (const name of names) {
      expect(name).toMatch(/^__Host-mcp-tunnel~/);
    }
    for (const line of browser.setCookies) {
      expect(line).toMatch(/; Path=\/;.*; Secure$/);
      expect(line).toMatch(/HttpOnly; SameSite=Lax/);
      expect(line).not.toMatch(/domain/i);
    }
    // The last ones are for a minute, in which the browser may be sent on once more.
    expect(browser.setCookies.at(-1)).toContain("; Max-Age=60;");
  });

  it("keep no cookies with __Host- on plain http", async () => {
    const rig = await start({ origin: "http://demo.localhost:8080" });
    const browser = rig.browser();
    const { json } = await register(rig);
    await logIn(rig, { client_id: json.client_id }, browser);
    for (const line of browser.setCookies) {
      expect(line).toMatch(/^mcp-tunnel~/);
      expect(line).not.toContain("Secure");
    }
  });

  it("have several flows under way that do not disturb one another", async () => {
    const rig = await start({ decide: () => "wait" });
    const browser = rig.browser();
    const { json } = await register(rig);
    const flows = await Promise.all(
      ["one", "two", "three"].map(async (state) => {
        const pkce = drawPkce();
        const target = authorizeTarget({ client_id: json.client_id, code_challenge: pkce.challenge, state });
        return { state, pkce, page: (await browser.get(target)).headers.location ?? "" };
      }),
    );
    rig.decide = () => "grant";
    for (const { state, pkce, page } of flows.toReversed()) {
      const answer = answerOf(await browser.follow(page));
      expect(answer.get("state")).toBe(state);
      const code = answer.get("code") ?? "";
      const login = { clientId: json.client_id, code, pkce, redirectUri };
      expect((await redeem(rig, login)).status).toBe(200);
    }
  });

  it("hold few cookies, however many flows are begun", async () => {
    const rig = await start({ decide: () => "wait" });
    const browser = rig.browser();
    const { json } = await register(rig);
    for (let flow = 0; flow < 20; flow += 1) {
      await browser.get(authorizeTarget({ client_id: json.client_id, code_challenge: drawPkce().challenge }));
    }
    expect(browser.cookies.size).toBe(8);
  });

  it("that did not begin a flow get nothing of it: a victim with a link, a stolen address", async () => {
    const rig = await start({ decide: () => "wait" });
    const attacker = rig.browser();
    const { json } = await register(rig);
    const target = authorizeTarget({ client_id: json.client_id, code_challenge: drawPkce().challenge });
    const page = (await attacker.get(target)).headers.location ?? "";
    const id = page.slice(ownPaths.consent.length);
    rig.decide = () => "grant";

    const victim = rig.browser();
    expect((await victim.get(page)).status).toBe(403);
    // The id alone is no proof.
    victim.cookies.set(`__Host-mcp-tunnel~${id}`, id);
    victim.cookies.set("_interaction_resume", id);
    expect((await victim.get(page)).status).toBe(403);
    const resumed = await victim.get(`${ownPaths.authorize}/${id}`);
    expect(resumed.status).toBe(400);
    expect(resumed.text).toContain("another browser");
    expect(rig.events).toEqual([]);
    expect((await attacker.follow(page)).headers.location).toContain("code=");
  });

  it("are asked each time: a stranger's link to a client that its reader has let in before", async () => {
    // All users of a host in the cloud share one client and one redirect URI. A stranger begins to connect at
    // that host, and sends the link to somebody who uses it too. Without a question the code would go to the
    // host at once, and some hosts take it for the stranger's account.
    const rig = await start();
    const victim = rig.browser();
    const { json } = await register(rig);
    await logIn(rig, { client_id: json.client_id }, victim);
    rig.decide = () => "wait";
    const link = authorizeTarget({ client_id: json.client_id, code_challenge: drawPkce().challenge });
    const { status, text } = await victim.follow(link);
    expect([status, JSON.parse(text).client.redirectUri]).toEqual([200, redirectUri]);
    expect(JSON.parse(text)).not.toHaveProperty("approved");
  });

  it.each(["http://127.0.0.1:33418/", "cursor://anysphere.cursor-mcp/oauth/callback"])(
    "are told when the answer goes to %s: any program could wait there",
    async (uri) => {
      const rig = await start({ decide: () => "wait" });
      const { json } = await register(rig, { redirect_uris: [uri] });
      const params = { client_id: json.client_id, code_challenge: drawPkce().challenge, redirect_uri: uri };
      const { text } = await rig.browser().follow(authorizeTarget(params));
      expect(JSON.parse(text)).toMatchObject({ client: { isLoopback: true, redirectUri: uri } });
    },
  );

  it("go on once more with the same code, until the host has used it", async () => {
    // A browser asks whether it may open the program, and the person presses "Go on" again.
    const rig = await start({ decide: () => "wait" });
    const browser = rig.browser();
    const { json } = await register(rig);
    const pkce = drawPkce();
    const target = authorizeTarget({ client_id: json.client_id, code_challenge: pkce.challenge });
    const page = (await browser.get(target)).headers.location ?? "";
    rig.decide = () => "grant";
    const { location = "" } = (await browser.follow(page)).headers;
    const stranger = rig.browser();
    expect((await browser.follow(page)).headers.location).toBe(location);
    expect((await browser.follow(page.replace("consent", "authorize"))).headers.location).toBe(location);
    expect((await stranger.follow(page)).status).toBe(403);
    expect((await stranger.follow(page.replace("consent", "authorize"))).status).toBe(400);

    const code = new URL(location).searchParams.get("code") ?? "";
    const tokens = await redeem(rig, { clientId: json.client_id, code, pkce, redirectUri });
    // A code that comes twice ends its grant, so the browser does not bring it again.
    expect((await browser.follow(page)).status).toBe(403);
    expect((await browser.follow(page.replace("consent", "authorize"))).status).toBe(400);
    expect(identifyAt(rig, tokens.json.access_token)).toBeDefined();
    expect(rig.events.map(({ type }) => type)).toEqual(["granted"]);
  });

  it("do not go on any more when the code is over", async () => {
    const pass = stopClock();
    const rig = await start({ decide: () => "wait" });
    const browser = rig.browser();
    const { json } = await register(rig);
    const target = authorizeTarget({ client_id: json.client_id, code_challenge: drawPkce().challenge });
    const page = (await browser.get(target)).headers.location ?? "";
    rig.decide = () => "grant";
    await browser.follow(page);
    pass(61);
    expect((await browser.follow(page)).status).toBe(403);
  });

  it("make one grant when the form is sent twice", async () => {
    const rig = await start({ decide: () => "wait" });
    const browser = rig.browser();
    const { json } = await register(rig);
    const target = authorizeTarget({ client_id: json.client_id, code_challenge: drawPkce().challenge });
    const page = (await browser.get(target)).headers.location ?? "";
    rig.decide = () => "grant";
    await Promise.all([browser.get(page), browser.get(page)]);
    expect(rig.events.map(({ type }) => type)).toEqual(["granted"]);
  });

  it("are sent on once somebody has approved elsewhere", async () => {
    const rig = await start({ decide: () => "wait" });
    const browser = rig.browser();
    const { json } = await register(rig);
    const target = authorizeTarget({ client_id: json.client_id, code_challenge: drawPkce().challenge });
    const page = (await browser.get(target)).headers.location ?? "";
    rig.consents.approve(page.slice(ownPaths.consent.length), { by: "terminal", user: "owner" });
    expect(JSON.parse((await browser.get(page)).text)).toMatchObject({ approved: { by: "terminal" } });
  });
});
