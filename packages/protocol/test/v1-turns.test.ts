import { describe, expect, it } from "vitest";
import type { StreamHandler } from "mcp-tunnel-protocol";
import { clientWithRawRelay, listener, relayWithRawClient, turn } from "./support/raw-peer.js";
import { END, frame, reset, types } from "./support/wire.js";

/**
 * The attack: one message holds two million frames, each of which is legal and costs something. The rest of
 * the process waits until all are dealt with.
 *
 * The defence: after a few milliseconds the rest waits for another turn of the event loop, and the link with
 * it.
 */
const mebibyte = 1_048_576;

/** The frame, as often as it fits into `bytes`. */
function filled(one: Buffer, bytes: number): Buffer {
  return Buffer.alloc(Math.floor(bytes / one.length) * one.length, one);
}

const get = { method: "GET", path: "/", headers: [] };

describe("a message full of frames", () => {
  const floods: [string, Buffer][] = [
    ["interim heads", frame(types.INTERIM, 1, "102")],
    ["interim heads with many fields", frame(types.INTERIM, 1, `103${"\na\n".repeat(2_048)}`)],
    ["BLOCKED", frame(types.BLOCKED, 1)],
    ["resets of a stream that is over", reset(2, 1)],
  ];

  it.each(floods)(
    "%s: lets everything else have its turn meanwhile, and is dealt with in whole",
    async (_, one) => {
      const { relay, peer, told } = relayWithRawClient();
      relay.open(get, true, listener());
      relay.open(get, true, { onData() {}, onEnd() {}, onReset() {} });
      peer.send(reset(2, 1));
      const before = relay.received;
      const flood = filled(one, 4 * mebibyte);
      peer.send(flood);
      expect(relay.received).toBeLessThan(before + flood.length);
      // Messages that come on the link meanwhile wait for their turn.
      const last = listener();
      relay.open(get, true, last);
      peer.send(frame(types.RESPONSE | END, 3, "200"));
      let turns = 0;
      for (; relay.received < before + flood.length; turns++) await turn();
      expect(turns).toBeGreaterThan(2);
      peer.sessionLink.deliverAll();
      await turn();
      expect(last.seen).toEqual(["head 200 end", "end"]);
      expect(told.events).toEqual([]);
    },
  );

  it("requests that are reset at once reach the client's service a few at a time", async () => {
    let accepted = 0;
    const { client, peer } = clientWithRawRelay({}, (): StreamHandler => {
      accepted += 1;
      return listener();
    });
    const pairs: Buffer[] = [];
    for (let id = 1; id <= 100_000; id++) pairs.push(frame(types.REQUEST | END, id, "GET\n/"), reset(id, 1));
    peer.sendMessage(Buffer.concat(pairs));
    expect(accepted).toBeLessThan(100_000);
    while (accepted < 100_000) await turn();
    expect(client.streamCount).toBe(0);
  });

  it("a link that is lost meanwhile takes the rest with it: the peer has not been told that it arrived", async () => {
    const { relay, peer } = relayWithRawClient();
    relay.open(get, true, listener());
    peer.send(filled(frame(types.INTERIM, 1, "102"), 4 * mebibyte));
    const { received } = relay;
    peer.link.terminate();
    for (let i = 0; i < 20; i++) await turn();
    expect(relay.received).toBe(received);
    expect(relay.attached).toBe(false);
  });

  it("a violation behind it still ends the session", async () => {
    const { relay, peer, told } = relayWithRawClient();
    relay.open(get, true, listener());
    peer.send(filled(frame(types.INTERIM, 1, "102"), 4 * mebibyte), frame(types.DATA, 99, "x"));
    while (!relay.closed) await turn();
    await turn();
    expect(told.events).toEqual(["closed protocol_error"]);
    expect(peer.closed?.code).toBe(1002);
  });
});

describe("what nobody needs", () => {
  it("interim heads are not sent once a relay acknowledges nothing, and do not end the session", async () => {
    const { client, peer, streams } = clientWithRawRelay({ maxUnacknowledgedBytes: 65_536 });
    peer.send(frame(types.REQUEST | END, 1, "GET\n/"));
    const stream = streams.get(1)?.stream;
    for (let i = 0; i < 200; i++) {
      for (let j = 0; j < 100; j++) stream?.sendInterim({ status: 103, headers: ["Link", "x".repeat(100)] });
      await turn();
    }
    expect(client.unacknowledgedBytes).toBeLessThan(2 * 65_536);
    stream?.sendHead({ status: 200, headers: [] }, true);
    expect((await peer.frames()).at(-1)?.type).toBe(types.RESPONSE);
  });

  it("but the first of a stream is always sent: a body may wait for it", async () => {
    const { peer, streams } = clientWithRawRelay({ maxUnacknowledgedBytes: 1_000 });
    peer.send(frame(types.REQUEST | END, 1, "GET\n/"), frame(types.REQUEST, 2, "POST\n/"));
    streams.get(1)?.stream.sendHead({ status: 200, headers: [] });
    streams.get(1)?.stream.write(Buffer.alloc(2_000));
    await peer.frames();
    streams.get(2)?.stream.sendInterim({ status: 100, headers: [] });
    streams.get(2)?.stream.sendInterim({ status: 103, headers: [] });
    const interim = (await peer.frames()).filter(({ type }) => type === types.INTERIM);
    expect(interim.map(({ payload }) => payload.toString())).toEqual(["100"]);
  });

  it("heads of requests that are open count among what is queued", async () => {
    const { client, peer, streams } = clientWithRawRelay({ maxQueuedBytes: mebibyte });
    const large = `GET\n/\nx\n${"x".repeat(200_000)}`;
    for (let id = 1; id <= 20; id++) peer.send(frame(types.REQUEST | END, id, large));
    await turn();
    expect(client.streamCount).toBe(5);
    expect(client.queuedBytes).toBeLessThanOrEqual(mebibyte);
    for (const { stream } of streams.values()) stream.sendHead({ status: 200, headers: [] }, true);
    expect(client.streamCount).toBe(0);
    expect(client.queuedBytes).toBe(0);
  });
});
