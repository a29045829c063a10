import { evictedReason } from "mcp-tunnel-protocol";
import { describe, expect, it } from "vitest";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { LogWatch } from "../../../test/support/log-watch.js";
import type { Authenticator, LimitEvent, RelayOptions, TunnelEvent } from "../src/index.js";
import { RawVisitor, ScriptedClient, startRelay } from "./support.js";

// What observers hear of tunnels and of limits. Clients come from addresses that a trusted proxy names.

const opened = closingAfterEach();

/** What was heard, in its order: a test takes one after the other. */
class Heard<T> {
  readonly #waiting: T[] = [];
  #wake: (() => void) | undefined;

  readonly take = (event: T): void => {
    this.#waiting.push(event);
    this.#wake?.();
  };

  async next(): Promise<T> {
    for (;;) {
      const event = this.#waiting.shift();
      if (event !== undefined) return event;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

/** Each token may have each name, until it is revoked; `bad` may have none. */
class Tokens implements Authenticator {
  readonly mode = "test";
  maxTunnels: number | undefined;
  #revoked: string | undefined;
  readonly #watchers = new Set<() => void>();

  async authenticate({ token }: { token: string }) {
    if (token === "bad") return { refused: "invalid token" };
    const { maxTunnels } = this;
    const grant = {
      id: `id-of-${token}`,
      maxTunnels,
      refusal: () => (this.#revoked === token ? "token revoked" : undefined),
      watch: (changed: () => void) => {
        this.#watchers.add(changed);
        return () => this.#watchers.delete(changed);
      },
    };
    return { allowed: ["*"], grant };
  }

  revoke(token: string): void {
    this.#revoked = token;
    for (const changed of [...this.#watchers]) changed();
  }
}

async function setUp(options: Partial<RelayOptions> = {}) {
  const events = new Heard<TunnelEvent>();
  const limits = new Heard<LimitEvent>();
  const tokens = new Tokens();
  const relay = opened(
    await startRelay({
      authenticator: tokens,
      trustedProxies: ["127.0.0.1"],
      observers: [{ onEnd() {}, onTunnelEvent: events.take, onLimit: limits.take }],
      ...options,
    }),
  );
  const connect = async (address: string, message: object): Promise<ScriptedClient> => {
    const client = opened(await ScriptedClient.connect(relay.port, { "x-forwarded-for": address }));
    client.send(message);
    return client;
  };
  return { relay, events, limits, tokens, connect };
}

const one = { token: "one", subdomain: "App" };
const ofOne = { name: "app", token: "id-of-one", address: "192.0.2.1", reason: undefined, by: undefined };

describe("observers hear of a tunnel", () => {
  it("that is registered, goes away, and comes back from another address", async () => {
    const { relay, events, connect } = await setUp();
    const client = await connect("192.0.2.1", { ...one, protocol: [1] });
    const { session } = (await client.next()) as { session: { id: string; secret: string } };
    expect(await events.next()).toEqual({ type: "registered", ...ofOne });

    client.close();
    const away = await events.next();
    expect(away).toEqual({ type: "away", ...ofOne, reason: expect.stringMatching(/./) });

    const resume = { session: session.id, secret: session.secret, received: 0 };
    await (await connect("192.0.2.9", { token: "one", protocol: [1], resume })).next();
    expect(await events.next()).toEqual({ type: "resumed", ...ofOne, address: "192.0.2.9" });
    expect(relay.tunnels()).toMatchObject([{ name: "app", address: "192.0.2.9" }]);

    relay.relay.disconnect("app");
    const reason = "disconnected by the operator";
    expect(await events.next()).toEqual({ type: "closed", ...ofOne, address: "192.0.2.9", reason });
  });

  it("whose name another client takes", async () => {
    const { events, connect } = await setUp();
    await (await connect("192.0.2.1", one)).next();
    await events.next();
    await (await connect("192.0.2.2", { token: "two", subdomain: "app" })).next();
    const evicted = await events.next();
    expect(evicted).toMatchObject({ type: "evicted", ...ofOne, by: "192.0.2.2", reason: evictedReason });
    expect(await events.next()).toMatchObject({ type: "closed", name: "app", token: "id-of-one" });
    const ofTwo = { name: "app", token: "id-of-two", address: "192.0.2.2" };
    expect(await events.next()).toMatchObject({ type: "registered", ...ofTwo });
  });

  it("whose token is revoked", async () => {
    const { events, tokens, connect } = await setUp();
    await (await connect("192.0.2.1", one)).next();
    await events.next();
    tokens.revoke("one");
    expect(await events.next()).toEqual({ type: "revoked", ...ofOne, reason: "token revoked" });
    const reason = expect.stringContaining("token revoked") as string;
    expect(await events.next()).toEqual({ type: "closed", ...ofOne, reason });
  });

  it("whose client does not come back in time", async () => {
    const { events, connect } = await setUp({ resumeTimeoutMs: 1 });
    const client = await connect("192.0.2.1", { ...one, protocol: [1] });
    await client.next();
    await events.next();
    client.close();
    expect(await events.next()).toMatchObject({ type: "away" });
    const reason = "the client did not come back in time";
    expect(await events.next()).toEqual({ type: "lost", ...ofOne, reason });
    expect(await events.next()).toEqual({ type: "closed", ...ofOne, reason });
  });
});

describe("observers hear of a client that was refused", () => {
  it.each<[string, object, object]>([
    [
      "its token, which is not known to be anybody's",
      { token: "bad", subdomain: "App" },
      { name: "app", token: undefined, reason: "invalid token" },
    ],
    [
      "a reserved name",
      { token: "one", subdomain: "www" },
      { name: "www", token: "id-of-one", reason: /reserved/ },
    ],
    [
      "what is no name, and may hold anything",
      { token: "one", subdomain: "a\u001bb" },
      { name: undefined, token: "id-of-one", reason: /not valid/ },
    ],
    ["what is no registration", {}, { name: undefined, token: undefined, reason: /./ }],
  ])("%s", async (_what, message, expected) => {
    const { events, connect } = await setUp();
    await connect("192.0.2.1", message);
    const { reason, ...event } = await events.next();
    const { reason: words, ...fields } = expected as { reason: string | RegExp };
    expect(event).toEqual({ type: "refused", address: "192.0.2.1", by: undefined, ...fields });
    expect(reason).toMatch(words);
  });
});

it("the log names the tunnel and the token of a registration that is refused", async () => {
  const log = new LogWatch();
  const { connect } = await setUp({ logger: log.logger });
  await connect("192.0.2.1", { token: "one", subdomain: "www" });
  expect(await log.waitForJson({ msg: "registration refused" })).toMatchObject({
    name: "www",
    token: "id-of-one",
    address: "192.0.2.1",
  });
});

describe("observers hear for whom a limit took effect", () => {
  it("a client, with its name and its token", async () => {
    const { events, limits, tokens, connect } = await setUp();
    tokens.maxTunnels = 1;
    await (await connect("192.0.2.1", one)).next();
    await events.next();
    await connect("192.0.2.3", { token: "one", subdomain: "other" });
    const limit = { limit: "tunnels_per_token", name: "other", token: "id-of-one", address: "192.0.2.3" };
    expect(await limits.next()).toEqual(limit);
  });

  it("a visitor, with the name of the tunnel", async () => {
    const { relay, limits } = await setUp({ maxRequestBodyBytes: 4 });
    const visitor = opened(new RawVisitor(relay.port));
    visitor.request("POST / HTTP/1.1\nX-Forwarded-For: 192.0.2.4\nContent-Length: 5", "hello");
    const limit = { limit: "request_body", name: "app", token: undefined, address: "192.0.2.4" };
    expect(await limits.next()).toEqual(limit);
  });

  it("a visitor whose connection lies idle", async () => {
    const { relay, limits } = await setUp({ idleTimeoutMs: 1 });
    const visitor = opened(new RawVisitor(relay.port));
    visitor.request("GET / HTTP/1.1");
    const limit = { limit: "idle_time", name: undefined, token: undefined, address: "127.0.0.1" };
    expect(await limits.next()).toEqual(limit);
  });
});
