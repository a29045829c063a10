import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { TunnelError } from "mcp-tunnel-protocol";
import { V1RelaySession } from "mcp-tunnel-protocol/sessions";
import type { V1Options } from "mcp-tunnel-protocol/sessions";
import { RawPeer, listener, owner } from "./support/raw-peer.js";
import { END, ack, describe as inWords, frame, parse, types } from "./support/wire.js";

const { RESPONSE, DATA, GOAWAY } = types;
const get = { method: "GET", path: "/", headers: [] };
const seconds = 1_000;

beforeEach(() => {
  vi.useFakeTimers({
    toFake: ["setTimeout", "clearTimeout", "setImmediate", "clearImmediate", "performance"],
  });
});
afterEach(() => {
  vi.useRealTimers();
});

/** A peer that answers pings after `pongMs`, until it is `dead`: then no message arrives anywhere. */
function pongingPeer(pongMs = 20) {
  const peer = new RawPeer();
  const pings: number[] = [];
  const state = { dead: false };
  peer.sessionLink.ping = () => {
    pings.push(performance.now());
    setTimeout(() => {
      if (!state.dead) peer.sessionLink.handler?.onPong?.();
    }, pongMs);
  };
  return { peer, pings, state };
}

function relayOver(peer: RawPeer, options: V1Options = {}) {
  const told = owner();
  const relay = new V1RelaySession(told, options);
  relay.attach(peer.sessionLink, 0);
  return { relay, told };
}

function said(peer: RawPeer): string[] {
  vi.advanceTimersByTime(0);
  peer.link.deliverAll();
  return inWords(parse(Buffer.concat(peer.messages.splice(0))));
}

describe("a link", () => {
  it("is pinged every 15 s, and kept for ever while it answers", () => {
    const { peer, pings } = pongingPeer();
    const start = performance.now();
    const { relay, told } = relayOver(peer);
    const heard = listener();
    relay.open(get, true, heard);
    peer.send(frame(RESPONSE, 1, "200\nContent-Type\ntext/event-stream"));
    vi.advanceTimersByTime(600 * seconds);
    // Ten minutes of silence on an event stream.
    expect(heard.seen).toEqual(["head 200"]);
    expect(told.events).toEqual([]);
    expect(relay.rttMs).toBe(20);
    expect(pings.length).toBe(41);
    for (const [i, at] of pings.entries()) expect(at - start).toBeCloseTo(i * 15 * seconds, 0);
    relay.close(1000, "");
  });

  it("that has gone silent is dropped 10 s after a ping, and the session is kept", () => {
    const { peer, pings, state } = pongingPeer();
    const { relay, told } = relayOver(peer);
    const heard = listener();
    const stream = relay.open(get, false, heard);
    vi.advanceTimersByTime(31 * seconds);
    state.dead = true;
    vi.advanceTimersByTime(24 * seconds - 1);
    expect(told.events).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(told.events).toEqual(["detached timeout"]);
    expect(performance.now() - (pings.at(-1) ?? 0)).toBe(10 * seconds);
    expect(peer.sessionLink.closed?.code).toBe(1006);
    expect([relay.attached, relay.closed, relay.streamCount]).toEqual([false, false, 1]);
    expect(heard.seen).toEqual([]);
    vi.advanceTimersByTime(0);
    expect(vi.getTimerCount()).toBe(0);

    const next = pongingPeer();
    relay.attach(next.peer.sessionLink, 0);
    stream.write(Buffer.from("still here"));
    expect(said(next.peer)).toEqual(['REQUEST 1 "GET\\n/"', 'DATA 1 "still here"']);
    relay.close(1000, "");
  });

  it("that is busy is not cut, though its pongs wait behind the data", () => {
    const { peer, state } = pongingPeer();
    state.dead = true;
    const { relay, told } = relayOver(peer);
    const stream = relay.open(get, true, listener({ onData: (chunk) => stream.consumed(chunk.length) }));
    peer.send(frame(RESPONSE, 1, "200"));
    for (let i = 0; i < 60; i++) {
      vi.advanceTimersByTime(5 * seconds);
      peer.send(frame(DATA, 1, Buffer.alloc(10_000)));
    }
    expect(told.events).toEqual([]);
    // A part of a frame is a sign of life, too.
    for (let i = 0; i < 60; i++) {
      vi.advanceTimersByTime(5 * seconds);
      peer.sendMessage(i === 0 ? frame(DATA, 1, "", 1_000) : Buffer.from("x"));
    }
    expect(told.events).toEqual([]);
    vi.advanceTimersByTime(25 * seconds);
    expect(told.events).toEqual(["detached timeout"]);
    relay.destroy(new TunnelError("session_lost", "gave up"));
  });

  it("is probed when asked, with a deadline of its own", () => {
    const { peer, pings, state } = pongingPeer();
    const { relay, told } = relayOver(peer);
    vi.advanceTimersByTime(1 * seconds);
    relay.probe(500);
    expect(pings.length).toBe(2);
    vi.advanceTimersByTime(1 * seconds);
    expect(told.events).toEqual([]);
    state.dead = true;
    relay.probe(500);
    vi.advanceTimersByTime(500);
    expect(told.events).toEqual(["detached timeout"]);
    // Without a link there is nothing to probe.
    relay.probe(500);
    expect(pings.length).toBe(3);
    relay.destroy(new TunnelError("session_lost", "gave up"));
  });

  it("is not measured short when a probe overtakes a pong", () => {
    const { peer } = pongingPeer(100);
    const { relay } = relayOver(peer);
    vi.advanceTimersByTime(90);
    relay.probe();
    vi.advanceTimersByTime(10);
    expect(relay.rttMs).toBe(100);
    vi.advanceTimersByTime(1 * seconds);
    expect(relay.rttMs).toBe(100);
    relay.close(1000, "");
  });

  it("is not watched when that is turned off", () => {
    const { peer, pings, state } = pongingPeer();
    state.dead = true;
    const { relay, told } = relayOver(peer, { liveness: { pingIntervalMs: 0 } });
    vi.advanceTimersByTime(600 * seconds);
    expect(pings).toEqual([]);
    expect(told.events).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
    relay.close(1000, "");
  });
});

describe("an acknowledgement", () => {
  const quiet = { liveness: { pingIntervalMs: 0 } };

  it("comes three seconds after what it is for, once", () => {
    const peer = new RawPeer();
    const { relay } = relayOver(peer, quiet);
    relay.open(get, true, listener());
    said(peer);
    peer.send(frame(RESPONSE, 1, "200"));
    vi.advanceTimersByTime(2_600);
    peer.send(frame(DATA, 1, "hello"));
    vi.advanceTimersByTime(399);
    expect(said(peer)).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(said(peer)).toEqual([`ACK 0 ${JSON.stringify("\0".repeat(7) + "\u0018")}`]);
    vi.advanceTimersByTime(3 * seconds);
    expect(said(peer)).toEqual([]);
    // No ACK is sent for an ACK.
    peer.send(ack(13));
    vi.advanceTimersByTime(3 * seconds);
    expect(said(peer)).toEqual([]);
    relay.close(1000, "");
  });

  it("leaves before the next batch, once it has been owed for half a second", () => {
    const peer = new RawPeer();
    const { relay } = relayOver(peer, quiet);
    relay.open(get, true, listener());
    said(peer);
    peer.send(frame(RESPONSE | END, 1, "200"));
    vi.advanceTimersByTime(499);
    relay.open(get, true, listener());
    expect(said(peer)).toEqual(['REQUEST+END 2 "GET\\n/"']);
    vi.advanceTimersByTime(1);
    relay.open(get, true, listener());
    const acked = `ACK 0 ${JSON.stringify("\0".repeat(7) + "\u000b")}`;
    expect(said(peer)).toEqual([acked, 'REQUEST+END 3 "GET\\n/"']);
    vi.advanceTimersByTime(3 * seconds);
    expect(said(peer)).toEqual([]);
    relay.close(1000, "");
  });

  it("comes 100 ms after it, once the peer is leaving", () => {
    const peer = new RawPeer();
    const { relay } = relayOver(peer, quiet);
    relay.open(get, true, listener());
    said(peer);
    peer.send(frame(RESPONSE, 1, "200"));
    vi.advanceTimersByTime(500);
    peer.send(frame(GOAWAY, 0, ""));
    vi.advanceTimersByTime(99);
    expect(said(peer)).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(said(peer)).toEqual([`ACK 0 ${JSON.stringify("\0".repeat(7) + "\u0013")}`]);
    peer.send(frame(DATA, 1, "hello"));
    vi.advanceTimersByTime(100);
    expect(said(peer).length).toBe(1);
    relay.close(1000, "");
    vi.advanceTimersByTime(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("comes earlier where many tunnels together make their peers keep too much", () => {
    const pairs = Array.from({ length: 100 }, () => {
      const peer = new RawPeer();
      const { relay } = relayOver(peer, quiet);
      relay.open(get, true, listener());
      said(peer);
      return { peer, relay };
    });
    const counts = (): number[] => pairs.map(({ peer }) => said(peer).length);
    // 80 of them make 8 MiB and a little.
    for (const { peer } of pairs.slice(0, 80)) {
      peer.send(frame(RESPONSE, 1, "200"), frame(DATA, 1, Buffer.alloc(104_800)));
    }
    expect(counts()).toEqual(pairs.map(() => 0));
    for (const { peer } of pairs.slice(80)) {
      peer.send(frame(RESPONSE, 1, "200"), frame(DATA, 1, Buffer.alloc(104_800)));
    }
    // The first of them, which have waited longest.
    expect(counts()).toEqual(pairs.map((_, i) => (i < 20 ? 1 : 0)));
    vi.advanceTimersByTime(3 * seconds);
    expect(counts()).toEqual(pairs.map((_, i) => (i < 20 ? 0 : 1)));
    for (const { relay } of pairs) relay.close(1000, "");
    vi.advanceTimersByTime(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("of one tunnel does not wait for that of another", () => {
    const [first, second] = [new RawPeer(), new RawPeer()];
    const relays = [first, second].map((peer) => relayOver(peer, quiet).relay);
    for (const relay of relays) relay.open(get, true, listener());
    said(first);
    said(second);
    first.send(frame(RESPONSE, 1, "200"));
    vi.advanceTimersByTime(400);
    second.send(frame(RESPONSE, 1, "200"));
    vi.advanceTimersByTime(2_600);
    expect([said(first).length, said(second).length]).toEqual([1, 0]);
    vi.advanceTimersByTime(400);
    expect([said(first).length, said(second).length]).toEqual([0, 1]);
    for (const relay of relays) relay.close(1000, "");
  });

  it("comes at once after 131,072 bytes", () => {
    const peer = new RawPeer();
    const { relay } = relayOver(peer, quiet);
    relay.open(get, true, listener());
    said(peer);
    peer.send(frame(RESPONSE, 1, "200"), frame(DATA, 1, Buffer.alloc(131_072 - 11 - 8 - 1)));
    expect(said(peer)).toEqual([]);
    peer.send(frame(DATA, 1, "x"));
    expect(said(peer).map((text) => text.split(" ")[0])).toEqual(["ACK"]);
    vi.advanceTimersByTime(3 * seconds);
    expect(said(peer)).toEqual([]);
    relay.close(1000, "");
  });

  it("is not sent again over the next link, which began with it", () => {
    const peer = new RawPeer();
    const { relay } = relayOver(peer, quiet);
    relay.open(get, true, listener());
    said(peer);
    peer.send(frame(RESPONSE, 1, "200"));
    relay.detach(new TunnelError("session_lost", "cut"));
    const next = new RawPeer();
    relay.attach(next.sessionLink, 0);
    vi.advanceTimersByTime(3 * seconds);
    expect(said(next)).toEqual(['REQUEST+END 1 "GET\\n/"']);
    relay.close(1000, "");
  });
});

describe("no timer is left behind", () => {
  it.each<[string, (relay: V1RelaySession, peer: RawPeer) => void]>([
    ["by close", (relay) => relay.close(1000, "")],
    ["by destroy", (relay) => relay.destroy(new TunnelError("session_lost", "gave up"))],
    ["by detach", (relay) => relay.detach(new TunnelError("session_lost", "cut"))],
    ["by a violation", (_relay, peer) => peer.sendMessage("text")],
    ["when the peer closes", (_relay, peer) => peer.link.close(1000, "")],
    ["when the link breaks", (_relay, peer) => peer.link.terminate()],
  ])("%s", (_name, stop) => {
    const peer = new RawPeer();
    const { relay } = relayOver(peer);
    relay.open(get, false, listener()).write(Buffer.from("x"));
    // An acknowledgement is due, and a ping has not been answered.
    peer.send(frame(RESPONSE | END, 1, "200"));
    stop(relay, peer);
    vi.advanceTimersByTime(0);
    expect(vi.getTimerCount()).toBe(0);
    expect(relay.attached).toBe(false);
  });
});

describe("a link that was lost before it was attached", () => {
  it("does not take its successor down", () => {
    const { relay, told } = relayOver(new RawPeer(), { liveness: { pingIntervalMs: 0 } });
    const gone = new RawPeer();
    relay.attach(gone.sessionLink, 0);
    const late = gone.sessionLink.handler;
    const next = new RawPeer();
    relay.attach(next.sessionLink, 0);
    late?.onClose(1006, "");
    expect(relay.attached).toBe(true);
    expect(told.events).toEqual([]);
    relay.close(1000, "");
  });
});

describe("how the link was closed", () => {
  // PROTOCOL.md section 9.
  it.each<[number, string]>([
    [1000, "closed session_closed 1000"],
    [1001, "closed session_closed 1001"],
    [1002, "closed protocol_error 1002"],
    [1006, "detached session_lost"],
    [1009, "closed protocol_error 1009"],
    [1011, "detached session_lost"],
    [4001, "closed refused 4001"],
    [4002, "closed evicted 4002"],
  ])("%i by the client: %s", (code, expected) => {
    const peer = new RawPeer();
    const { relay, told } = relayOver(peer, { liveness: { pingIntervalMs: 0 } });
    peer.link.close(code, "");
    vi.advanceTimersByTime(0);
    expect(told.events).toEqual([expected]);
    relay.close(1000, "");
  });
});
