import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { TunnelError } from "mcp-tunnel-protocol";
import { V1ClientSession, V1RelaySession } from "mcp-tunnel-protocol/sessions";
import type { AcceptedStream } from "mcp-tunnel-protocol";
import type { V1Options } from "mcp-tunnel-protocol/sessions";
import { network } from "./support/network.js";
import { RawPeer, clientWithRawRelay, listener, owner, relayWithRawClient } from "./support/raw-peer.js";
import { END, ack, credit, describe as inWords, frame, parse, reset, types } from "./support/wire.js";

const { REQUEST, RESPONSE, DATA, BLOCKED } = types;
const get = { method: "GET", path: "/", headers: [] };
const kiB = 1_024;

beforeEach(() => {
  vi.useFakeTimers({
    toFake: ["setTimeout", "clearTimeout", "setImmediate", "clearImmediate", "performance"],
  });
});
afterEach(() => {
  vi.useRealTimers();
});

/**
 * Some turns of the event loop, over which a session sends frames that are too many for one turn. The fake
 * clock gives each a millisecond.
 */
function turns(): void {
  vi.advanceTimersByTime(20);
}

/** The frames that the session has sent since the last call, in words. */
function said(peer: RawPeer): string[] {
  turns();
  peer.link.deliverAll();
  return inWords(parse(Buffer.concat(peer.messages.splice(0))));
}

describe("credit", () => {
  it("bounds what is sent to a peer that does not pass it on", () => {
    const { relay, peer } = relayWithRawClient({ sendWindow: 64 * kiB });
    const heard = listener();
    const stream = relay.open(get, false, heard);
    said(peer);
    let sent = 0;
    const count = () => {
      turns();
      peer.link.deliverAll();
      for (const { type, payload } of parse(Buffer.concat(peer.messages.splice(0)))) {
        if (type === DATA) sent += payload.length;
      }
      return sent;
    };
    for (let i = 0; i < 100; i++) stream.write(Buffer.alloc(10_000));
    expect(count()).toBe(64 * kiB);
    peer.send(credit(1, 1));
    expect(count()).toBe(64 * kiB + 1);
    peer.send(credit(1, 500_000));
    expect(count()).toBe(64 * kiB + 500_001);
    expect(heard.seen).toEqual([]);
    peer.send(credit(1, 1_000_000));
    expect(count()).toBe(1_000_000);
    expect(heard.seen).toEqual(["drain"]);
  });

  it("is returned in lots of half a first window, for what was passed on", () => {
    const { client, peer, streams } = clientWithRawRelay({ receiveWindow: 1_000 });
    peer.send(frame(REQUEST, 1, "POST\n/"), frame(DATA, 1, Buffer.alloc(900)));
    const stream = streams.get(1)?.stream as AcceptedStream;
    stream.consumed(499);
    expect(said(peer)).toEqual([]);
    stream.consumed(1);
    expect(said(peer)).toEqual(['CREDIT 1 "\\u0000\\u0000\\u0001ô"']);
    // Credit for more bytes than there were is not returned.
    stream.consumed(100_000);
    peer.send(frame(DATA, 1, Buffer.alloc(600)));
    stream.consumed(100);
    expect(said(peer)).toEqual(['CREDIT 1 "\\u0000\\u0000\\u0001ô"']);
    expect(client.queuedBytes).toBeGreaterThanOrEqual(500);
    expect(client.queuedBytes).toBeLessThanOrEqual(500 + 256);
    // No credit is returned for a direction that has ended.
    peer.send(frame(DATA | END, 1, Buffer.alloc(500)));
    stream.consumed(1_000);
    expect(said(peer)).toEqual([]);
    expect(client.queuedBytes).toBe(0);
  });

  it("is missed with BLOCKED, once each time, also when nothing is left to send", () => {
    const { relay, peer } = relayWithRawClient({ sendWindow: 100 });
    const heard = listener();
    const stream = relay.open(get, false, heard);
    said(peer);
    stream.write(Buffer.alloc(60));
    expect(stream.write(Buffer.alloc(40))).toBe(false);
    stream.write(Buffer.alloc(20));
    expect(said(peer).map((text) => text.split(" ")[0])).toEqual(["DATA", "DATA", "BLOCKED"]);
    // The queue runs out together with the credit.
    peer.send(credit(1, 20));
    expect(said(peer)).toEqual(['DATA 1 "' + "\\u0000".repeat(20) + '"', 'BLOCKED 1 ""']);
    expect(heard.seen).toEqual([]);
    peer.send(credit(1, 1));
    expect(said(peer)).toEqual([]);
    expect(heard.seen).toEqual(["drain"]);
  });
});

/**
 * A download over a network, read as fast as `bytesPerMs` allows. Returns the time that it took, and the most
 * bytes that were held.
 */
function transfer(options: {
  streams: number;
  bytes: number;
  delayMs: number;
  linkBytesPerMs: number;
  readBytesPerMs?: number;
  limits: V1Options;
}) {
  const liveness = { pingIntervalMs: 15_000 };
  const opened: AcceptedStream[] = [];
  const relay = new V1RelaySession(owner(), { ...options.limits, liveness });
  let sent = 0;
  const client = new V1ClientSession(
    (stream) => {
      opened.push(stream);
      let left = options.bytes;
      const produce = () => {
        while (left > 0) {
          const size = Math.min(left, 16 * kiB);
          left -= size;
          sent += size;
          if (!stream.write(Buffer.alloc(size))) return;
        }
        stream.end();
      };
      stream.sendHead({ status: 200, headers: [] });
      produce();
      return listener({ onDrain: produce });
    },
    owner(),
    { ...options.limits, liveness },
  );
  const [left, right] = network(options.delayMs, options.linkBytesPerMs);
  relay.attach(left, 0);
  client.attach(right, 0);
  // The first pong comes: only then is the round trip known.
  vi.advanceTimersByTime(2 * options.delayMs + 1);

  function run() {
    const startedAt = performance.now();
    let [done, consumed, queuedMost, outMost] = [0, 0, 0, 0];
    sent = 0;
    const readers: { stream: { consumed(bytes: number): void }; waiting: number }[] = [];
    for (let i = 0; i < options.streams; i++) {
      const reader = { stream: { consumed(_bytes: number) {} }, waiting: 0 };
      const handler = listener({
        onData: (chunk) => {
          if (options.readBytesPerMs !== undefined) {
            reader.waiting += chunk.length;
            return;
          }
          consumed += chunk.length;
          reader.stream.consumed(chunk.length);
        },
        onEnd: () => (done += 1),
      });
      reader.stream = relay.open(get, true, handler);
      readers.push(reader);
    }
    const read = () => {
      for (const reader of readers) {
        const bytes = Math.min(reader.waiting, options.readBytesPerMs ?? 0);
        reader.waiting -= bytes;
        consumed += bytes;
        if (bytes > 0) reader.stream.consumed(bytes);
      }
    };
    while (done < options.streams && performance.now() - startedAt < 60_000) {
      vi.advanceTimersByTime(1);
      read();
      queuedMost = Math.max(queuedMost, relay.queuedBytes);
      // Bytes that the client has written and the relay has not passed on; the last chunk of each stream may
      // wait at the client.
      outMost = Math.max(outMost, sent - consumed - options.streams * 16 * kiB);
    }
    const tookMs = performance.now() - startedAt;
    while (readers.some((reader) => reader.waiting > 0)) read();
    return { done, tookMs, queuedMost, outMost };
  }
  const close = () => {
    relay.close(1000, "");
    client.close(1000, "");
  };
  return { run, close, relay };
}

describe("a window", () => {
  const limits = { receiveWindow: 64 * kiB, sendWindow: 64 * kiB };
  const far = { streams: 1, bytes: 10_000_000, delayMs: 50, linkBytesPerMs: 10_000, limits };

  it("grows to the link's bandwidth and delay when the receiver keeps up", () => {
    const { run, close } = transfer(far);
    const { done, tookMs, outMost } = run();
    close();
    expect(done).toBe(1);
    // 64 KiB for each round trip would take 15 s, the link alone 1 s.
    expect(tookMs).toBeLessThan(2_000);
    // Bandwidth x delay is 1 MB, half of it on the way; four times that is enough.
    expect(outMost).toBeGreaterThan(500_000);
    expect(outMost).toBeLessThan(4.5 * 1_000_000);
  });

  it("stays as it is when the receiver is what holds the transfer back", () => {
    const { run, close } = transfer({ ...far, bytes: 2_000_000, readBytesPerMs: 200 });
    const { done, outMost, queuedMost } = run();
    close();
    expect(done).toBe(1);
    expect(outMost).toBeLessThanOrEqual(64 * kiB);
    // 256 bytes are counted for every chunk.
    expect(queuedMost).toBeLessThanOrEqual(64 * kiB * 1.1);
  });

  it("stays as it is on a link without delay", () => {
    const { run, close } = transfer({ ...far, delayMs: 0.5 });
    const { done, tookMs, outMost } = run();
    close();
    expect(done).toBe(1);
    expect(tookMs).toBeLessThan(2_000);
    expect(outMost).toBeLessThan(4.5 * 10_000 + 64 * kiB);
  });

  it("grows within what all streams share, and gives it back", () => {
    const growth = { ...limits, maxWindowGrowthBytes: 256 * kiB };
    const { run, close, relay } = transfer({ ...far, streams: 4, bytes: 3_000_000, limits: growth });
    const [first, second] = [run(), run()];
    close();
    for (const { done, outMost } of [first, second]) {
      expect(done).toBe(4);
      expect(outMost).toBeGreaterThan(300 * kiB);
      expect(outMost).toBeLessThanOrEqual(4 * 64 * kiB + 256 * kiB);
    }
    expect(second.tookMs).toBeLessThan(1.2 * first.tookMs);
    expect(relay.streamCount).toBe(0);
  });

  it("does not grow for a peer that only says that it is blocked", () => {
    const { client, peer, streams } = clientWithRawRelay({ ...limits, maxWindowGrowthBytes: 100_000 });
    peer.send(frame(REQUEST, 1, "POST\n/"));
    for (let i = 0; i < 100; i++) {
      peer.send(frame(BLOCKED, 1), frame(DATA, 1, "x"), frame(BLOCKED, 1));
      streams.get(1)?.stream.consumed(1);
    }
    const granted = parse(Buffer.concat(peer.messages))
      .filter(({ type }) => type === types.CREDIT)
      .reduce((sum, { payload }) => sum + payload.readUInt32BE(), 0);
    expect(granted).toBeLessThanOrEqual(100);
    expect(client.streamCount).toBe(1);
  });
});

describe("what is not acknowledged", () => {
  const limit = 100_000;

  it("stops bodies and new streams until it is", () => {
    const { relay, peer } = relayWithRawClient({ sendWindow: 10_000_000, maxUnacknowledgedBytes: limit });
    const heard = listener();
    const stream = relay.open(get, false, heard);
    let written = 0;
    while (stream.write(Buffer.alloc(10_000))) written += 10_000;
    said(peer);
    expect(written).toBeGreaterThanOrEqual(limit - 10_000);
    expect(relay.unacknowledgedBytes).toBeLessThan(limit + 20_000);
    expect(() => relay.open(get, true, listener())).toThrow(/does not acknowledge/);
    peer.send(credit(1, 1_000_000));
    expect(said(peer)).toEqual([]);
    peer.send(ack(relay.unacknowledgedBytes));
    expect(said(peer)).toEqual(["DATA 1 10000 bytes"]);
    expect(heard.seen).toEqual(["drain"]);
    relay.open(get, true, listener());
    relay.close(1000, "");
  });

  it("ends the session when what does not wait goes on piling up", () => {
    const { client, peer, told } = clientWithRawRelay({ maxUnacknowledgedBytes: limit }, (stream) => {
      stream.sendHead({ status: 200, headers: ["A", "x".repeat(10_000)] });
      return listener();
    });
    for (let id = 1; !client.closed && id < 1_000; id++) {
      peer.send(frame(REQUEST | END, id, "GET\n/"), reset(id, 1));
      vi.advanceTimersByTime(0);
    }
    expect(told.events).toEqual(["closed overloaded"]);
    expect(peer.closed?.code).toBe(1006);
  });
});

describe("what is queued over all streams", () => {
  const overhead = 256;

  it("costs the stream with the most of it, and no other", async () => {
    const { relay, peer, told } = relayWithRawClient({ maxQueuedBytes: 100_000 });
    const heard = [listener(), listener(), listener()];
    for (const handler of heard) relay.open(get, true, handler);
    for (const id of [1, 2, 3]) peer.send(frame(RESPONSE, id, "200"));
    peer.send(frame(DATA, 1, Buffer.alloc(30_000)), frame(DATA, 2, Buffer.alloc(45_000)));
    peer.send(frame(DATA, 3, Buffer.alloc(20_000)));
    expect(relay.queuedBytes).toBe(95_000 + 3 * overhead);
    peer.send(frame(DATA, 3, Buffer.alloc(10_000)));
    await Promise.resolve();
    expect(heard.map(({ seen }) => seen.at(-1))).toEqual(["data 30000", "reset overloaded", "data 10000"]);
    expect(relay.queuedBytes).toBe(60_000 + 3 * overhead);
    expect(said(peer).at(-1)).toMatch(/^RESET 2 /);
    expect(told).toMatchObject({ events: [], faults: [] });
  });

  it("may cost the stream that is receiving", async () => {
    const { relay, peer } = relayWithRawClient({ maxQueuedBytes: 50_000 });
    const heard = listener();
    relay.open(get, true, heard);
    peer.send(frame(RESPONSE, 1, "200"), frame(DATA, 1, Buffer.alloc(60_000)), frame(DATA | END, 1, "x"));
    await Promise.resolve();
    expect(heard.seen).toEqual(["head 200", "reset overloaded"]);
    expect([relay.streamCount, relay.queuedBytes]).toEqual([0, 0]);
  });

  it("is not got around with single bytes", async () => {
    const { relay, peer } = relayWithRawClient({ maxQueuedBytes: 100_000 });
    const heard = listener();
    relay.open(get, true, heard);
    peer.send(frame(RESPONSE, 1, "200"));
    for (let i = 0; i < 1_000; i++) peer.send(frame(DATA, 1, "x"));
    await Promise.resolve();
    expect(heard.seen.at(-1)).toBe("reset overloaded");
    expect(heard.seen.length).toBeLessThan(100_000 / overhead + 3);
    expect(relay.queuedBytes).toBe(0);
  });

  it("counts what a finished stream has not passed on, and may cost it", async () => {
    const { relay, peer } = relayWithRawClient({ maxQueuedBytes: 100_000 });
    const [slow, other] = [listener(), listener()];
    relay.open(get, true, slow);
    relay.open(get, true, other);
    peer.send(frame(RESPONSE, 1, "200"), frame(DATA | END, 1, Buffer.alloc(80_000)));
    expect(relay.streamCount).toBe(1);
    expect(relay.queuedBytes).toBe(80_000 + overhead);
    peer.send(frame(RESPONSE, 2, "200"), frame(DATA, 2, Buffer.alloc(30_000)));
    await Promise.resolve();
    expect(slow.seen).toEqual(["head 200", "data 80000 last", "end", "reset overloaded"]);
    expect(other.seen).toEqual(["head 200", "data 30000"]);
    expect(relay.queuedBytes).toBe(30_000 + overhead);
    expect(said(peer).filter((text) => text.startsWith("RESET"))).toEqual([]);
  });

  it("does not keep whole messages for the sake of single bytes", () => {
    const { relay, peer } = relayWithRawClient();
    const kept = new Map<number, Buffer>();
    for (const id of [1, 2, 3]) {
      relay.open(get, true, listener({ onData: (chunk) => kept.set(id, chunk) }));
      peer.send(frame(RESPONSE, id, "200"));
    }
    const keeps = (id: number) => kept.get(id)?.buffer.byteLength;
    const ballast = (length: number) => frame(DATA, 3, Buffer.alloc(length));
    peer.send(frame(DATA, 1, "x"), ballast(30_000));
    // The usual case: one slice of one read.
    expect(keeps(1)).toBeGreaterThan(30_000);
    peer.send(frame(DATA, 1, "y"), ballast(30_000));
    expect(keeps(1)).toBeLessThan(16_384);
    peer.send(frame(DATA, 2, "z"), ballast(100_000));
    expect(keeps(2)).toBeLessThan(16_384);
    // A payload that makes up most of its message is never copied.
    expect(keeps(3)).toBeGreaterThan(100_000);
    expect([1, 2, 3].map((id) => kept.get(id)?.at(0))).toEqual([121, 122, 0]);
  });

  it("goes down to nothing however it is passed on", () => {
    const { relay, peer } = relayWithRawClient();
    const stream = relay.open(get, true, listener());
    peer.send(frame(RESPONSE, 1, "200"));
    for (let i = 1; i <= 50; i++) peer.send(frame(DATA, 1, Buffer.alloc(i)));
    for (let left = 1_275; left > 0; left -= 7) {
      expect(relay.queuedBytes).toBeGreaterThanOrEqual(left);
      stream.consumed(7);
    }
    expect(relay.queuedBytes).toBe(0);
  });
});

describe("a congested link", () => {
  /** A relay whose link holds all messages back until `transmit`. */
  function congested() {
    const { relay, peer } = relayWithRawClient({ sendWindow: 100_000_000 });
    const link = peer.sessionLink;
    const send = link.send.bind(link);
    link.send = (message) => {
      link.bufferedBytes += message.length;
      send(message);
    };
    const transmit = () => {
      link.bufferedBytes = 0;
      link.handler?.onDrain?.();
      turns();
    };
    return { relay, peer, link, transmit };
  }

  it("gives turns to streams that have much to send", () => {
    const { relay, peer, transmit } = congested();
    const heard = [listener(), listener(), listener()];
    const streams = heard.map((handler) => relay.open(get, false, handler));
    // One stream writes a few large chunks, one writes socket-sized chunks, one writes small chunks.
    const sizes = [3_000_000, 65_536, 4_000];
    for (const [i, size] of sizes.entries()) {
      for (let left = 3_000_000; left > 0; left -= size)
        streams[i]?.write(Buffer.alloc(Math.min(size, left)));
    }
    const sent = [0, 0, 0];
    let received = 0;
    const add = () => {
      peer.link.deliverAll();
      for (const { type, stream, payload } of parse(Buffer.concat(peer.messages.splice(0)))) {
        if (type === DATA) sent[stream - 1] = (sent[stream - 1] ?? 0) + payload.length;
        if (type !== types.ACK) received += 8 + payload.length;
      }
      peer.send(ack(received));
      return [...sent];
    };
    // The streams that wrote first have filled the link; from then on all get the same.
    const head = add();
    while (Math.max(...sent) < 3_000_000) {
      transmit();
      const since = add().map((bytes, i) => bytes - (head[i] ?? 0));
      if (Math.max(...sent) < 3_000_000)
        expect(Math.max(...since) - Math.min(...since)).toBeLessThan(200_000);
    }
    for (let rounds = 0; rounds < 40; rounds++) {
      transmit();
      add();
    }
    expect(add()).toEqual([3_000_000, 3_000_000, 3_000_000]);
    for (const { seen } of heard) expect(seen).toEqual(["drain"]);
  });

  it("lets small writes and heads get ahead of what waits", () => {
    const { relay, peer, transmit } = congested();
    const large = relay.open(get, false, listener());
    for (let i = 0; i < 40; i++) large.write(Buffer.alloc(100_000));
    const before = said(peer);
    expect(before.length).toBeLessThan(8);
    const small = relay.open({ ...get, path: "/small" }, false, listener());
    expect(small.write(Buffer.from("hello"))).toBe(true);
    small.end();
    expect(said(peer)).toEqual(['REQUEST 2 "GET\\n/small"', 'DATA+END 2 "hello"']);
    transmit();
    expect(said(peer).length).toBeGreaterThan(0);
  });

  it("is not filled either by what its peer has not acknowledged, as fast as it may seem to take it", () => {
    const { relay, peer, transmit } = congested();
    const large = relay.open(get, false, listener());
    large.write(Buffer.alloc(50_000_000));
    for (let rounds = 0; rounds < 100; rounds++) transmit();
    expect(relay.unacknowledgedBytes).toBeGreaterThan(500_000);
    expect(relay.unacknowledgedBytes).toBeLessThan(2_000_000);
    said(peer);
    // Small chunks go ahead all the same.
    expect(relay.open({ ...get, path: "/small" }, false, listener()).write(Buffer.from("hello"))).toBe(true);
    expect(said(peer)).toEqual(['REQUEST 2 "GET\\n/small"', 'DATA 2 "hello"']);
    peer.send(ack(200_000));
    expect(said(peer).length).toBeGreaterThan(0);
  });

  it("is not filled by one chunk, however large", () => {
    const { relay, link } = congested();
    const stream = relay.open(get, false, listener());
    expect(stream.write(Buffer.alloc(50_000_000))).toBe(false);
    expect(link.bufferedBytes).toBeLessThan(1_000_000);
  });

  it("wakes its writers when another link takes its place", () => {
    const { relay, peer } = relayWithRawClient();
    const heard = listener();
    const stream = relay.open(get, false, heard);
    said(peer);
    peer.send(ack(13));
    relay.detach(new TunnelError("session_lost", "cut"));
    expect(stream.write(Buffer.from("hello"))).toBe(false);
    const next = new RawPeer();
    relay.attach(next.sessionLink, 13);
    expect(said(next)).toEqual(['DATA 1 "hello"']);
    expect(heard.seen).toEqual(["drain"]);
  });
});
