import { once } from "node:events";
import { setImmediate as nextTurn } from "node:timers/promises";
import { closeCodes, evictedReason } from "mcp-tunnel-protocol";
import { linkedPair } from "mcp-tunnel-protocol/testing";
import { describe, expect, it, vi } from "vitest";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { AddressKeys } from "../src/admission/addresses.js";
import { Admission } from "../src/admission/admission.js";
import {
  createRelay,
  type Directory,
  type LimitEvent,
  MemoryDirectory,
  openAuthenticator,
  type RelayOptions,
} from "../src/index.js";
import { resolveOptions } from "../src/options.js";
import { Registrar } from "../src/registration/registrar.js";
import { LimitReporter } from "../src/telemetry/limit-reporter.js";
import { silentLogger } from "../src/telemetry/log.js";
import { Observers } from "../src/telemetry/observers.js";
import { Tunnels } from "../src/tunnels/tunnels.js";
import { type Asked, LaterDirectory } from "./directories.js";
import { leaveHttp, RawVisitor, ScriptedClient, startRelay, V1Client } from "./support.js";

const opened = closingAfterEach();

async function setUp(options: Partial<RelayOptions> = {}, directory: Directory = new LaterDirectory()) {
  const relay = opened(await startRelay({ directory, ...options }));
  const visit = (head = "GET / HTTP/1.1", body = "") => {
    const visitor = opened(new RawVisitor(relay.port));
    visitor.request(head, body);
    return visitor;
  };
  const v1 = async (name = "app", more: object = {}) =>
    opened(await V1Client.connect(relay.port, name, more));
  /** A client that has sent its registration, and has not been answered. */
  const ask = async (more: object = {}) => {
    const client = opened(await ScriptedClient.connect(relay.port));
    client.send({ token: "t", subdomain: "app", protocol: [1], ...more });
    return client;
  };
  return { relay, visit, v1, ask };
}

/** Registration without sockets: a test knows when the relay has heard that its client left. */
function createParts(directory: Directory) {
  const options = resolveOptions({ domain: "localhost" });
  const limits = new LimitReporter(new Observers([], silentLogger), silentLogger);
  const tunnels = new Tunnels(options, directory, new Observers([], silentLogger), limits);
  const admission = new Admission(options, new AddressKeys(options.limitExempt), limits);
  const registrar = new Registrar(options, tunnels, admission, limits, (name) => `https://${name}.localhost`);
  return { registrar, tunnels };
}

/** An event that happens when the test says so. It counts how often it has been waited for. */
class Gate {
  #open!: () => void;
  readonly opened = new Promise<void>((resolve) => {
    this.#open = resolve;
  });
  waiting = 0;

  readonly pass = (): Promise<void> => {
    this.waiting += 1;
    return this.opened;
  };

  open(): void {
    this.#open();
  }

  async reached(times = 1): Promise<void> {
    await vi.waitFor(() => expect(this.waiting).toBe(times));
  }
}

/**
 * For `before` and `after` of a directory: `asked` goes on once the gate is open, and everything else a turn
 * later.
 */
function at(asked: Asked, gate: Gate) {
  return (what: Asked): Promise<unknown> => (what === asked ? gate.pass() : nextTurn());
}

const headWith = (code: string) => (received: string) => received.includes(`X-Tunnel-Error: ${code}\r\n`);
const whole = (received: string) => received.endsWith("0\r\n\r\n") || received.endsWith("answered");

/** Answers the client's next request. */
async function answerNext(client: V1Client): Promise<void> {
  const { stream } = await client.accept();
  stream.sendHead({ status: 200, headers: ["Content-Length", "8"] });
  stream.write(Buffer.from("answered"));
  stream.end();
}

describe("with a directory that answers later, a visitor", () => {
  it("reaches a tunnel, with a body", async () => {
    const { visit, v1 } = await setUp();
    const client = await v1();
    const visitor = visit("POST / HTTP/1.1\nContent-Length: 5", "hello");
    const exchange = await client.accept();
    await exchange.ended;
    expect(exchange.body).toBe("hello");
    exchange.stream.sendHead({ status: 204, headers: [] }, true);
    expect(await visitor.until((received) => received.endsWith("\r\n\r\n"))).toMatch(/^HTTP\/1.1 204 /);
  });

  it("leaves HTTP through a tunnel", async () => {
    const { visit, v1 } = await setUp();
    const client = await v1();
    expect(await leaveHttp(visit, client)).toMatch(/^HTTP\/1.1 101 /);
  });

  it("is told that nobody serves a name", async () => {
    const { visit, relay } = await setUp();
    expect(await visit().until(headWith("tunnel_not_found"))).toMatch(/^HTTP\/1.1 502 /);
    expect(await relay.record(1)).toMatchObject({ outcome: "refused", status: 502 });
  });

  it("waits for a client that is away", async () => {
    const { visit, v1, relay } = await setUp();
    const client = await v1();
    client.cut();
    await relay.logged("tunnel away");
    const visitor = visit();
    await client.resume();
    await answerNext(client);
    expect(await visitor.until(whole)).toMatch(/^HTTP\/1.1 200 /);
  });

  it("is told at once when a client that is away does not come back", async () => {
    const { visit, v1, relay } = await setUp({ resumeTimeoutMs: 50 });
    (await v1()).cut();
    await relay.logged("tunnel away");
    expect(await visit().until(headWith("tunnel_disconnected"))).toMatch(/^HTTP\/1.1 502 /);
  });

  it("reaches the tunnel that was registered after the directory had looked for it", async () => {
    const directory = new LaterDirectory();
    const gate = new Gate();
    directory.after = at("find", gate);
    const { visit, v1 } = await setUp({}, directory);
    const visitor = visit();
    await gate.reached();
    const client = await v1();
    await vi.waitFor(() => expect(directory.names.find("app")?.isAway).toBe(false));
    await nextTurn();
    gate.open();
    await answerNext(client);
    expect(await visitor.until(whole)).toMatch(/^HTTP\/1.1 200 /);
  });

  it("who leaves meanwhile is forgotten: nothing is opened for him", async () => {
    const directory = new LaterDirectory();
    const { visit, v1, relay } = await setUp({ maxRequestsPerAddress: 1, limitExempt: [] }, directory);
    const client = await v1();
    const gate = new Gate();
    directory.before = at("find", gate);
    const leaving = visit("GET /leaving HTTP/1.1");
    await gate.reached();
    leaving.close();
    expect(await relay.record(1)).toMatchObject({ outcome: "cancelled", path: "/leaving" });
    const staying = visit("GET /staying HTTP/1.1");
    await gate.reached(2);
    gate.open();
    const { head, stream } = await client.accept();
    expect(head.path).toBe("/staying");
    stream.sendHead({ status: 204, headers: [] }, true);
    await staying.until((received) => received.endsWith("\r\n\r\n"));
    expect(relay.records).toHaveLength(2);
  });

  it("waits as long as for a client, and no longer, for an answer that never comes", async () => {
    const directory = new LaterDirectory();
    directory.before = () => new Promise(() => {});
    const hit: string[] = [];
    const observers = [{ onEnd() {}, onLimit: ({ limit }: LimitEvent) => hit.push(limit) }];
    const { visit } = await setUp({ holdTimeoutMs: 50, observers }, directory);
    expect(await visit().until(headWith("tunnel_reconnecting"))).toMatch(/^HTTP\/1.1 503 /);
    expect(hit).toEqual(["hold_time"]);
  });

  it("is one of only so many that wait for answers, by what they hold", async () => {
    const directory = new LaterDirectory();
    const gate = new Gate();
    directory.before = at("find", gate);
    // The bytes are enough for the heads of two requests. The limit of one request that waits for a client
    // does not count here.
    const { visit, v1 } = await setUp({ maxHeldBytes: 20_000, maxHeldRequests: 1 }, directory);
    const client = await v1();
    const visitors = [visit(), visit()];
    await gate.reached(2);
    expect(await visit().until(headWith("tunnel_reconnecting"))).toMatch(/^HTTP\/1.1 503 /);
    gate.open();
    await answerNext(client);
    await answerNext(client);
    for (const visitor of visitors) expect(await visitor.until(whole)).toMatch(/^HTTP\/1.1 200 /);
  });

  it.each<[string, Partial<Directory>]>([
    [
      "throws",
      {
        find: () => {
          throw new Error("down");
        },
      },
    ],
    ["rejects", { find: () => Promise.reject(new Error("down")) }],
    ["answers with nonsense", { find: () => Promise.resolve("app" as never) }],
  ])("is told so when the directory %s, and the next is served", async (_what, broken) => {
    const directory = Object.assign(new LaterDirectory(), broken);
    const { visit, v1, relay } = await setUp({}, directory);
    const client = await v1();
    expect(await visit().until(headWith("internal_error"))).toMatch(/^HTTP\/1.1 502 /);
    await relay.logged("an exchange failed inside the relay");
    Reflect.deleteProperty(directory, "find");
    const visitor = visit();
    await answerNext(client);
    expect(await visitor.until(whole)).toMatch(/^HTTP\/1.1 200 /);
  });

  it("is answered although the directory fails while his refusal is noted", async () => {
    const directory = new LaterDirectory();
    directory.find = () => {
      throw new Error("down");
    };
    const { visit, relay } = await setUp({ maxRequestBodyBytes: 1 }, directory);
    const visitor = visit("POST / HTTP/1.1\nContent-Length: 9");
    expect(await visitor.until(headWith("request_too_large"))).toMatch(/^HTTP\/1.1 413 /);
    await relay.logged("the directory failed");
    expect(await relay.record(1)).toMatchObject({ outcome: "refused" });
  });

  it("is refused in the name of a tunnel whose client hears of it", async () => {
    const { visit, v1 } = await setUp({ maxRequestBodyBytes: 1 });
    const client = await v1("app", { refusals: true });
    visit("POST / HTTP/1.1\nContent-Length: 9");
    expect(await client.refusals(1)).toMatchObject([{ code: "request_too_large", count: 1 }]);
  });

  it("is served by a relay that drains meanwhile", async () => {
    const directory = new LaterDirectory();
    const { visit, v1, relay } = await setUp({}, directory);
    const client = await v1();
    const gate = new Gate();
    directory.before = at("find", gate);
    const visitor = visit();
    await gate.reached();
    const closed = relay.close(10_000);
    await vi.waitFor(() => expect(client.goaways).toBe(1));
    gate.open();
    await answerNext(client);
    expect(await visitor.until(whole)).toMatch(/^HTTP\/1.1 200 /);
    await closed;
  });

  it("is told of the drain where nobody serves the name any more", async () => {
    const directory = new LaterDirectory();
    const { visit, relay } = await setUp({ startupHoldMs: 60_000 }, directory);
    const gate = new Gate();
    directory.after = at("find", gate);
    const visitor = visit();
    await gate.reached();
    const closed = relay.close(10_000);
    gate.open();
    expect(await visitor.until(headWith("tunnel_draining"))).toMatch(/^HTTP\/1.1 503 /);
    await closed;
  });

  it("is told of the drain when it is over before the directory answers", async () => {
    const directory = new LaterDirectory();
    const never = new Gate();
    directory.before = at("find", never);
    const { visit, relay } = await setUp({}, directory);
    const visitor = visit();
    await never.reached();
    const closed = relay.close(100);
    expect(await visitor.until(headWith("tunnel_draining"))).toMatch(/^HTTP\/1.1 503 /);
    await closed;
  });
});

describe("with a directory that answers later, a client", () => {
  it("that is new evicts the one that has the name", async () => {
    const { visit, v1 } = await setUp();
    const first = await v1();
    const second = await v1();
    expect(await first.closed).toMatchObject({ code: closeCodes.evicted });
    const visitor = visit();
    await answerNext(second);
    expect(await visitor.until(whole)).toMatch(/^HTTP\/1.1 200 /);
  });

  it("that was evicted while it was away hears of it, also once its successor is gone", async () => {
    const { v1, relay } = await setUp();
    const first = await v1();
    first.cut();
    await relay.logged("tunnel away");
    const second = await v1();
    second.close();
    await second.closed;
    await expect(first.resume()).rejects.toMatchObject({ code: closeCodes.evicted });
  });

  it("that returns does not evict another", async () => {
    const { v1, relay } = await setUp();
    const holder = await v1();
    const returning = V1Client.connect(relay.port, "app", { returning: true });
    await expect(returning).rejects.toMatchObject({ code: closeCodes.evicted, reason: evictedReason });
    expect(holder.session.streamCount).toBe(0);
    expect(holder.detached).toEqual([]);
  });

  it("that registers anew takes its name from its own dead connection", async () => {
    const instance = "i".repeat(16);
    const { v1 } = await setUp();
    const first = await v1("app", { instance });
    await v1("app", { instance, returning: true });
    await vi.waitFor(() => expect(first.detached).toMatchObject([{ code: "session_lost" }]));
  });

  it("is acknowledged in the last message that is text, after the directory has answered", async () => {
    const directory = new LaterDirectory();
    const gate = new Gate();
    directory.after = at("claim", gate);
    const { ask } = await setUp({}, directory);
    const client = await ask();
    const kinds: boolean[] = [];
    client.ws.on("message", (_, isBinary) => kinds.push(isBinary));
    await gate.reached();
    expect(kinds).toEqual([]);
    gate.open();
    expect(await client.next()).toMatchObject({ subdomain: "app", protocol: 1 });
    expect(kinds[0]).toBe(false);
    expect(kinds.slice(1)).not.toContain(false);
  });

  it.each(["first", "second"])(
    "that claims a name beside another wins if it is the newest (%s answered first)",
    async (early) => {
      const directory = new LaterDirectory();
      const gates = [new Gate(), new Gate()];
      let claims = 0;
      directory.after = (asked) => (asked === "claim" ? gates.at(claims++)!.pass() : nextTurn());
      const { ask, visit } = await setUp({}, directory);
      const first = await ask();
      await gates.at(0)!.reached();
      const second = await ask({ token: "other" });
      await gates.at(1)!.reached();
      if (early === "first") {
        gates.at(0)!.open();
        await first.next();
        gates.at(1)!.open();
      } else {
        gates.at(1)!.open();
        await second.next();
        gates.at(0)!.open();
      }
      expect(await first.closed).toEqual({ code: closeCodes.evicted, reason: evictedReason });
      if (early === "first") await second.next();
      const request = once(second.ws, "message");
      visit();
      await request;
    },
  );

  it("that leaves before the directory answers has no name", async () => {
    const directory = new LaterDirectory();
    const gate = new Gate();
    directory.after = at("claim", gate);
    const { registrar, tunnels } = createParts(directory);
    const [relayEnd, clientEnd] = linkedPair();
    clientEnd.handler = { onMessage() {}, onClose() {} };
    const applicant = { address: "127.0.0.1", proxied: false };
    const done = registrar.register(relayEnd, applicant, true, { onHeard() {}, onAsked() {}, onPicked() {} });
    clientEnd.send(JSON.stringify({ token: "t", subdomain: "app", protocol: [1] }));
    await gate.reached();
    expect(directory.names.find("app")).toMatchObject({ isAway: true });
    const gone = new Promise((resolve) => directory.names.watch(resolve));
    clientEnd.terminate();
    await nextTurn();
    gate.open();
    await done;
    await gone;
    expect(directory.names.find("app")).toBeUndefined();
    expect([...tunnels.all()]).toEqual([]);
  });

  it("is sent away by a relay that drains meanwhile", async () => {
    const directory = new LaterDirectory();
    const gate = new Gate();
    directory.after = at("claim", gate);
    const { ask, relay } = await setUp({}, directory);
    const client = await ask();
    await gate.reached();
    const closed = relay.close(0);
    expect(await client.closed).toMatchObject({ code: closeCodes.tryAgainLater });
    await closed;
    gate.open();
    await vi.waitFor(() => expect(directory.names.find("app")).toBeUndefined());
  });

  it("is told to come back when the directory takes too long, and its late name is released", async () => {
    const directory = new LaterDirectory();
    const gate = new Gate();
    directory.before = at("claim", gate);
    const { ask, v1 } = await setUp({ registrationTimeoutMs: 50, maxTunnelsPerToken: 1 }, directory);
    const client = await ask();
    expect(await client.closed).toMatchObject({ code: closeCodes.tryAgainLater });
    const released = new Gate();
    directory.after = at("release", released);
    directory.before = () => nextTurn();
    gate.open();
    await released.reached();
    released.open();
    expect(directory.names.find("app")).toBeUndefined();
    // The client counts in no limit.
    await v1("other");
  });

  it.each<[string, Partial<Directory>]>([
    [
      "throws",
      {
        claim: () => {
          throw new Error("down");
        },
      },
    ],
    ["rejects", { claim: () => Promise.reject(new Error("down")) }],
    ["answers with nonsense", { claim: () => Promise.resolve(undefined as never) }],
    ["refuses with a code that closes nothing", { claim: () => ({ refused: { code: 12, reason: "no" } }) }],
    [
      "refuses, later, with the code of a connection that was lost",
      { claim: () => Promise.resolve({ refused: { code: 1006, reason: "no" } }) },
    ],
    ["refuses without a reason", { claim: () => ({ refused: { code: 4002 } }) as never }],
  ])("may try again when the directory %s, and the next is served", async (_what, broken) => {
    const directory = Object.assign(new LaterDirectory(), broken);
    const { ask, v1, relay } = await setUp({ registrationTimeoutMs: 60_000 }, directory);
    expect(await (await ask()).closed).toEqual({ code: closeCodes.internal, reason: "relay error" });
    await relay.logged("registration failed");
    Reflect.deleteProperty(directory, "claim");
    await v1();
  });

  it("loses nothing when the directory fails to hear of it", async () => {
    const directory = new LaterDirectory();
    directory.release = () => Promise.reject(new Error("down"));
    directory.changed = () => {
      throw new Error("down");
    };
    const { v1, visit, relay } = await setUp({}, directory);
    const client = await v1();
    await relay.logged("the directory failed");
    const visitor = visit();
    await answerNext(client);
    expect(await visitor.until(whole)).toMatch(/^HTTP\/1.1 200 /);
    client.close();
    await relay.logged("tunnel closed");
  });

  it("counts for its token while it claims a name", async () => {
    const directory = new LaterDirectory();
    const gate = new Gate();
    directory.before = at("claim", gate);
    const { ask } = await setUp({ maxTunnelsPerToken: 1 }, directory);
    const first = await ask({ subdomain: "one" });
    await gate.reached();
    const second = await ask({ subdomain: "two" });
    expect(await second.closed).toMatchObject({ code: closeCodes.authenticationFailed });
    gate.open();
    expect(await first.next()).toMatchObject({ subdomain: "one" });
  });

  it("has no name by a token that is revoked meanwhile", async () => {
    const directory = new LaterDirectory();
    const gate = new Gate();
    directory.before = at("claim", gate);
    const answers: string[] = [];
    const grant = { id: "g", maxTunnels: undefined, refusal: () => answers[0], watch: () => () => {} };
    const authenticator = { ...openAuthenticator, authenticate: async () => ({ allowed: ["*"], grant }) };
    const { ask } = await setUp({ authenticator }, directory);
    const client = await ask();
    await gate.reached();
    answers.push("token revoked");
    gate.open();
    expect(await client.closed).toEqual({ code: closeCodes.authenticationFailed, reason: "token revoked" });
    await vi.waitFor(() => expect(directory.names.find("app")).toBeUndefined());
  });
});

describe("relays that share a directory", () => {
  it("serve one another's tunnels, and evict one another's clients", async () => {
    const directory = new MemoryDirectory();
    const here = await setUp({}, directory);
    const there = await setUp({}, directory);
    const client = await here.v1();
    const visitor = there.visit();
    await answerNext(client);
    expect(await visitor.until(whole)).toMatch(/^HTTP\/1.1 200 /);

    client.cut();
    await here.relay.logged("tunnel away");
    const waiting = there.visit();
    const newer = await there.v1("app", { token: "other" });
    await answerNext(newer);
    expect(await waiting.until(whole)).toMatch(/^HTTP\/1.1 200 /);
    // This holds although the relay to which the client comes back has no tunnel of that name.
    await expect(client.resume()).rejects.toMatchObject({ code: closeCodes.evicted, reason: evictedReason });
  });
});

describe("a relay whose directory", () => {
  const fails = (): never => {
    throw new Error("down");
  };

  it("cannot be watched does not listen", async () => {
    const directory = Object.assign(new MemoryDirectory(), { watch: fails });
    const relay = createRelay({ domain: "localhost", host: "127.0.0.1", port: 0, directory });
    await expect(relay.listen()).rejects.toThrow("down");
    // Nothing is open, so it may be tried again.
    Reflect.deleteProperty(directory, "watch");
    await relay.listen();
    await relay.close(0);
  });

  it.each<[string, () => void]>([
    ["throws", fails],
    ["rejects", () => Promise.reject(new Error("down"))],
  ])("%s when it is watched no longer ends all the same", async (_what, unwatch) => {
    const directory = Object.assign(new MemoryDirectory(), { watch: () => unwatch });
    const { relay, ask } = await setUp({}, directory);
    const client = await ask();
    await client.next();
    await relay.close(0);
    expect(await client.closed).toMatchObject({ code: closeCodes.goingAway });
    await relay.logged("the directory failed");
  });
});
