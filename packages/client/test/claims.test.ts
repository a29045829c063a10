import { evictedReason } from "mcp-tunnel-protocol";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { expectNoLeaks } from "../../../test/support/leaks.js";
import { TunnelClient } from "../src/client.js";
import { checkRegistration } from "../src/connect/check.js";
import type { ClientEvents } from "../src/events.js";
import type { TunnelClientOptions } from "../src/options.js";
import { relayClient } from "../src/relay-client.js";
import { version } from "../src/version.js";
import { TestRelay } from "./test-relay.js";

const closing = closingAfterEach();
let relay: TestRelay;

beforeEach(async () => {
  relay = closing(await new TestRelay().listen());
  relay.features = "claim";
});

function newClient(options: Partial<TunnelClientOptions> = {}): TunnelClient {
  const relayUrl = relay.url;
  const own = { fetch: () => new Response(), token: "t", subdomain: "app", shutdownGraceMs: 0 };
  return closing(new TunnelClient({ relayUrl, ...own, ...options }));
}

const clientPackage = { version: "9.9.9", path: "/client-9.9.9-0123456789ab.tgz" };

/** Announcements that do not say that the relay knows claims. */
const others = [undefined, "", "claims", "claim-2", "Claim", "claim;q=1", "later, other"];
const unsupported = {
  code: "unsupported",
  message: expect.stringMatching(/^the relay at http:\/\/127\.0\.0\.1:\d+ cannot .* It was asked nothing/),
};

describe("a client that takes only a free name", () => {
  it("says so when it registers for the first time, and comes back like any other", async () => {
    const client = newClient({ claim: "if_free" });
    await client.start();
    // The relay that the client comes back to may be older.
    relay.features = undefined;
    relay.cut();
    await relay.until(() => relay.registrations.length === 2);
    expect(relay.registrations.map(({ claim, returning }) => ({ claim, returning }))).toEqual([
      { claim: "if_free", returning: undefined },
      { claim: undefined, returning: true },
    ]);
    await relay.until(() => relay.resumptions === 1);
  });

  it.each(others)("tells a relay nothing that announces %j, and does not try again", async (features) => {
    relay.features = features;
    const client = newClient({ claim: "if_free", waitForRelay: true });
    await expect(client.start()).rejects.toMatchObject(unsupported);
    expect(client.state).toBe("closed");
    expect(relay.registrations).toEqual([]);
    await relay.until(() => relay.openConnections === 0);
  });

  it.each(["later, claim", "claim , later", ",claim,,"])("finds the word in %j", async (features) => {
    relay.features = features;
    await newClient({ claim: "if_free" }).start();
    expect(relay.registrations).toMatchObject([{ claim: "if_free" }]);
  });

  it("ends when the name is taken, with a code of its own and without an eviction", async () => {
    relay.answer = () => ({ close: 4003, reason: "subdomain 'app' is in use" });
    const client = newClient({ claim: "if_free", waitForRelay: true });
    const events: (keyof ClientEvents)[] = [];
    for (const name of ["evicted", "reconnecting", "closed"] as const)
      client.on(name, () => events.push(name));
    await expect(client.start()).rejects.toMatchObject({
      code: "taken",
      message: expect.stringMatching(
        /^subdomain 'app' is in use: another client has it, or the relay keeps it/,
      ),
    });
    expect(events).toEqual(["closed"]);
    expect(relay.registrations).toHaveLength(1);
  });

  it("is evicted like any other once it had the name", async () => {
    const client = newClient({ claim: "if_free" });
    await client.start();
    const evicted = new Promise((resolve) => client.on("evicted", resolve));
    relay.session?.close(4002, evictedReason);
    expect(await evicted).toEqual({ reason: evictedReason });
  });

  it("asks again for a free name as long as it has never had one", async () => {
    const answers = [{ close: 1013 }, { accept: "app" }] as const;
    relay.answer = () => answers[relay.registrations.length - 1] ?? "silence";
    await newClient({ claim: "if_free", waitForRelay: true }).start();
    expect(relay.registrations).toMatchObject([{ claim: "if_free" }, { claim: "if_free" }]);
  });

  it("says nothing of a claim by default, and needs no announcement", async () => {
    relay.features = undefined;
    for (const claim of [undefined, "take"] as const) {
      await newClient(claim === undefined ? {} : { claim }).start();
    }
    expect(relay.registrations.map((message) => "claim" in message)).toEqual([false, false]);
  });

  it.each(["check", "if-free", true, null])("knows no other claim: %j", (claim) => {
    expect(() => newClient({ claim: claim as never })).toThrow(
      expect.objectContaining({
        code: "invalid_option",
        options: ["claim"],
        message: expect.stringContaining("it must be one of: take, if_free"),
      }),
    );
  });
});

const terms = {
  requiresVisitorAuth: true,
  protocols: [1, 2],
  relay: { version: "7.0.0" },
  resumeTimeoutMs: 60_000,
  maxResponseBody: 10,
};

describe("a check", () => {
  const ask = (options: object = {}) => checkRegistration({ relayUrl: relay.url, token: "t", ...options });
  const answer = (checked: object): void => {
    relay.answer = () => ({ say: JSON.stringify({ checked }) });
  };

  it("says what the relay said, and leaves nothing open", async () => {
    const url = "https://app.relay.test";
    answer({ ...terms, subdomain: "app", url, inUse: true, refused: { code: 4001, reason: "too many" } });
    await expectNoLeaks(async () => {
      expect(await ask({ subdomain: "app" })).toEqual({
        subdomain: "app",
        url,
        inUse: true,
        patterns: undefined,
        refused: { reason: "too many", isFinal: true },
        requiresVisitorAuth: true,
        relayVersion: "7.0.0",
        protocols: [1, 2],
        resumeTimeoutMs: 60_000,
        maxResponseBody: 10,
        relayClient: undefined,
      });
      await relay.until(() => relay.openConnections === 0);
    });
    expect(relay.registrations).toEqual([
      {
        token: "t",
        subdomain: "app",
        protocol: [1],
        client: { name: "mcp-tunnel-client", version },
        claim: "check",
      },
    ]);
  });

  it("says which patterns the relay would offer, and what may pass by itself", async () => {
    answer({ ...terms, subdomains: ["a", "b-*"], refused: { code: 1013, reason: "full" } });
    expect(await ask()).toMatchObject({
      subdomain: undefined,
      inUse: undefined,
      patterns: ["a", "b-*"],
      refused: { reason: "full", isFinal: false },
    });
    expect(relay.registrations).toMatchObject([{ subdomain: null }]);
  });

  it.each(others)("asks a relay nothing that announces %j", async (features) => {
    relay.features = features;
    await expect(ask()).rejects.toMatchObject(unsupported);
    expect(relay.registrations).toEqual([]);
    await relay.until(() => relay.openConnections === 0);
  });

  it.each<[number, string, object]>([
    [4001, "invalid token", { code: "refused", message: expect.stringContaining("invalid token") }],
    [
      1013,
      "auth provider unavailable",
      { code: "unreachable", message: expect.stringContaining("provider") },
    ],
    [1000, "checked", { code: "unreachable" }],
  ])("fails if the relay closes with %i (%s)", async (close, reason, error) => {
    relay.answer = () => ({ close, reason });
    await expect(ask()).rejects.toMatchObject(error);
  });

  it.each<[string, string]>([
    ["nothing of use", "{}"],
    ["an acknowledgement", JSON.stringify({ subdomain: "app", url: "https://app.relay.test" })],
    ["an offer", JSON.stringify({ subdomains: ["app"] })],
    ["half an answer", JSON.stringify({ checked: { subdomain: "app" } })],
    ["a text without end", `{"checked":"${"x".repeat(600_000)}"}`],
  ])("waits no longer than it may for a relay that answers %s", async (_, say) => {
    relay.answer = () => ({ say });
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    try {
      const asked = ask({ timeoutMs: 10_000 });
      asked.catch(() => {});
      await relay.until(() => relay.registrations.length === 1);
      vi.advanceTimersByTime(10_000);
      await expect(asked).rejects.toMatchObject({ code: "timeout" });
    } finally {
      vi.useRealTimers();
    }
    await relay.until(() => relay.openConnections === 0);
  });

  it.each(["javascript:alert(1)", "app.relay.test", "", "https://app.test ; x", "https://app.test\n"])(
    "takes no URL that is none: %j",
    async (url) => {
      answer({ ...terms, subdomain: "app", url, inUse: false });
      await expect(ask()).rejects.toMatchObject({ code: "protocol_error" });
    },
  );

  it("can be given up, before and while it waits", async () => {
    relay.answer = () => "silence";
    await expect(ask({ signal: AbortSignal.abort("enough") })).rejects.toMatchObject({
      name: "AbortError",
      code: "ABORT_ERR",
      cause: "enough",
    });
    const giveUp = new AbortController();
    const asked = ask({ signal: giveUp.signal });
    await relay.until(() => relay.registrations.length === 1);
    giveUp.abort();
    await expect(asked).rejects.toMatchObject({ name: "AbortError", code: "ABORT_ERR" });
    await relay.until(() => relay.openConnections === 0);
  });

  it.each<[object, string]>([
    [{ relayUrl: "ftp://relay.test" }, "relayUrl"],
    [{ token: "" }, "token"],
    [{ subdomain: "a.b" }, "subdomain"],
    [{ timeoutMs: 0 }, "timeoutMs"],
    [{ signal: true }, "signal"],
    [{ name: "app" }, "name"],
    [{ proxyUrl: "socks://proxy" }, "proxyUrl"],
  ])("refuses what it cannot use: %j", async (options, option) => {
    await expect(ask(options)).rejects.toMatchObject({ code: "invalid_option", options: [option] });
  });
});

describe("the package of the client that a relay serves", () => {
  it("is behind the URL of the relay that the client uses", () => {
    const at = (url: string) => relayClient(`${url}/_tunnel/register`, clientPackage);
    expect(at("wss://tunnel.test")).toEqual({
      version: "9.9.9",
      url: "https://tunnel.test/client-9.9.9-0123456789ab.tgz",
    });
    expect(at("wss://tunnel.test:8443/below/it")?.url).toBe(
      "https://tunnel.test:8443/below/it/client-9.9.9-0123456789ab.tgz",
    );
    expect(relayClient("wss://tunnel.test/_tunnel/register", undefined)).toBeUndefined();
  });

  // Anybody on the way could name a package of his own, and serve it.
  it("is not asked for over a plain connection, and not believed from a relay that tells of it", async () => {
    relay.clientPackage = clientPackage;
    const client = newClient();
    const connected = new Promise<ClientEvents["connected"][0]>((resolve) => client.on("connected", resolve));
    await client.start();
    expect(await connected).toMatchObject({ subdomain: "app", relayClient: undefined });
    relay.answer = () => ({ say: JSON.stringify({ checked: { ...terms, clientPackage } }) });
    expect(await checkRegistration({ relayUrl: relay.url })).toMatchObject({ relayClient: undefined });
    expect(relay.registrations.map((message) => "clientPackage" in message)).toEqual([false, false]);
  });
});
