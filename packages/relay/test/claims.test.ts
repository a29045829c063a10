import { createHash } from "node:crypto";
import { setImmediate as nextTurn } from "node:timers/promises";
import { once } from "node:events";
import { closeCodes, evictedReason } from "mcp-tunnel-protocol";
import { describe, expect, it } from "vitest";
import WebSocket from "ws";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { type AuthenticationResult, type RelayOptions, staticAuthenticator } from "../src/index.js";
import { version } from "../src/version.js";
import { LaterDirectory } from "./directories.js";
import { ScriptedClient, startRelay, V1Client } from "./support.js";

const opened = closingAfterEach();

const tokens = staticAuthenticator([
  { token: "one", subdomains: ["app"] },
  { token: "other", subdomains: ["app"] },
  { token: "many", subdomains: ["app", "dev-*"] },
  { token: "star", subdomains: ["*"] },
]);

async function setUp(options: Partial<RelayOptions> = {}) {
  const relay = opened(await startRelay(options));
  const register = async (message: object, headers?: Record<string, string>) => {
    const client = opened(await ScriptedClient.connect(relay.port, headers));
    client.send({ token: "t", ...message });
    return client;
  };
  /** The answer to a check, and how the link was closed. */
  const check = async (message: object = {}, headers?: Record<string, string>) => {
    const client = await register({ claim: "check", ...message }, headers);
    const answer = await client.next().catch(() => undefined);
    return { checked: answer?.["checked"], ...(await client.closed) };
  };
  const v1 = async (name: string, more: object = {}) =>
    opened(await V1Client.connect(relay.port, name, more));
  return { relay, register, check, v1 };
}

const terms = {
  requiresVisitorAuth: false,
  protocols: [1],
  relay: { version },
  resumeTimeoutMs: 60_000,
  maxResponseBody: 10_485_760,
};
const ended = { code: closeCodes.normal, reason: "checked" };

it("the relay announces that it knows claims and pools", async () => {
  const { relay } = await setUp();
  const ws = new WebSocket(`ws://127.0.0.1:${relay.port}/_tunnel/register`);
  const [[response]] = await Promise.all([once(ws, "upgrade"), once(ws, "open")]);
  expect(response.headers).toMatchObject({ "x-tunnel-features": "claim, pool" });
  ws.terminate();
});

describe("a check", () => {
  it("says which name a registration would get, at which URL, and closes", async () => {
    const { check } = await setUp({ authenticator: tokens, publicUrl: "http://{subdomain}.{domain}:1" });
    expect(await check({ token: "one" })).toEqual({
      checked: { subdomain: "app", url: "http://app.localhost:1", inUse: false, ...terms },
      ...ended,
    });
  });

  it("says the name that an open relay derives from a token", async () => {
    const { check } = await setUp();
    expect((await check({ token: "secret", subdomain: null })).checked).toMatchObject({
      subdomain: "2bb80d537b1d",
    });
  });

  it("says which patterns would be offered, and asks for no pick", async () => {
    const { check } = await setUp({ authenticator: tokens });
    const offered = { checked: { subdomains: ["app", "dev-*"], ...terms }, ...ended };
    expect(await check({ token: "many" })).toEqual(offered);
    expect(await check({ token: "many", subdomain: "nothing" })).toEqual(offered);
    expect((await check({ token: "many", subdomain: "Dev-1" })).checked).toMatchObject({
      subdomain: "dev-1",
    });
  });

  it.each([
    ["a_b", "subdomain 'a_b' is not valid: 1-63 letters, digits, inner hyphens"],
    ["www", "subdomain 'www' is reserved on this relay"],
  ])("says why a good token cannot have the name %s", async (subdomain, reason) => {
    const { check } = await setUp({ authenticator: tokens });
    expect(await check({ token: "star", subdomain })).toEqual({
      checked: { refused: { code: 4001, reason }, ...terms },
      ...ended,
    });
  });

  it("says that the token has all the tunnels that it may have, and counts as none itself", async () => {
    const { check, v1, relay } = await setUp({ maxTunnelsPerToken: 2 });
    for (let i = 0; i < 3; i++)
      expect((await check({ subdomain: "c" })).checked).not.toHaveProperty("refused");
    await v1("a");
    await v1("b");
    expect((await check({ subdomain: "c" })).checked).toEqual({
      subdomain: "c",
      url: `http://c.localhost:${relay.port}`,
      inUse: false,
      refused: { code: 4001, reason: "this token may have 2 tunnels at once" },
      ...terms,
    });
    // A registration for a name of its own takes the place of the tunnel that has the name.
    expect((await check({ subdomain: "b" })).checked).toMatchObject({ inUse: true });
    expect((await check({ subdomain: "b" })).checked).not.toHaveProperty("refused");
    expect(relay.tunnels().map(({ name }) => name)).toEqual(["a", "b"]);
  });

  it("says that the relay wants a gate, and does not want one of a check", async () => {
    const { check } = await setUp({ requireVisitorAuth: true });
    expect((await check({ subdomain: "app" })).checked).toMatchObject({
      subdomain: "app",
      requiresVisitorAuth: true,
    });
  });

  it("says that a name is in use, also while it is kept, and not by whom", async () => {
    const { check, v1, relay } = await setUp({ authenticator: tokens });
    const holder = await v1("app", { token: "one" });
    const inUse = {
      checked: { subdomain: "app", url: `http://app.localhost:${relay.port}`, inUse: true, ...terms },
    };
    expect(await check({ token: "one" })).toMatchObject(inUse);
    expect((await check({ token: "one" })).checked).toEqual((await check({ token: "other" })).checked);
    holder.cut();
    await relay.logged("tunnel away");
    expect(await check({ token: "other" })).toMatchObject(inUse);
    await holder.resume();
    holder.session.goaway();
    await relay.logged("tunnel leaving");
    expect((await check({ token: "one" })).checked).toMatchObject({ inUse: false });
  });

  it("resumes nothing, and takes nothing from the session that it names", async () => {
    const { check, v1, relay } = await setUp();
    const holder = await v1("app", { instance: "the holder's instance" });
    const fields = { ...holder.resumeFields, instance: "the holder's instance", protocol: [1] };
    const { checked } = await check({ subdomain: "app", returning: true, ...fields });
    expect(checked).toMatchObject({ inUse: true });
    expect(holder.detached).toEqual([]);
    expect(relay.tunnels()).toMatchObject([{ name: "app", state: "online" }]);
  });

  it("with a wrong token is refused as a registration is", async () => {
    const { check } = await setUp({ authenticator: tokens });
    expect(await check({ token: "two", subdomain: "app" })).toEqual({
      checked: undefined,
      code: 4001,
      reason: "invalid token",
    });
  });

  it("is told to come back if nobody could judge its token", async () => {
    const result: AuthenticationResult = { refused: "auth provider unavailable", undecided: true };
    const { check } = await setUp({ authenticator: { mode: "test", authenticate: async () => result } });
    expect(await check()).toEqual({
      checked: undefined,
      code: 1013,
      reason: "auth provider unavailable",
    });
  });

  it("is told to come back by a relay that shuts down meanwhile", async () => {
    let asked!: () => void;
    const wasAsked = new Promise<void>((resolve) => {
      asked = resolve;
    });
    const authenticate = (): Promise<AuthenticationResult> => {
      asked();
      return new Promise(() => {});
    };
    const { relay, register } = await setUp({ authenticator: { mode: "test", authenticate } });
    const client = await register({ claim: "check" });
    await wasAsked;
    const closing = relay.close();
    expect(await client.closed).toEqual({ code: 1013, reason: "the relay is shutting down" });
    await closing;
  });

  it("waits for a directory that answers later, and no longer than a registration", async () => {
    const directory = new LaterDirectory();
    const { check, v1 } = await setUp({ directory, registrationTimeoutMs: 200 });
    await v1("app");
    expect((await check({ subdomain: "app" })).checked).toMatchObject({ inUse: true });
    expect((await check({ subdomain: "free" })).checked).toMatchObject({ inUse: false });
    directory.before = (asked) => (asked === "find" ? new Promise(() => {}) : nextTurn());
    expect(await check({ subdomain: "app" })).toEqual({
      checked: undefined,
      code: 1013,
      reason: "the relay cannot tell who has the name",
    });
  });
});

describe("a claim of a free name", () => {
  const ifFree = { claim: "if_free", protocol: [1], instance: "an instance that has no tunnel" };

  it("gets the name as any other registration", async () => {
    const { v1 } = await setUp();
    const client = await v1("app", ifFree);
    expect(client.acknowledge).toMatchObject({ subdomain: "app", session: { id: expect.any(String) } });
  });

  it("is refused for good while another client has the name, and evicts nobody", async () => {
    const { v1, register, relay } = await setUp({ authenticator: tokens });
    const holder = await v1("app", { token: "one", instance: "the holder's instance" });
    const taken = { code: 4003, reason: "subdomain 'app' is in use" };
    for (const token of ["one", "other"]) {
      const client = await register({ token, subdomain: "app", ...ifFree });
      expect(await client.closed).toEqual(taken);
    }
    expect(holder.detached).toEqual([]);
    expect(relay.tunnels()).toMatchObject([{ name: "app", state: "online" }]);
  });

  it("is refused while the name is kept for its client, and gets it once the client has left", async () => {
    const { v1, register, relay } = await setUp();
    const holder = await v1("app", { instance: "the holder's instance" });
    holder.cut();
    await relay.logged("tunnel away");
    const early = await register({ subdomain: "app", ...ifFree });
    expect(await early.closed).toMatchObject({ code: 4003 });
    await holder.resume();
    holder.session.goaway();
    await relay.logged("tunnel leaving");
    expect((await v1("app", ifFree)).acknowledge).toMatchObject({ subdomain: "app" });
  });

  it("speaks JSON as well", async () => {
    const { relay, v1, register } = await setUp();
    const original = await register({ subdomain: "app", claim: "if_free" });
    expect(await original.next()).toEqual({ subdomain: "app", url: `http://app.localhost:${relay.port}` });
    const second = await register({ subdomain: "app", claim: "if_free" });
    expect(await second.closed).toMatchObject({ code: 4003 });
    await expect(v1("app", ifFree)).rejects.toMatchObject({ code: 4003 });
  });

  it("takes the place of its own session, whose acknowledgement it may have missed", async () => {
    const { v1, register, relay } = await setUp();
    const first = await register({ subdomain: "app", ...ifFree });
    await first.next();
    await v1("app", ifFree);
    expect(await first.closed).toMatchObject({ code: 1001 });
    expect(relay.tunnels()).toMatchObject([{ name: "app", state: "online" }]);
  });

  it("is for the name that is picked from an offer", async () => {
    const { v1, register } = await setUp({ authenticator: tokens });
    await v1("dev-1", { token: "star" });
    const pick = async (subdomain: string) => {
      const client = await register({ token: "many", ...ifFree });
      expect(await client.next()).toEqual({ subdomains: ["app", "dev-*"] });
      client.send({ subdomain });
      return client;
    };
    expect(await (await pick("dev-1")).closed).toEqual({
      code: 4003,
      reason: "subdomain 'dev-1' is in use",
    });
    expect(await (await pick("dev-2")).next()).toMatchObject({ subdomain: "dev-2" });
  });

  it("means nothing for a client that returns: it has lost the name, or resumes", async () => {
    const { v1, register, relay } = await setUp();
    const first = await v1("app", ifFree);
    first.cut();
    await relay.logged("tunnel away");
    await first.resume();
    const again = await register({ subdomain: "app", ...ifFree, ...first.resumeFields });
    expect(await again.next()).toHaveProperty("resumed");
    const other = { ...ifFree, instance: "another instance", returning: true };
    const returning = await register({ subdomain: "app", ...other });
    expect(await returning.closed).toEqual({ code: 4002, reason: evictedReason });
  });

  it("of two at once gets it for one, with a directory that answers later, too", async () => {
    const { register } = await setUp({ directory: new LaterDirectory() });
    const clients = await Promise.all(
      ["first", "second"].map((who) =>
        register({ subdomain: "app", ...ifFree, instance: `the instance of the ${who}` }),
      ),
    );
    const outcomes = await Promise.all(
      clients.map((client) => client.next().catch(async () => (await client.closed).code)),
    );
    expect(outcomes).toContain(4003);
    expect(outcomes).toContainEqual(expect.objectContaining({ subdomain: "app" }));
  });
});

it.each(["ask", "", null, 1])("a claim of another kind gets nothing and evicts nobody: %j", async (claim) => {
  const { v1, register, relay } = await setUp();
  const holder = await v1("app");
  const client = await register({ subdomain: "app", protocol: [1], claim });
  expect(await client.closed).toEqual({
    code: 4001,
    reason: "this relay knows the claims check, if_free and take",
  });
  expect(holder.detached).toEqual([]);
  expect(relay.tunnels()).toHaveLength(1);
});

describe("the package of the client that a relay serves", () => {
  const file = Buffer.from("an archive");
  const hash = createHash("sha256").update(file).digest("hex");
  const clientPackage = { version: "1.2.3", path: `/client-1.2.3-${hash.slice(0, 12)}.tgz` };
  const handingOut = { clientPackage: { version: "1.2.3", file } };
  const asking = { subdomain: "app", protocol: [1], clientPackage: true };
  const atDomain = { host: "LOCALHOST.:443" };

  it("is told to a client that asks: when it registers, when it resumes, and when it checks", async () => {
    const { register, check } = await setUp(handingOut);
    const client = await register(asking, atDomain);
    const { session, ...acknowledgement } = await client.next();
    expect(acknowledgement["clientPackage"]).toEqual(clientPackage);
    const { id, secret } = session as { id: string; secret: string };
    const resume = { session: id, secret, received: 0 };
    const again = await register({ ...asking, resume }, atDomain);
    expect(await again.next()).toMatchObject({ resumed: { received: 0 }, clientPackage });
    expect((await check(asking, atDomain)).checked).toMatchObject({ clientPackage });
  });

  it("is told to nobody who does not ask, and no package is told of if there is none", async () => {
    const { register, check } = await setUp(handingOut);
    const client = await register({ subdomain: "app", protocol: [1] }, atDomain);
    expect(await client.next()).not.toHaveProperty("clientPackage");
    expect((await check({ subdomain: "app" }, atDomain)).checked).not.toHaveProperty("clientPackage");
    const bare = await setUp();
    expect((await bare.check(asking, atDomain)).checked).not.toHaveProperty("clientPackage");
  });

  // Below the name of a tunnel the path is the tunnel's, whose owner may serve any file there.
  it.each(["app.localhost", "example.com", "127.0.0.1"])("is not told at the host %s", async (host) => {
    const { register, check } = await setUp(handingOut);
    const client = await register(asking, { host });
    expect(await client.next()).not.toHaveProperty("clientPackage");
    expect((await check(asking, { host })).checked).not.toHaveProperty("clientPackage");
  });
});
