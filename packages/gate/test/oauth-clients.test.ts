import { afterEach, describe, expect, it, vi } from "vitest";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { ownPaths } from "../src/paths.js";
import {
  FakeStorage,
  askTokens,
  authorizeTarget,
  connect,
  drawPkce,
  logIn,
  redeem,
  redirectUri,
  refresh,
  register,
  startOAuth,
} from "./oauth-rig.js";
import type { Browser, OAuthRig } from "./oauth-rig.js";

const closing = closingAfterEach();
const start = async (options?: Parameters<typeof startOAuth>[0]): Promise<OAuthRig> =>
  closing(await startOAuth(options));

afterEach(() => {
  vi.useRealTimers();
});

describe("registration (RFC 7591)", () => {
  it("takes a mixed list of redirect URIs, such as Cursor's", async () => {
    const rig = await start();
    const redirect_uris = [
      "http://localhost:8787/callback",
      "cursor://anysphere.cursor-mcp/oauth/callback",
      "https://www.cursor.com/agents/mcp/oauth/callback",
    ];
    for (const application_type of [undefined, "web", "native"]) {
      const { status, json } = await register(rig, { redirect_uris, application_type });
      expect(status).toBe(201);
      expect(json.redirect_uris).toEqual(redirect_uris);
      for (const uri of redirect_uris) {
        const login = await logIn(rig, { client_id: json.client_id, redirect_uri: uri });
        expect((await redeem(rig, login)).status).toBe(200);
      }
    }
  });

  it.each(["http://localhost/callback", "http://127.0.0.1/callback", "http://[::1]/callback"])(
    "lets a client listen at any port of %s (RFC 8252 section 7.3)",
    async (uri) => {
      const rig = await start();
      const { json } = await register(rig, { redirect_uris: [uri] });
      const redirect_uri = uri.replace("/callback", ":49152/callback");
      const login = await logIn(rig, { client_id: json.client_id, redirect_uri });
      expect((await redeem(rig, login)).status).toBe(200);
    },
  );

  it.each([
    ["javascript:alert(1)"],
    ["data:text/html,<script>alert(1)</script>"],
    ["vbscript:x"],
    ["file:///etc/passwd"],
    ["https://host.test/callback#fragment"],
    ["http://host.test/callback"],
    ["https://localhost/callback"],
    ["/relative"],
    [`https://host.test/${"a".repeat(1_000)}`],
    // One program takes what stands before the sign for the host, and another what stands behind it.
    ["https://claude.ai@evil.test/"],
    ["https://claude.ai:443@evil.test/"],
    ["https://evil.test\\@claude.ai/"],
    ["http://localhost@evil.test/"],
    ["http://[::1]@evil.test/"],
    ["http://localhost.evil.test/"],
    ["http://127.0.0.1.evil.test/"],
    ["http://0.0.0.0/"],
    ["java\tscript:alert(1)"],
    [" javascript:alert(1)"],
    ["https://host.test/\u202e"],
    ["https://\u0430pple.com/"],
    ["intent://x#Intent;end"],
    ["blob:https://host.test/"],
  ])("refuses the redirect URI %s", async (uri) => {
    const rig = await start();
    const reply = await register(rig, { redirect_uris: [redirectUri, uri] });
    expect(reply).toMatchObject({ status: 400, json: { error: "invalid_redirect_uri" } });
  });

  it.each([
    undefined,
    [],
    "https://host.test/",
    [1],
    Array.from({ length: 11 }, (_, n) => `https://h.test/${n}`),
  ])("refuses redirect_uris %j", async (redirect_uris) => {
    const rig = await start();
    expect(await register(rig, { redirect_uris })).toMatchObject({
      status: 400,
      json: { error: "invalid_redirect_uri" },
    });
  });

  it("keeps only what it needs: nothing that would be fetched, and no long names", async () => {
    const storage = new FakeStorage();
    const rig = await start({ storage });
    const { json } = await register(rig, {
      ...{
        client_name: "n".repeat(5_000),
        logo_uri: "http://169.254.169.254/",
        jwks_uri: "http://127.0.0.1/",
      },
      ...{
        sector_identifier_uri: "https://127.0.0.1/",
        software_statement: "x",
        contacts: ["not an address"],
      },
      ...{ default_max_age: 1, require_auth_time: true, token_endpoint_auth_method: "private_key_jwt" },
      ...{
        response_types: ["code", "token"],
        grant_types: ["implicit", "urn:ietf:params:oauth:grant-type:device_code"],
      },
    });
    expect(json).toMatchObject({ client_name: "n".repeat(200), token_endpoint_auth_method: "none" });
    expect((await redeem(rig, await logIn(rig, { client_id: json.client_id }))).status).toBe(200);
    expect(storage.written).not.toMatch(/169\.254|127\.0\.0\.1|software_statement|contacts/);
  });

  it("refuses what is no JSON object, and what is too long", async () => {
    const rig = await start();
    const headers = { "content-type": "application/json" };
    for (const body of ["[]", "null", "{", JSON.stringify({ client_name: "n".repeat(60_000) })]) {
      const reply = await rig.ask(ownPaths.register, { method: "POST", headers, body });
      expect(reply).toMatchObject({ status: 400, json: { error: "invalid_request" } });
    }
  });

  it("writes no file for a stranger: clients are kept with the next grant, or at the end", async () => {
    // Each registration would have everything written anew, megabytes in the end.
    const storage = new FakeStorage();
    const rig = await startOAuth({ storage });
    const { json } = await register(rig);
    expect(storage.written).toBeUndefined();
    await rig.close();
    const again = await start({ storage });
    expect((await redeem(again, await logIn(again, { client_id: json.client_id }))).status).toBe(200);
  });

  it("ends when its body never does", async () => {
    const rig = await start();
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const headers = { "content-type": "application/json", "content-length": "20" };
    const asking = rig.ask(ownPaths.register, { method: "POST", headers, body: "{" });
    const cut = expect(asking).rejects.toThrow("socket hang up");
    await vi.waitUntil(() => vi.getTimerCount() > 0);
    await vi.advanceTimersByTimeAsync(10_000);
    await cut;
  });

  it("is limited for each visitor's address, and never for others", async () => {
    const rig = await start();
    const address = "203.0.113.9";
    const statuses = new Set<number>();
    for (let n = 0; n < 31; n += 1) statuses.add((await register(rig, {}, { address })).status);
    expect([...statuses]).toEqual([201, 429]);
    const refused = await register(rig, {}, { address });
    expect(Number(refused.headers["retry-after"])).toBeGreaterThan(0);
    expect((await register(rig, {}, { address: "203.0.113.10" })).status).toBe(201);
  });

  it("forgets clients of a flood, and none with a grant, or for which somebody is asked", async () => {
    const storage = new FakeStorage();
    const rig = await start({ storage });
    const connected = await connect(rig);
    const unused = (await register(rig)).json.client_id;
    const asked = (await register(rig)).json.client_id;
    rig.decide = () => "wait";
    const browser = rig.browser();
    const params = { client_id: asked, code_challenge: drawPkce().challenge };
    const page = (await browser.get(authorizeTarget(params))).headers.location ?? "";
    for (let n = 0; n < 201; n += 1) await register(rig);
    rig.decide = () => "grant";
    expect((await browser.follow(page)).headers.location).toContain("code=");
    expect(storage.stored.records.filter(({ model }) => model === "Client")).toHaveLength(202);
    expect((await refresh(rig, connected.clientId, connected.refresh)).status).toBe(200);
    // Claude registers anew on 401.
    expect(await refresh(rig, unused, "x")).toMatchObject({
      status: 401,
      json: { error: "invalid_client" },
    });
  });

  it("forgets clients of the addresses that register most: ten flooders push out nobody else", async () => {
    const rig = await start();
    const mine = (await register(rig, {}, { address: "192.0.2.1" })).json.client_id;
    for (let n = 0; n < 250; n += 1) await register(rig, {}, { address: `203.0.113.${n % 10}` });
    expect((await redeem(rig, await logIn(rig, { client_id: mine }))).status).toBe(200);
  });
});

describe("the authorization endpoint", () => {
  const { challenge } = drawPkce();

  it.each([
    ["http://localhost/cb", "http://localhost:1@evil.test/cb"],
    ["http://localhost/cb", "http://localhost:80\\@evil.test/cb"],
    ["http://localhost/cb", "http://u:p@localhost:9/cb"],
    ["http://localhost/cb", "http://localhost:9/cb?x=1"],
    ["http://localhost/cb", "http://localhost:9/cb#f"],
    ["http://localhost/cb", "http://localhost.evil.test/cb"],
    ["http://localhost/cb", "http://127.0.0.1:9/cb"],
    ["http://localhost/cb", "https://localhost:9/cb"],
    ["http://[::1]/cb", "http://[::1]:9@evil.test/cb"],
    ["https://host.test/cb", "https://host.test:8443/cb"],
    ["https://host.test/cb", "https://HOST.test/cb"],
    ["https://host.test/cb", "https://host.test./cb"],
    ["https://host.test/cb", "https://host.test/cb/"],
    ["https://host.test/cb", "https://host.test/cb?"],
    ["https://host.test/cb", "https://host.test/c%62"],
    ["https://host.test/cb", "https://host.test/cb/../evil"],
    ["cursor://a", "cursor://a:9"],
  ])(
    "compares redirect URIs byte for byte but for the port of loopback: %s is not %s",
    async (known, asked) => {
      const rig = await start({ decide: () => "wait" });
      const { json } = await register(rig, { redirect_uris: [known] });
      const params = { client_id: json.client_id, code_challenge: challenge, redirect_uri: asked };
      const reply = await rig.browser().get(authorizeTarget(params));
      expect([reply.status, reply.headers.location]).toEqual([400, undefined]);
      expect(reply.text).not.toContain(asked);
    },
  );

  it.each([
    ["an unknown client", { client_id: "unknown", redirect_uri: "https://evil.test/" }],
    ["a redirect URI of somebody else", { redirect_uri: "https://evil.test/" }],
    ["a redirect URI that begins alike", { redirect_uri: `${redirectUri}.evil.test` }],
    ["a redirect URI with another path", { redirect_uri: `${redirectUri}/../elsewhere` }],
    ["a redirect URI with a user", { redirect_uri: redirectUri.replace("host.test", "host.test@evil.test") }],
    ["an error beside it", { redirect_uri: "https://evil.test/", response_type: "token" }],
    [
      "a document that cannot be fetched",
      { client_id: "https://127.0.0.1/c", redirect_uri: "https://evil.test/" },
    ],
  ])("sends nobody on for %s: no open redirect", async (_case, change) => {
    const rig = await start();
    const { json } = await register(rig);
    const target = authorizeTarget({ client_id: json.client_id, code_challenge: challenge, ...change });
    const reply = await rig.browser().get(target);
    expect(reply.status).toBe(400);
    expect(reply.headers.location).toBeUndefined();
    expect(reply.text).toContain("This sign-in cannot go on");
  });

  it.each([
    ["a challenge that is none", { code_challenge: "short" }],
    ["no challenge", { code_challenge: undefined }],
    ["a response type that is not given", { response_type: "token" }],
    ["a resource of somebody else", { resource: "https://evil.test/" }],
  ])("is no open redirector to where a stranger has registered himself: %s", async (_case, change) => {
    // Anybody may register a client. A mistake on purpose would send a browser on unasked (RFC 9700 section
    // 4.11.2), from an address that people trust.
    const rig = await start();
    const { json } = await register(rig);
    const target = authorizeTarget({ client_id: json.client_id, code_challenge: challenge, ...change });
    const reply = await rig.browser().get(target);
    expect(reply.status).toBe(400);
    expect(reply.headers).not.toHaveProperty("location");
    expect(reply.text).toContain("has asked in a wrong way");
    // The host hears of it if the person follows the link.
    expect(reply.text).toMatch(/ https:\/\/host\.test\/callback[?#]error=[a-z_]+&error_description=./);
  });

  it("answers in the query, whatever response mode is asked for: no page with a script", async () => {
    const rig = await start();
    const { json } = await register(rig);
    const params = { client_id: json.client_id, code_challenge: challenge, response_mode: "form_post" };
    const reply = await rig.browser().follow(authorizeTarget(params));
    expect(reply.headers.location).toMatch(`${redirectUri}?code=`);
  });

  it("keeps the code out of Referer fields, and cannot be framed", async () => {
    const rig = await start();
    const { json } = await register(rig);
    const target = authorizeTarget({ client_id: json.client_id, code_challenge: challenge });
    expect((await rig.browser().follow(target)).headers).toMatchObject({
      "referrer-policy": "no-referrer",
      "cache-control": "no-store",
      "content-security-policy": expect.stringContaining("frame-ancestors 'none'") as string,
    });
  });

  it("keeps nothing of a request that is longer than hosts make them", async () => {
    // A thousand of them wait at a time, each with its `state`.
    const rig = await start();
    const { json } = await register(rig);
    const params = { client_id: json.client_id, code_challenge: challenge, state: "s".repeat(8_192) };
    const reply = await rig.browser().get(authorizeTarget(params));
    expect([reply.status, reply.headers["set-cookie"]]).toEqual([414, undefined]);
  });

  it("is limited for each visitor's address", async () => {
    const rig = await start();
    const { json } = await register(rig);
    const target = authorizeTarget({ client_id: json.client_id, code_challenge: challenge });
    const statuses = new Set<number>();
    for (let n = 0; n < 61; n += 1) statuses.add((await rig.ask(target, { address: "203.0.113.9" })).status);
    expect([...statuses]).toEqual([303, 429]);
  });

  it("lets a flood push out its own requests, and nobody else's", async () => {
    // Twenty strangers begin as many flows as they may. Somebody else thinks about his consent meanwhile.
    const rig = await start({ decide: () => "wait" });
    const { json } = await register(rig);
    const target = authorizeTarget({ client_id: json.client_id, code_challenge: challenge });
    const begin = async (browser: Browser, address?: string) =>
      (await browser.get(target, address === undefined ? {} : { address })).headers.location ?? "";
    const browser = rig.browser();
    const page = await begin(browser, "192.0.2.1");
    const flooder = rig.browser();
    const first = await begin(flooder, "203.0.113.0");
    for (let n = 1; n < 1_100; n += 1) await rig.ask(target, { address: `203.0.113.${n % 20}` });
    expect((await browser.get(page)).status).toBe(200);
    expect((await flooder.get(first)).status).toBe(403);
    rig.decide = () => "grant";
    expect((await browser.follow(page)).headers.location).toContain("code=");
  });
});

describe("the token endpoint", () => {
  it("says 401 invalid_client to a client that it does not know", async () => {
    const rig = await start();
    for (const client_id of ["unknown", "https://127.0.0.1/c"]) {
      const reply = await askTokens(rig, { grant_type: "refresh_token", refresh_token: "x", client_id });
      expect(reply).toMatchObject({ status: 401, json: { error: "invalid_client" } });
    }
  });
});
