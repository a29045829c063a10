import { hash } from "node:crypto";
import { once } from "node:events";
import { setImmediate as nextTurn } from "node:timers/promises";
import { createRelay, type RelayOptions } from "mcp-tunnel";
import { TunnelClient } from "mcp-tunnel-client";
import { closeCodes } from "mcp-tunnel-protocol";
import { linkedPair, type MemoryLink } from "mcp-tunnel-protocol/testing";
import { afterEach, describe, expect, it, vi } from "vitest";
import { frame, reset, types } from "../../packages/protocol/test/support/wire.js";
import { TokenFileAuthenticator } from "../../packages/relay/src/auth/token-file.js";
import { createToken, revokeToken } from "../../packages/relay/src/auth/token-file-edit.js";
import { Admission } from "../../packages/relay/src/admission/admission.js";
import { AddressKeys } from "../../packages/relay/src/admission/addresses.js";
import { LimitReporter } from "../../packages/relay/src/telemetry/limit-reporter.js";
import { silentLogger } from "../../packages/relay/src/telemetry/log.js";
import { Observers } from "../../packages/relay/src/telemetry/observers.js";
import { resolveOptions } from "../../packages/relay/src/options.js";
import { Registrar } from "../../packages/relay/src/registration/registrar.js";
import { MemoryDirectory } from "../../packages/relay/src/tunnels/directory.js";
import { Tunnels } from "../../packages/relay/src/tunnels/tunnels.js";
import { ask, Scrape } from "../admin/support.js";
import { createFolder } from "../support/certificates.js";
import { closingAfterEach } from "../support/cleanup.js";
import { runRelay, startRelayCommandOn } from "../support/commands.js";
import { LogWatch } from "../support/log-watch.js";
import { shareSocket } from "../support/shared-socket.js";
import { startUpstream } from "../support/upstream.js";
import { createVisitor, type Visitor } from "../support/visitor.js";
import { nextEvent } from "../resilience/support.js";
import { connectRawClient, type RawPeer, startRawRelay, tryToRegister } from "./support/raw-peers.js";

/**
 * The attack: a client with one token, which may have one tunnel, takes requests, says GOAWAY, keeps the
 * requests, and registers the next name. The session that it had left was in no limit and in no list, and no
 * operator could end it: eight of them were open.
 *
 * The defence: a session that a client leaves counts for its token, is shown and can be ended until it is
 * over. Only a session that the *relay* asked to move does not count beside its successor, of the same
 * process, token and name. There is one such session at a time.
 */
const closing = closingAfterEach();
const goaway = frame(types.GOAWAY, 0);

afterEach(() => {
  vi.useRealTimers();
});

async function startRelay(options: Partial<RelayOptions> = {}) {
  const log = new LogWatch();
  const hit: string[] = [];
  const relay = createRelay({
    domain: "localhost",
    host: "127.0.0.1",
    port: 0,
    startupHoldMs: 0,
    logger: log.logger,
    maxTunnelsPerToken: 1,
    observers: [{ onEnd() {}, onLimit: ({ limit }) => hit.push(limit) }],
    ...options,
  });
  const { port } = await relay.listen();
  closing({ close: () => relay.close(0) });
  return { relay, port, log, hit, visitor: closing(createVisitor(port)) };
}

/** A visitor's request that its client has received and does not answer. */
async function keepOpen(visitor: Visitor, peer: RawPeer, name: string): Promise<void> {
  const seen = peer.frames.length;
  visitor.visit(name, "/").catch(() => {});
  await peer.next("REQUEST", seen);
}

/** Says GOAWAY, and waits until the relay has heard it. */
async function leave(peer: RawPeer): Promise<void> {
  const heard = once(peer.ws, "pong");
  peer.send(goaway);
  peer.ws.ping();
  await heard;
}

/** The registration without sockets. The test can say GOAWAY for the relay, and set the clock. */
function createParts() {
  const options = resolveOptions({ domain: "localhost", maxTunnelsPerToken: 1 });
  const observers = new Observers([], silentLogger);
  const limits = new LimitReporter(observers, silentLogger);
  const tunnels = new Tunnels(options, new MemoryDirectory(), observers, limits);
  const admission = new Admission(options, new AddressKeys(options.limitExempt), limits);
  const registrar = new Registrar(options, tunnels, admission, limits, (name) => `https://${name}.localhost`);
  closing({ close: () => tunnels.close() });
  const register = async (instance: string, more: object = {}): Promise<MemoryLink> => {
    const [relayEnd, clientEnd] = linkedPair();
    clientEnd.handler = { onMessage() {}, onClose() {} };
    const done = registrar.register(relayEnd, { address: "127.0.0.1", proxied: false }, true, {
      onHeard() {},
      onAsked() {},
      onPicked() {},
    });
    const message = { token: "t", subdomain: "app", protocol: [1], instance: instance.repeat(16), ...more };
    clientEnd.send(JSON.stringify(message));
    await done;
    return clientEnd;
  };
  const all = () => [...tunnels.all()];
  /** Asks the newest tunnel to move. An open request keeps it. */
  const askToMove = (): void => {
    const tunnel = all().at(-1);
    const handler = { onData() {}, onEnd() {}, onReset() {} };
    tunnel?.open({ method: "GET", path: "/", headers: [] }, true, handler);
    tunnel?.session?.goaway();
  };
  return { tunnels, register, all, askToMove };
}

describe("a session that its client leaves", () => {
  it("counts for its token until it is over", async () => {
    const { relay, port, log, hit, visitor } = await startRelay();
    const first = closing(await connectRawClient(port, "name-0"));
    await keepOpen(visitor, first, "name-0");
    await leave(first);
    for (let i = 1; i < 8; i++) {
      const { outcome } = await tryToRegister(port, { token: "t", subdomain: `name-${i}` });
      expect(outcome).toBe(closeCodes.tryAgainLater);
    }
    expect(hit).toEqual(Array.from({ length: 7 }, () => "tunnels_per_token"));
    // The name is free, but this token may not have a second tunnel.
    expect((await tryToRegister(port, { token: "t", subdomain: "name-0" })).outcome).toBe(1013);
    const other = await tryToRegister(port, { token: "other", subdomain: "name-0" });
    closing(other.peer);
    expect(other.outcome).toBe("name-0");
    expect(relay.tunnels()).toMatchObject([
      { name: "name-0", state: "leaving", streams: 1 },
      { name: "name-0", state: "online", streams: 0 },
    ]);

    first.answer((await first.next("REQUEST")).stream, "done");
    first.ws.close(1000);
    await log.waitForJson({ msg: "tunnel closed", name: "name-0" });
    const next = await tryToRegister(port, { token: "t", subdomain: "name-1" });
    closing(next.peer);
    expect(next.outcome).toBe("name-1");
    // The place is held by a session that will not give it up soon, so the relay refuses for good, as before.
    expect((await tryToRegister(port, { token: "t", subdomain: "name-2" })).outcome).toBe(4001);
  });

  it("counts among all tunnels, too", async () => {
    const { port, hit } = await startRelay({ maxTunnels: 1, maxTunnelsPerToken: 9 });
    const first = closing(await connectRawClient(port, "one"));
    await leave(first);
    expect((await tryToRegister(port, { token: "other", subdomain: "two" })).outcome).toBe(1013);
    expect(hit).toEqual(["tunnels"]);
  });

  it("is ended by the operator, with all others of its name", async () => {
    const { relay, port } = await startRelay({ maxTunnelsPerToken: 3 });
    const peers = [];
    for (let i = 0; i < 3; i++) {
      const peer = closing(await connectRawClient(port, "app"));
      peers.push(peer);
      if (i === 2) break;
      await leave(peer);
    }
    expect(relay.tunnels().map(({ state }) => state)).toEqual(["leaving", "leaving", "online"]);
    expect(relay.disconnect("app")).toBe(true);
    for (const peer of peers) {
      expect(await peer.closed).toEqual({ code: 4001, reason: "disconnected by the operator" });
    }
    expect(relay.tunnels()).toEqual([]);
    expect(relay.disconnect("app")).toBe(false);
  });

  it("ends when its token is revoked", async () => {
    const folder = closing(createFolder());
    const file = `${folder.path}/tokens.yaml`;
    const { token, id } = await createToken(file, { subdomains: ["app"] });
    const authenticator = await TokenFileAuthenticator.open(file, silentLogger);
    const { port, visitor } = await startRelay({ authenticator });
    const peer = closing(await connectRawClient(port, "app", { token, protocol: [1] }));
    await keepOpen(visitor, peer, "app");
    await leave(peer);
    await revokeToken(file, id);
    expect(await peer.closed).toEqual({ code: 4001, reason: "token revoked" });
  });

  it("is ended by the relay when nothing is open on it, if its client does not", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const { register, all } = createParts();
    const client = await register("a");
    const [tunnel] = all();
    const handler = { onData() {}, onEnd() {}, onReset() {} };
    const stream = tunnel?.open({ method: "GET", path: "/", headers: [] }, true, handler);
    client.send(goaway);
    /** Lets seconds pass. Pings are answered meanwhile. */
    const pass = async (seconds: number): Promise<void> => {
      for (let i = 0; i < seconds; i++) {
        vi.advanceTimersByTime(1_000);
        await nextTurn();
      }
    };
    await pass(3_600);
    // The open request may go on, and the name may go to another client.
    expect(all()).toMatchObject([{ isLeft: true, state: { name: "online" } }]);
    const denied = await register("b", { subdomain: "other" });
    await pass(1);
    expect(denied.closed).toMatchObject({ code: 1013 });
    client.send(reset(stream?.id ?? 0, 0));
    await pass(9);
    expect(client.closed).toBeUndefined();
    await pass(11);
    expect(client.closed).toMatchObject({ code: 1000 });
    expect(all()).toEqual([]);
    const taken = await register("b", { subdomain: "other" });
    await pass(1);
    expect(taken.closed).toBeUndefined();
  });

  it("keeps its traffic to itself when another client has the name", async () => {
    const { relay, port, visitor } = await startRelay();
    const first = closing(await connectRawClient(port, "app"));
    const answer = visitor.text("app", "/", { method: "POST", body: "12345" });
    const { stream } = await first.next("REQUEST");
    await leave(first);
    closing(await connectRawClient(port, "app", { token: "other", protocol: [1] }));
    await vi.waitFor(() => expect(relay.tunnels()).toMatchObject([{ requestBytes: 5 }, { requestBytes: 0 }]));
    first.answer(stream, "done");
    expect(await answer).toMatchObject({ text: "done" });
    await vi.waitFor(() =>
      expect(relay.tunnels()).toMatchObject([
        { state: "leaving", requests: 1, requestBytes: 5, responseBytes: 4 },
        { state: "online", requests: 0, requestBytes: 0, responseBytes: 0 },
      ]),
    );
  });
});

describe("a session that the relay asked to move", () => {
  it("moves in a rolling restart with a token at its limit, and stays in sight of the operator", {
    timeout: 60_000,
  }, async () => {
    const socket = closing(shareSocket());
    const args = ["--admin-listen", "127.0.0.1:0", "--max-tunnels-per-token", "1", "--max-tunnels", "1"];
    const start = async () => {
      const relay = closing(await startRelayCommandOn(socket, args));
      const { port } = await relay.waitForJson({ msg: "admin API listening" });
      return Object.assign(relay, { admin: `http://127.0.0.1:${port}` });
    };
    const upstream = closing(await startUpstream());
    const old = await start();
    const relayUrl = `http://127.0.0.1:${socket.port}`;
    const options = { port: upstream.port, relayUrl, token: "t", subdomain: "app" };
    const client = closing(new TunnelClient(options));
    await client.start();
    const visitor = closing(createVisitor(socket.port));
    const stream = await visitor.visit("app", "/sse");
    stream.body.on("error", () => {});
    const moved = nextEvent(client, "connected");
    const successor = await start();
    old.child.kill("SIGTERM");
    await moved;
    expect((await ask(`${successor.admin}/api/tunnels`)).json).toMatchObject({
      tunnels: [{ name: "app", state: "online" }],
    });
    expect((await ask(`${old.admin}/api/tunnels`)).json).toMatchObject({
      relay: { draining: true },
      tunnels: [{ name: "app", state: "leaving", streams: 1 }],
    });
    const scrape = await Scrape.of(old);
    expect(scrape.value("mcp_tunnel_tunnels", { state: "leaving" })).toBe(1);
    expect(scrape.value("mcp_tunnel_tunnels", { state: "online" })).toBe(0);
    const status = runRelay(["status", "--admin", old.admin]);
    await status.exited;
    expect(status.output).toMatch(/^app .* leaving$/m);
    const disconnect = runRelay(["disconnect", "app", "--admin", old.admin]);
    expect((await disconnect.exited).code).toBe(0);
    await old.waitForJson({ msg: "tunnel closed", name: "app", reason: "disconnected by the operator" });
    // The relay had no other open request, so it ends.
    expect((await old.exited).code).toBe(0);
  });

  it("has one successor beside it, and no more", async () => {
    const { tunnels, register, all, askToMove } = createParts();
    await register("a");
    askToMove();
    await register("a", { returning: true });
    expect(all()).toHaveLength(2);
    expect(all().map(({ isMoving }) => isMoving)).toEqual([true, false]);
    // Neither another name nor the same name again makes a third session.
    const denied = await register("a", { subdomain: "other" });
    await vi.waitFor(() => expect(denied.closed?.code).toBe(4001));
    await register("a", { returning: true });
    expect(all()).toHaveLength(2);
    // A second move does not either: the oldest session is over then.
    askToMove();
    await register("a", { returning: true });
    expect(all()).toHaveLength(2);
    expect(all().map(({ isMoving }) => isMoving)).toEqual([true, false]);
    expect(tunnels.disconnect("app")).toBe(true);
    expect(all()).toEqual([]);
  });

  it("counts again once its successor is gone", async () => {
    const { register, all, askToMove } = createParts();
    await register("a");
    askToMove();
    const successor = await register("a", { returning: true });
    successor.close(1000, "");
    await vi.waitFor(() => expect(all()).toHaveLength(1));
    const denied = await register("a", { subdomain: "other" });
    await vi.waitFor(() => expect(denied.closed?.code).toBe(4001));
  });

  it("ends with its successor when another client takes the name", async () => {
    const { register, all, askToMove } = createParts();
    const old = await register("a");
    askToMove();
    const successor = await register("a", { returning: true });
    await register("b", { token: "other" });
    expect(all().map(({ info }) => info.instance)).toEqual([hash("sha256", "b".repeat(16), "base64url")]);
    await vi.waitFor(() => expect([old.closed?.code, successor.closed?.code]).toEqual([4002, 4002]));
  });

  it("is not succeeded by a stranger who shows the same instance with another token", async () => {
    const { register, all, askToMove } = createParts();
    const old = await register("a");
    askToMove();
    // If the stranger claims to return, he evicts nobody. If he registers anew, he takes the name over in the
    // open.
    const returning = await register("a", { token: "other", returning: true });
    await vi.waitFor(() => expect(returning.closed?.code).toBe(4002));
    expect(all()).toHaveLength(1);
    await register("a", { token: "other" });
    expect(all()).toHaveLength(1);
    await vi.waitFor(() => expect(old.closed?.code).toBe(4002));
  });
});

describe("a relay that asks for a move again and again", () => {
  it("is followed once a second, and its old sessions do not pile up in the client", async () => {
    const hostile = closing(await startRawRelay());
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    const client = new TunnelClient({ port: 9, relayUrl: `http://127.0.0.1:${hostile.port}`, token: "t" });
    // The second call ends the client at once: it does not wait for a relay that acknowledges nothing.
    closing({ close: () => Promise.all([client.close(), client.close()]) });
    const pauses: number[] = [];
    client.on("reconnecting", ({ delayMs }) => pauses.push(delayMs));
    const started = client.start();
    const peers: RawPeer[] = [];
    for (let moves = 0; moves < 12; moves++) {
      const peer = await hostile.nextClient();
      await started;
      peers.push(peer);
      if (client.state !== "online") await nextEvent(client, "connected");
      const asked = nextEvent(client, "reconnecting");
      peer.send(goaway);
      await asked;
      vi.advanceTimersByTime(pauses.at(-1) ?? 0);
    }
    expect(pauses[0]).toBe(0);
    for (const pause of pauses.slice(1)) expect(pause).toBeGreaterThan(0);
    for (const peer of peers.slice(0, 4)) expect((await peer.closed).code).toBe(1000);
    expect(peers.slice(4).every(({ ws }) => ws.readyState === ws.OPEN)).toBe(true);
  });
});
