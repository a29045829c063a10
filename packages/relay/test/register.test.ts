import { once } from "node:events";
import { connect } from "node:net";
import { closeCodes, evictedReason } from "mcp-tunnel-protocol";
import { describe, expect, it, vi } from "vitest";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { createVisitor } from "../../../test/support/visitor.js";
import { type AuthenticationResult, type RelayOptions, staticAuthenticator } from "../src/index.js";
import { RawVisitor, ScriptedClient, startRelay, V1Client } from "./support.js";

const opened = closingAfterEach();

async function setUp(options: Partial<RelayOptions> = {}) {
  const relay = opened(await startRelay(options));
  const visitor = opened(createVisitor(relay.port));
  const register = async (message: object) => {
    const client = opened(await ScriptedClient.connect(relay.port));
    client.send(message);
    return client;
  };
  const v1 = async (name: string, more: object = {}) =>
    opened(await V1Client.connect(relay.port, name, more));
  return { relay, visitor, register, v1 };
}

const tokens = staticAuthenticator([
  { token: "one", subdomains: ["app"] },
  { token: "many", subdomains: ["app", "dev-*"] },
  { token: "star", subdomains: ["*"] },
  { token: "none", subdomains: [] },
]);

describe("registration", () => {
  it("answers an original with its name and URL, and nothing else", async () => {
    const { relay, register } = await setUp({ publicUrl: "http://{subdomain}.{domain}:{port}/" });
    const client = await register({ token: "secret", subdomain: null, unknown: { x: 1 } });
    expect(await client.next()).toEqual({
      subdomain: "2bb80d537b1d",
      url: `http://2bb80d537b1d.localhost:${relay.port}`,
    });
  });

  it("answers a client of version 1 with what it needs to resume", async () => {
    const { v1, relay } = await setUp({ resumeTimeoutMs: 1234 });
    const client = await v1("App");
    expect(client.acknowledge).toEqual({
      subdomain: "app",
      url: `http://app.localhost:${relay.port}`,
      protocol: 1,
      session: { id: expect.any(String), secret: expect.stringMatching(/^.{43}$/) },
      window: 1_048_576,
      resumeTimeoutMs: 1234,
      maxResponseBody: 10_485_760,
      visitorAddress: true,
    });
  });

  it("speaks JSON with a client that knows only a version yet to come", async () => {
    const { register, relay } = await setUp();
    const client = await register({ token: "t", subdomain: "app", protocol: [2] });
    expect(await client.next()).toEqual({
      subdomain: "app",
      url: `http://app.localhost:${relay.port}`,
      visitorAddress: true,
    });
  });

  it("works on any host name, and not where a tunnel has the path without an upgrade", async () => {
    const { relay, visitor } = await setUp();
    const client = opened(await ScriptedClient.connect(relay.port, { host: "app.localhost" }));
    client.send({ token: "t", subdomain: "app" });
    await client.next();
    void client.serve("the tunnel's own");
    expect(await visitor.text("app", "/_tunnel/register")).toEqual({
      status: 200,
      text: "the tunnel's own",
    });
    for (const host of ["localhost", "example.com"]) {
      const raw = opened(new RawVisitor(relay.port));
      raw.request(`GET /_tunnel/register HTTP/1.1\nHost: ${host}\nConnection: close`);
      expect(await raw.all()).toMatch(/^HTTP\/1.1 426 Upgrade Required\r\n[^]*Upgrade: websocket/);
    }
  });

  it("skips what does not parse", async () => {
    const { relay } = await setUp();
    const client = opened(await ScriptedClient.connect(relay.port));
    for (const text of ["", "{", "null", "[]", "{}", '{"token":1}', '{"token":"t","subdomain":1}']) {
      client.send(text);
    }
    client.ws.send(Buffer.from('{"token":"binary","subdomain":"binary"}'));
    client.send({ token: "t", subdomain: "app" });
    expect(await client.next()).toMatchObject({ subdomain: "app" });
  });

  it.each([
    ["a_b", "subdomain 'a_b' is not valid: 1-63 letters, digits, inner hyphens"],
    ["www", "subdomain 'www' is reserved on this relay"],
  ])("refuses the name %s with a reason", async (subdomain, reason) => {
    const { register } = await setUp();
    const client = await register({ token: "t", subdomain });
    expect(await client.closed).toEqual({ code: 4001, reason });
  });

  it("refuses an unknown token", async () => {
    const { register } = await setUp({ authenticator: tokens });
    const client = await register({ token: "two", subdomain: "app" });
    expect(await client.closed).toEqual({ code: 4001, reason: "invalid token" });
  });

  it("gives the only name of a token, whatever was asked for", async () => {
    const { register } = await setUp({ authenticator: tokens });
    const client = await register({ token: "one", subdomain: "other" });
    expect(await client.next()).toMatchObject({ subdomain: "app" });
  });

  it("offers the patterns, and takes a pick that one of them grants", async () => {
    const { register, relay } = await setUp({ authenticator: tokens });
    const client = await register({ token: "many" });
    expect(await client.next()).toEqual({ subdomains: ["app", "dev-*"] });
    client.send({ subdomain: "dev-1" });
    expect(await client.next()).toMatchObject({
      subdomain: "dev-1",
      url: `http://dev-1.localhost:${relay.port}`,
    });
  });

  it("refuses another pick", async () => {
    const { register } = await setUp({ authenticator: tokens });
    const client = await register({ token: "many", subdomain: "nothing" });
    await client.next();
    client.send({ subdomain: "prod" });
    expect(await client.closed).toEqual({
      code: 4001,
      reason: "subdomain 'prod' not authorized for this token",
    });
  });

  it("offers nothing when there is nothing, as the original does", async () => {
    const { register } = await setUp({ authenticator: tokens });
    const client = await register({ token: "none" });
    expect(await client.next()).toEqual({ subdomains: [] });
  });

  it.each<[string, unknown, string]>([
    [
      "a pattern with two stars",
      { allowed: ["app", "a**"] },
      "allowed.1 is the string 'a**'; it must be a subdomain",
    ],
    ["a pattern that is no label", { allowed: ["Ü"] }, "allowed.0 is the string 'Ü'; it must be a subdomain"],
    ["no patterns", { allowed: "app" }, "allowed is a string; it must be an array of subdomain patterns"],
    ["nothing", undefined, "it is undefined; it must be an object with 'allowed' or 'refused'"],
    ["no reason", { refused: true }, "refused is a boolean; it must be the reason, a string"],
  ])("takes an authenticator's answer for its fault: %s", async (_what, answer, problem) => {
    const errors: object[] = [];
    const ignore = (): void => {};
    const logger = {
      debug: ignore,
      info: ignore,
      warn: ignore,
      error: (fields: object) => errors.push(fields),
    };
    const authenticate = async () => answer as AuthenticationResult;
    const { register } = await setUp({ logger, authenticator: { mode: "own", authenticate } });
    const client = await register({ token: "t", subdomain: "app" });
    expect(await client.closed).toEqual({ code: 1011, reason: "relay error" });
    const error = expect.stringContaining(`the authenticator's answer is not usable: ${problem}`);
    expect(errors).toMatchObject([{ error }]);
  });

  it("does not wait for ever for the message, nor for the pick", async () => {
    const { relay, register } = await setUp({
      authenticator: tokens,
      registrationTimeoutMs: 50,
      pickTimeoutMs: 50,
    });
    const silent = opened(await ScriptedClient.connect(relay.port));
    expect((await silent.closed).code).toBe(closeCodes.tryAgainLater);
    const undecided = await register({ token: "many" });
    await undecided.next();
    expect((await undecided.closed).code).toBe(closeCodes.tryAgainLater);
  });

  it("makes way for others once it has been asked for a name and has not picked one", async () => {
    const { register } = await setUp({ authenticator: tokens, maxPendingRegistrations: 3 });
    const undecided = [];
    for (let i = 0; i < 3; i++) {
      const client = await register({ token: "many" });
      await client.next();
      undecided.push(client);
    }
    const client = await register({ token: "one" });
    expect(await client.next()).toMatchObject({ subdomain: "app" });
    // The client that has been silent for longest is closed. The others may go on.
    expect((await undecided[0]?.closed)?.code).toBe(1006);
    undecided[2]?.send({ subdomain: "dev-1" });
    expect(await undecided[2]?.next()).toMatchObject({ subdomain: "dev-1" });
  });

  it("is cut when it is too large, whole or not", async () => {
    const { relay } = await setUp();
    const whole = opened(await ScriptedClient.connect(relay.port));
    whole.send({ token: "t".repeat(70_000) });
    await whole.closed;

    // This message never ends. Its declared length is within the limit of a response.
    const socket = connect(relay.port, "127.0.0.1");
    opened({ close: () => socket.destroy() });
    socket.on("error", () => {});
    socket.write(
      "GET /_tunnel/register HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    await once(socket, "data");
    const header = Buffer.from([0x81, 0xff, 0, 0, 0, 0, 0, 0xff, 0, 0, 0, 0, 0, 0]);
    socket.write(Buffer.concat([header, Buffer.alloc(80_000)]));
    socket.resume();
    await once(socket, "close");
  });

  it("fails alone when the authenticator breaks", async () => {
    const { register, relay } = await setUp({
      authenticator: {
        mode: "broken",
        authenticate: () => Promise.reject(new Error("secret detail")),
      },
    });
    const client = await register({ token: "t" });
    expect(await client.closed).toEqual({ code: closeCodes.internal, reason: "relay error" });
    opened(await ScriptedClient.connect(relay.port));
  });
});

describe("eviction", () => {
  it("gives the name to the newest, ten times in a row, and the newest keeps serving", async () => {
    const { visitor, register } = await setUp();
    let previous: ScriptedClient | undefined;
    for (let i = 0; i < 10; i++) {
      const client = await register({ token: `token ${i}`, subdomain: "app" });
      await client.next();
      void client.serve(`client ${i}`);
      if (previous !== undefined) {
        expect(await previous.closed).toEqual({ code: 4002, reason: evictedReason });
      }
      // In the original the clean-up of the evicted client took the name from its successor.
      expect(await visitor.text("app", "/")).toEqual({ status: 200, text: `client ${i}` });
      previous = client;
    }
  });

  it("ends what the evicted one had open", async () => {
    const { visitor, v1 } = await setUp();
    const first = await v1("app");
    const answer = visitor.text("app", "/");
    await first.accept();
    await v1("app");
    expect(await answer).toEqual({ status: 502, text: "tunnel dropped request" });
    expect(await first.closed).toMatchObject({ code: 4002 });
  });

  it("takes place over a client that is away, which is told when it comes back", async () => {
    const { v1, visitor, relay } = await setUp();
    const first = await v1("app");
    first.cut();
    await relay.logged("tunnel away");
    const second = await v1("app");
    await expect(first.resume()).rejects.toMatchObject({ code: 4002 });
    const answer = visitor.text("app", "/");
    (await second.accept()).stream.sendHead({ status: 204, headers: [] }, true);
    expect((await answer).status).toBe(204);
  });

  it("is not for a client that comes back: two of them would take turns for ever", async () => {
    const { v1, relay } = await setUp();
    const holder = await v1("app", { instance: "the holder's instance" });
    const resume = { session: "unknown", secret: "0123456789abcdef", received: 0 };
    await expect(
      V1Client.connect(relay.port, "app", { resume, instance: "another's instance" }),
    ).rejects.toMatchObject({ code: 4002, reason: evictedReason });
    expect(holder.session.attached).toBe(true);
  });

  it.each([
    ["says so", { returning: true }],
    ["has something to resume", { resume: { session: "unknown", secret: "0123456789abcdef", received: 0 } }],
  ])("is not for a client that returns and %s, even while the holder is away", async (_, fields) => {
    const { v1, relay } = await setUp();
    const holder = await v1("app", { instance: "the holder's instance" });
    holder.cut();
    await relay.logged("tunnel away");
    await expect(
      V1Client.connect(relay.port, "app", { ...fields, instance: "another's instance" }),
    ).rejects.toMatchObject({ code: 4002, reason: evictedReason });
    await holder.resume();
    // Every client may have a free name, and its own name again.
    const other = await v1("other", { ...fields, instance: "another's instance" });
    await v1("other", { ...fields, instance: "another's instance" });
    await vi.waitFor(() => expect(other.detached).toHaveLength(1));
  });

  it("is no word for a client that replaces its own connection", async () => {
    const { v1 } = await setUp();
    const instance = "one and the same";
    const first = await v1("app", { instance });
    // The client lost the acknowledgement, say, and registers afresh.
    await v1("app", { instance });
    // The error does not end the client: if this connection is the newer one, late on its way, its client
    // comes back.
    await vi.waitFor(() => expect(first.detached).toMatchObject([{ code: "session_lost" }]));
    await expect(first.resume()).rejects.toThrow("did not resume");
  });

  it("frees a name at once when its holder says goodbye", async () => {
    const { v1, visitor, relay } = await setUp();
    const client = await v1("app");
    client.close();
    await vi.waitFor(async () => {
      expect(await visitor.text("app", "/")).toEqual({ status: 502, text: "tunnel not found" });
    });
    expect(relay.records.at(-1)).toMatchObject({ outcome: "refused", code: "tunnel_not_found" });
  });
});

describe("a client that loses its connection", () => {
  it("goes on where it was: open exchanges, and those that wait for it", async () => {
    const { v1, visitor, relay } = await setUp();
    const client = await v1("app");
    const open = visitor.visit("app", "/open");
    const exchange = await client.accept();
    exchange.stream.sendHead({ status: 200, headers: [] });
    exchange.stream.write(Buffer.from("one "));
    const body = (await open).body;

    client.cut();
    await relay.logged("tunnel away");
    exchange.stream.write(Buffer.from("two "));
    const held = visitor.text("app", "/held");
    await client.resume();
    exchange.stream.end();
    expect(await body.text()).toBe("one two ");
    const late = await client.accept();
    expect(late.head.path).toBe("/held");
    late.stream.sendHead({ status: 204, headers: [] }, true);
    expect((await held).status).toBe(204);
  });

  it("wins over its old connection even if the relay has not noticed", async () => {
    const { v1 } = await setUp();
    const client = await v1("app");
    const old = client.link;
    await client.resume();
    expect(client.session.attached).toBe(true);
    expect(client.link).not.toBe(old);
  });

  it("comes back again when the acknowledgement was lost, with the same offsets", async () => {
    const { v1, visitor, register } = await setUp();
    const client = await v1("app");
    const open = visitor.visit("app", "/open");
    const exchange = await client.accept();
    exchange.stream.sendHead({ status: 200, headers: [] });
    const { body } = await open;
    for (let lost = 0; lost < 3; lost++) {
      const attempt = await register({ token: "t", protocol: [1], ...client.resumeFields });
      expect(await attempt.next()).toHaveProperty("resumed");
    }
    exchange.stream.write(Buffer.from("still "));
    await client.resume();
    exchange.stream.write(Buffer.from("here"));
    exchange.stream.end();
    expect(await body.text()).toBe("still here");
  });

  it("needs the secret of the session", async () => {
    const { v1, relay } = await setUp();
    const client = await v1("app", { instance: "the holder's instance" });
    const session = (client.acknowledge.session as { id: string }).id;
    const resume = { session, secret: "not the secret, but as long as it", received: 0 };
    await expect(V1Client.connect(relay.port, "app", { resume })).rejects.toMatchObject({ code: 4002 });
    expect(client.session.attached).toBe(true);
  });

  it("is closed when it claims to have received what was never sent", async () => {
    const { v1, relay } = await setUp();
    const client = await v1("app");
    client.cut();
    const { id: session, secret } = client.acknowledge.session as { id: string; secret: string };
    const resume = { session, secret, received: 1_000_000 };
    const liar = await V1Client.connect(relay.port, "app", { resume });
    opened(liar);
    expect((await liar.closed).code).toBe(1002);
  });

  it("is waited for, but not by too many and not for ever", async () => {
    const { v1, visitor, relay } = await setUp({ maxHeldRequests: 1, holdTimeoutMs: 100 });
    const client = await v1("app");
    client.cut();
    await relay.logged("tunnel away");
    const answers: string[] = [];
    const visit = async () => {
      const answer = await visitor.visit("app", "/");
      answers.push(
        `${answer.statusCode} ${await answer.body.text()} ${String(answer.headers["retry-after"])}`,
      );
    };
    await Promise.all([visit(), visit()]);
    expect(answers).toEqual(["503 tunnel reconnecting 5", "503 tunnel reconnecting 5"]);
    expect(relay.records.map((record) => record.code)).toEqual([
      "tunnel_reconnecting",
      "tunnel_reconnecting",
    ]);
  });

  it("is given up after a while; what was open fails and the name is free", async () => {
    const { v1, visitor } = await setUp({ resumeTimeoutMs: 100 });
    const client = await v1("app");
    const open = visitor.text("app", "/");
    await client.accept();
    client.cut();
    expect(await open).toEqual({ status: 502, text: "tunnel dropped request" });
    expect(await visitor.text("app", "/")).toEqual({ status: 502, text: "tunnel not found" });
    await expect(client.resume()).rejects.toThrow("did not resume");
  });

  it("is not waited for by a visitor who leaves", async () => {
    const { v1, relay } = await setUp();
    const client = await v1("app");
    client.cut();
    await relay.logged("tunnel away");
    const visitor = opened(new RawVisitor(relay.port));
    visitor.request("GET /left HTTP/1.1");
    const stays = opened(new RawVisitor(relay.port));
    // The visitor ends its connection once the request is out.
    visitor.socket.end();
    expect(await relay.record(1)).toMatchObject({ path: "/left", outcome: "cancelled" });
    stays.request("GET /stays HTTP/1.1");
    await client.resume();
    expect((await client.accept()).head.path).toBe("/stays");
  });
});

describe("a relay that is shutting down", () => {
  it("tells its clients, takes no new ones, and lets what is open finish", async () => {
    const { v1, visitor, relay } = await setUp();
    const client = await v1("app");
    const open = visitor.visit("app", "/");
    const exchange = await client.accept();
    const closed = relay.close(10_000);
    await vi.waitFor(() => expect(client.goaways).toBe(1));
    await expect(ScriptedClient.connect(relay.port)).rejects.toThrow();
    exchange.stream.sendHead({ status: 200, headers: [] });
    exchange.stream.end();
    const answer = await open;
    expect(answer.headers["connection"]).toBe("close");
    await answer.body.dump();
    await closed;
    // For the client the link is gone. It finds the next relay by itself.
    await vi.waitFor(() => expect(client.detached[0]?.message).toContain("1001"));
  });

  it("cuts what does not finish in time, with a clear answer where one can still be given", async () => {
    const { v1, visitor, relay } = await setUp();
    const client = await v1("app");
    const waiting = visitor.text("app", "/");
    await client.accept();
    await relay.close(50);
    expect(await waiting).toEqual({ status: 503, text: "tunnel draining" });
  });

  it("hurries when it is told a second time", async () => {
    const { v1, visitor, relay } = await setUp();
    const client = await v1("app");
    const waiting = visitor.text("app", "/");
    await client.accept();
    const closed = relay.close(60_000);
    await relay.close(0);
    await closed;
    expect((await waiting).status).toBe(503);
  });
});
