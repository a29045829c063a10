import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import {
  type GatedTunnel,
  type GatedWorld,
  passcode,
  startGatedWorld,
  streamPath,
} from "./support/gated-world.js";
import {
  askTokens,
  beginToConnect,
  Browser,
  connect,
  consent,
  formToken,
  nextOf,
  redemption,
} from "./support/oauth-visit.js";

/**
 * The attack: two tunnels of one relay are the same site to a browser, and strangers own the other one. They
 * try what they got at their own gate at this one, send forms and links to its pages, and guess its passcode
 * from behind whatever address they name.
 *
 * The defence: each gate is an issuer of its own, at its tunnel's origin. Its cookies belong to one host, its
 * forms prove the page that they come from, and tries count by the address that the relay tells.
 */
let world: GatedWorld;
let app: GatedTunnel;
let other: GatedTunnel;
beforeAll(async () => {
  world = await startGatedWorld();
  app = world.tunnel;
  other = await world.publish("other");
});
afterAll(() => world.close());

const bearing = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });

describe("a grant", () => {
  it("lets a host in at its tunnel, and says to the service whose it is", async () => {
    const { tokens, clientId } = await connect(app);
    const { status, text } = await app.ask("/mcp", bearing(tokens.access_token));
    expect(status).toBe(200);
    const fields = JSON.parse(text) as string[];
    expect(fields).toEqual(expect.arrayContaining(["X-Tunnel-User", "owner", "X-Tunnel-Client", clientId]));
    expect(app.canary.heard).not.toContain(tokens.access_token);
    expect(app.canary.lines).toEqual(["GET /mcp"]);
  });

  it("is worth nothing at another path than it was given for, or one that reads like it", async () => {
    const { tokens } = await connect(app);
    for (const path of [
      "/",
      "/mcp2",
      "/mcp/../admin",
      "/mcp/%2e%2e/admin",
      "/mcp%2f..%2fadmin",
      "/mcp//x",
      "//mcp",
    ]) {
      expect([path, (await app.ask(path, bearing(tokens.access_token))).status]).toEqual([path, 401]);
    }
    expect((await app.ask("/mcp/x?y=/../z", bearing(tokens.access_token))).status).toBe(200);
  });

  it("is worth nothing at another tunnel: tokens, codes and clients are a gate's own", async () => {
    const { tokens, clientId } = await connect(app);
    expect((await other.ask("/mcp", bearing(tokens.access_token))).status).toBe(401);
    const refreshing = {
      grant_type: "refresh_token",
      refresh_token: tokens.refresh_token,
      client_id: clientId,
    };
    expect((await askTokens(other, refreshing)).status).toBe(401);
    // A host is led to take the code of one gate to another (mix-up). The answer says whose it is (RFC 9207).
    const asking = await beginToConnect(app);
    const answer = await consent(asking);
    expect(answer.searchParams.get("iss")).toBe(app.origin);
    expect((await askTokens(other, redemption(asking, answer))).status).toBe(401);
    expect(other.canary.heard).toBe("");
    // It is still good where it belongs.
    expect((await askTokens(app, redemption(asking, answer))).status).toBe(200);
  });

  it("is over when its code comes twice: somebody has read it on the way", async () => {
    const { tokens, answer, ...asking } = await connect(app);
    // What is open ends, too. Otherwise a thief who listens would hear on.
    const listening = expect(app.ask(streamPath, bearing(tokens.access_token))).rejects.toThrow("aborted");
    await vi.waitUntil(() => app.canary.lines.includes(`GET ${streamPath}`));
    expect((await askTokens(app, redemption(asking, answer))).status).toBe(400);
    await listening;
    expect((await app.ask("/mcp", bearing(tokens.access_token))).status).toBe(401);
  });
});

describe("the pages", () => {
  it("are of this tunnel, whatever a visitor names as his host", async () => {
    const headers = {
      "x-forwarded-host": "other.tunnel.test",
      forwarded: "host=evil.test",
      "x-forwarded-proto": "http",
    };
    const { status, text } = await app.ask("/.well-known/oauth-authorization-server", { headers });
    expect(status).toBe(200);
    expect(JSON.parse(text)).toMatchObject({ issuer: app.origin });
    expect(text).not.toMatch(/evil|other\.tunnel/);
  });

  it("cannot be framed, cached or scripted, as the relay hands them on", async () => {
    const { page } = await beginToConnect(app);
    expect(page.status).toBe(200);
    expect(page.headers).toMatchObject({
      "x-frame-options": "DENY",
      "cache-control": "no-store",
      "referrer-policy": "no-referrer",
      "x-content-type-options": "nosniff",
    });
    const policy = page.headers["content-security-policy"];
    for (const rule of ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"]) {
      expect(policy).toContain(rule);
    }
    expect(page.text).not.toMatch(/<script|javascript:| on[a-z]+=/i);
  });

  it("set cookies that no other tunnel can set or read", async () => {
    const { browser } = await beginToConnect(app);
    expect([...browser.cookies.keys()].every((name) => name.startsWith("__Host-mcp-tunnel~"))).toBe(true);
  });

  it("take no form of another tunnel's page, whose browser sends the cookies along", async () => {
    const { browser, path, page } = await beginToConnect(app);
    for (const headers of [
      { "sec-fetch-site": "same-site", origin: other.origin },
      { "sec-fetch-site": "cross-site", origin: "https://evil.test" },
      { "sec-fetch-site": "same-site", origin: "null" },
      { "sec-fetch-site": "same-origin", origin: other.origin },
    ]) {
      expect((await browser.type(path, page, passcode, { headers })).status).toBe(403);
    }
    const neighbours = formToken((await beginToConnect(other)).page);
    const forged = { ...page, text: `name="token" value="${neighbours}"` };
    expect((await browser.type(path, forged, passcode)).status).toBe(403);
    expect(app.events.at(-1)).not.toMatchObject({ type: "granted" });
  });

  it("give a browser nothing of a flow that a stranger has begun, nor a stranger of another's", async () => {
    const { browser, path, page } = await beginToConnect(app);
    const stranger = new Browser(app);
    expect((await stranger.open(path)).status).toBe(404);
    expect((await stranger.type(path, page, passcode)).status).toBe(404);
    expect((await browser.type(path, page, passcode)).status).toBe(200);
    // The stranger looks at once whether somebody has approved.
    for (const target of [path, path.replace("consent", "authorize"), `${path}/waiting`]) {
      expect(nextOf(await stranger.open(target))).toBe("");
    }
  });

  it("lead to the same answer again until the host has it, and not to a second grant", async () => {
    // The person presses "Go on" once more, or reloads. A code that comes twice would end the grant.
    const revokedBefore = app.events.filter(({ type }) => type === "revoked").length;
    const asking = await beginToConnect(app);
    const answer = await consent(asking);
    const again = await asking.browser.open(nextOf(await asking.browser.open(asking.path)));
    expect(nextOf(again)).toBe(answer.href);
    expect((await askTokens(app, redemption(asking, answer))).status).toBe(200);
    expect((await asking.browser.open(asking.path)).status).toBe(404);
    expect(app.events.filter(({ type }) => type === "revoked")).toHaveLength(revokedBefore);
  });

  it("send nobody on before he has pressed a button", async () => {
    const { clientId } = await beginToConnect(app);
    const wrong = { client_id: clientId, redirect_uri: "https://host.test/callback", response_type: "code" };
    const { status, headers } = await app.ask(`/.mcp-tunnel/authorize?${new URLSearchParams(wrong)}`);
    expect([status, headers.location, headers["refresh"]]).toEqual([400, undefined, undefined]);
  });
});

describe("a stranger who guesses the passcode", () => {
  it("has five tries a minute, whatever address he names, and keeps nobody else out", async () => {
    const guesser = await beginToConnect(app);
    const from = "127.0.0.7";
    const statuses: number[] = [];
    for (let count = 0; count < 7; count += 1) {
      const lie = `192.0.2.${count}`;
      const headers = {
        "x-forwarded-for": lie,
        "x-tunnel-visitor": lie,
        "x-real-ip": lie,
        forwarded: `for=${lie}`,
      };
      const guess = count === 6 ? passcode : `lusab-babad-gutih-tugad-mubi${count}`;
      statuses.push(
        (await guesser.browser.type(guesser.path, guesser.page, guess, { from, headers })).status,
      );
    }
    expect(statuses).toEqual([403, 403, 403, 403, 403, 429, 429]);
    // With a new flow, he is the same visitor.
    const again = await beginToConnect(app);
    expect((await again.browser.type(again.path, again.page, passcode, { from })).status).toBe(429);
    // The owner is another.
    const owner = await beginToConnect(app);
    expect((await owner.browser.type(owner.path, owner.page, passcode, { from: "127.0.0.8" })).status).toBe(
      200,
    );
  });
});
