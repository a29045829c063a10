import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { TunnelError } from "mcp-tunnel-protocol";
import { V1ClientSession, V1RelaySession } from "mcp-tunnel-protocol/sessions";
import type { AcceptedStream, TunnelStream } from "mcp-tunnel-protocol";
import { runs } from "./support/fuzz.js";
import { network } from "./support/network.js";
import { RawPeer, listener, owner } from "./support/raw-peer.js";
import { END, UPGRADE, frame, parse, types } from "./support/wire.js";

const kiB = 1_024;
const get = { method: "GET", path: "/", headers: [] };
const post = { method: "POST", path: "/", headers: [] };

beforeEach(() => {
  vi.useFakeTimers({
    toFake: ["setTimeout", "clearTimeout", "setImmediate", "clearImmediate", "performance"],
  });
});
afterEach(() => {
  vi.useRealTimers();
});

/** A link of 320 Mbit/s that holds 8 MB: eight times as much as a stream may send at first. */
const rttMs = 200;
const bytesPerMs = 40_000;
const bodyBytes = 20_000_000;
/** What a transfer takes if nothing but the link holds it up: the request there, the body back. */
const idealMs = rttMs + bodyBytes / bytesPerMs;

/** Writes a body of `bodyBytes`, as far as the stream takes it; to be called again on drain. */
function body(): (stream: TunnelStream) => void {
  const chunk = Buffer.alloc(64 * kiB);
  let left = bodyBytes;
  return (stream) => {
    while (left > 0) {
      const size = Math.min(left, chunk.length);
      left -= size;
      if (!stream.write(chunk.subarray(0, size))) return;
    }
    stream.end();
  };
}

/** A relay and a client far from each other, whose service takes and gives as fast as it can. */
function farEnds() {
  const liveness = { pingIntervalMs: 15_000 };
  const relay = new V1RelaySession(owner(), { liveness });
  const client = new V1ClientSession(
    (stream, { method }) => {
      if (method === "POST") {
        return listener({
          onData: (chunk) => stream.consumed(chunk.length),
          onEnd: () => stream.sendHead({ status: 200, headers: [] }, true),
        });
      }
      stream.sendHead({ status: 200, headers: [] });
      const produce = body();
      produce(stream);
      return listener({ onDrain: () => produce(stream) });
    },
    owner(),
    { liveness },
  );
  let done = 0;

  /** `most`: bytes that the visitor takes in all. It takes everything at once unless this is given. */
  function download(most = Infinity): void {
    let taken = 0;
    const stream = relay.open(
      get,
      true,
      listener({
        onData: ({ length }) => {
          const bytes = Math.min(length, most - taken);
          taken += bytes;
          stream.consumed(bytes);
        },
        onEnd: () => (done += 1),
      }),
    );
  }
  function upload(): void {
    const produce = body();
    const stream = relay.open(
      post,
      false,
      listener({ onHead: () => (done += 1), onDrain: () => produce(stream) }),
    );
    produce(stream);
  }
  /** The time in milliseconds until so many transfers are done. */
  function took(transfers = 1): number {
    const startedAt = performance.now();
    done = 0;
    while (done < transfers && performance.now() - startedAt < 30_000) vi.advanceTimersByTime(1);
    return performance.now() - startedAt;
  }
  function connect(): void {
    relay.detach(new TunnelError("session_lost", "cut"));
    client.detach(new TunnelError("session_lost", "cut"));
    const [left, right] = network(rttMs / 2, bytesPerMs);
    const received = relay.received;
    relay.attach(left, client.received);
    client.attach(right, received);
    // The first pong comes: only then is the round trip known.
    vi.advanceTimersByTime(rttMs + 1);
  }
  connect();
  const close = () => {
    relay.close(1000, "");
    client.close(1000, "");
  };
  return { relay, client, download, upload, took, connect, close };
}

describe("a link that holds more than a first window", () => {
  it("is full after one round trip of the first download", () => {
    const { download, took, close } = farEnds();
    download();
    expect(took()).toBeLessThan(idealMs + 1.1 * rttMs);
    close();
  });

  it("is full after one round trip of every upload", () => {
    const { upload, took, close } = farEnds();
    for (let i = 0; i < 2; i++) {
      upload();
      expect(took()).toBeLessThan(idealMs + 1.1 * rttMs);
    }
    close();
  });

  it("is full from the beginning of a later download", () => {
    const { download, took, close } = farEnds();
    download();
    took();
    download();
    expect(took()).toBeLessThan(idealMs + 0.1 * rttMs);
    close();
  });

  it("is full after one round trip of a first download beside small requests", () => {
    const { relay, client, download, took, close } = farEnds();
    // Some frames are not acknowledged yet when the download begins.
    for (let i = 0; i < 100; i++) relay.open(post, false, listener()).reset("cancelled");
    vi.advanceTimersByTime(100);
    expect(client.received).toBeGreaterThan(1_000);
    download();
    expect(took()).toBeLessThan(idealMs + 1.1 * rttMs);
    close();
  });

  it("is shared by several downloads", () => {
    const { download, took, close } = farEnds();
    for (let i = 0; i < 4; i++) download();
    // Their first windows together are half of what the link holds.
    expect(took(4)).toBeLessThan(rttMs + (4 * bodyBytes) / bytesPerMs + 1.6 * rttMs);
    close();
  });

  it("is full after one round trip on another link, too", () => {
    const { download, upload, took, connect, close } = farEnds();
    download();
    took();
    connect();
    download();
    expect(took()).toBeLessThan(idealMs + 1.1 * rttMs);
    connect();
    upload();
    expect(took()).toBeLessThan(idealMs + 1.1 * rttMs);
    close();
  });

  it("brings little more than a first window for a visitor who turns out to be slow", () => {
    const { relay, download, took, close } = farEnds();
    download();
    took();
    // The buffers of the visitor's connection take the first bytes at once.
    download(3_000_000);
    took();
    const { queuedBytes } = relay;
    expect(queuedBytes).toBeGreaterThan(1_000_000);
    // Half of half of 64 MiB is what a stream may begin with.
    expect(queuedBytes).toBeLessThan(17_000_000 + 256 * 400);
    close();
  });
});

/** The credit that the session has given so far, by stream. */
function granted(messages: Buffer[]): Map<number, number> {
  const all = new Map<number, number>();
  for (const { type, stream, payload } of parse(Buffer.concat(messages))) {
    if (type === types.CREDIT) all.set(stream, (all.get(stream) ?? 0) + payload.readUInt32BE());
  }
  return all;
}

/** A client whose relay is the test, on a link with such a round trip. */
function farClient(options: { maxWindowGrowthBytes?: number; rttMs?: number } = {}) {
  const { rttMs: delayMs = rttMs, ...limits } = options;
  const streams = new Map<number, AcceptedStream>();
  const client = new V1ClientSession(
    (stream) => {
      streams.set(stream.id, stream);
      return listener();
    },
    owner(),
    { ...limits, receiveWindow: 1_000_000 },
  );
  const peer = new RawPeer();
  peer.sessionLink.ping = () => void setTimeout(() => peer.sessionLink.handler?.onPong?.(), delayMs);
  client.attach(peer.sessionLink, 0);
  vi.advanceTimersByTime(delayMs);
  const send = (...frames: Buffer[]) => {
    peer.send(...frames);
    vi.advanceTimersByTime(1);
    peer.link.deliverAll();
  };
  /** An upload of a first window's bytes, which come in 25 ms and are all taken; the stream stays open. */
  const wide = (id: number) => {
    send(frame(types.REQUEST, id, "POST\n/"));
    for (let i = 0; i < 25; i++) send(frame(types.DATA, id, Buffer.alloc(40_000)));
    streams.get(id)?.consumed(1_000_000);
    send(frame(types.BLOCKED, id));
  };
  const credits = () => granted(peer.messages);
  return { client, peer, streams, send, wide, credits };
}

describe("a wide window", () => {
  /** Four times 25 to 26 ms of 40 MB/s and a round trip, beyond the first window. */
  const grown = (1_000_000 / 25) * rttMs * 4 - 1_000_000;

  it("is returned in lots of half the first window", () => {
    const { streams, send, wide, credits, client } = farClient();
    wide(1);
    const before = credits().get(1) ?? 0;
    expect(before).toBeGreaterThan(grown * 0.9);
    send(frame(types.DATA, 1, Buffer.alloc(250_000)), frame(types.DATA, 1, Buffer.alloc(250_000)));
    streams.get(1)?.consumed(499_999);
    send();
    expect(credits().get(1)).toBe(before);
    streams.get(1)?.consumed(1);
    send();
    expect(credits().get(1)).toBe(before + 500_000);
    client.close(1000, "");
  });

  it("narrows to twice what the service leaves on the way, or to the first window", () => {
    const { client, streams, send, wide, credits } = farClient();
    wide(1);
    // The service takes no more, and the relay sends all that it may.
    let sent = 1_000_000;
    const sendAll = () => {
      for (let left = 1_000_000 + (credits().get(1) ?? 0) - sent; left > 0; ) {
        const size = Math.min(left, 200_000);
        send(frame(types.DATA, 1, Buffer.alloc(size)));
        left -= size;
        sent += size;
      }
    };
    sendAll();
    const most = client.queuedBytes;
    expect(most).toBeGreaterThan(grown * 0.9);
    // The service takes 100 KB at a time. What it takes comes back only once the window is narrow.
    for (let taken = 0; taken < 2 * grown; taken += 100_000) {
      streams.get(1)?.consumed(100_000);
      send();
      sendAll();
    }
    expect(client.queuedBytes).toBeLessThan(1_100_000);
    expect(client.queuedBytes).toBeGreaterThan(400_000);
    // The memory is there for others.
    wide(2);
    expect(credits().get(2)).toBeGreaterThan(grown * 0.9);
    client.close(1000, "");
  });

  it("never leaves a peer without credit, however slowly and unevenly its bytes are taken", () => {
    const steps = fc.array(fc.record({ sent: fc.nat(4_000_000), taken: fc.nat(4_000_000) }), {
      maxLength: 40,
    });
    fc.assert(
      fc.property(steps, (plan) => {
        const { client, streams, send, wide, credits } = farClient();
        wide(1);
        let [sent, taken] = [1_000_000, 1_000_000];
        const left = () => 1_000_000 + (credits().get(1) ?? 0) - sent;
        const take = (bytes: number) => {
          streams.get(1)?.consumed(bytes);
          taken += bytes;
          send();
        };
        for (const step of plan) {
          const size = Math.min(step.sent, left());
          for (let rest = size; rest > 0; rest -= 200_000) {
            send(frame(types.DATA, 1, Buffer.alloc(Math.min(rest, 200_000))));
          }
          sent += size;
          take(Math.min(step.taken, sent - taken));
        }
        take(sent - taken);
        expect(client.closed).toBe(false);
        expect(client.queuedBytes).toBe(0);
        expect(left()).toBeGreaterThanOrEqual(500_000);
        client.close(1000, "");
      }),
      runs(30),
    );
  });

  it("is given to the next streams from their beginning, to each half of what is left", () => {
    const { client, send, wide, credits } = farClient({ maxWindowGrowthBytes: 8_000_000 });
    wide(1);
    send(frame(types.RESET, 1, "\0\0"));
    for (const id of [2, 3, 4, 5, 6]) send(frame(types.REQUEST, id, "POST\n/"));
    const given = [2, 3, 4, 5, 6].map((id) => credits().get(id) ?? 0);
    // Half of half of the growth, and so on. Less than a quarter of a mebibyte is not worth a frame.
    expect(given).toEqual([2_000_000, 1_000_000, 500_000, 0, 0]);
    // Streams that end give it back. An upgraded connection, or one without a body, gets nothing.
    for (const id of [2, 3, 4]) send(frame(types.RESET, id, "\0\0"));
    send(frame(types.REQUEST | UPGRADE, 7, "GET\n/"), frame(types.REQUEST | END, 8, "GET\n/"));
    send(frame(types.REQUEST, 9, "POST\n/"));
    expect([7, 8, 9].map((id) => credits().get(id))).toEqual([undefined, undefined, 2_000_000]);
    client.close(1000, "");
  });

  it("is not given to the next streams on a short link", () => {
    const { client, send, wide, credits } = farClient({ rttMs: 50 });
    wide(1);
    expect(credits().get(1)).toBeGreaterThan(2_000_000);
    send(frame(types.RESET, 1, "\0\0"));
    send(frame(types.REQUEST, 2, "POST\n/"));
    expect(credits().get(2)).toBeUndefined();
    client.close(1000, "");
  });
});
