import { describe, expect, it } from "vitest";
import { TunnelError } from "mcp-tunnel-protocol";
import { V1ClientSession, V1RelaySession } from "mcp-tunnel-protocol/sessions";
import type { AcceptedStream, RequestHead, StreamHandler, StreamReset } from "mcp-tunnel-protocol";
import type { V1Options } from "mcp-tunnel-protocol/sessions";
import { linkedPair } from "mcp-tunnel-protocol/testing";
import { RawPeer, listener, owner, relayWithRawClient, turn } from "./support/raw-peer.js";
import { END, ack, describe as inWords, frame, parse, types } from "./support/wire.js";
import type { WireFrame } from "./support/wire.js";

const get = { method: "GET", path: "/", headers: [] };
const post = { ...get, method: "POST" };

/** Records a stream's callbacks, and returns credit at once. */
function recorder(stream: () => { consumed(bytes: number): void }) {
  const seen: string[] = [];
  let body = Buffer.alloc(0);
  let finish = () => {};
  const done = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const handler: StreamHandler = {
    onInterim: (head) => seen.push(`interim ${head.status}`),
    onHead: (head) => seen.push(`head ${head.status} ${head.headers.join("|")}`),
    onData: (chunk) => {
      body = Buffer.concat([body, chunk]);
      stream().consumed(chunk.length);
    },
    onEnd: (trailers) => {
      seen.push(`end ${trailers.join("|")}`);
      finish();
    },
    onReset: (reason) => {
      seen.push(`reset ${reason.code} ${reason.message}`);
      finish();
    },
  };
  return { handler, seen, body: () => body, done };
}

function dataBytes(frames: readonly WireFrame[]): number {
  return frames.reduce((sum, { type, payload }) => (type === types.DATA ? sum + payload.length : sum), 0);
}

function pair(
  serve: (stream: AcceptedStream, head: RequestHead, end: boolean) => StreamHandler,
  options: V1Options = {},
) {
  const events: string[] = [];
  const relay = new V1RelaySession(
    {
      onClose: (error) => events.push(`relay closed ${error.code}`),
      onDetached: (error) => events.push(`relay detached ${error.code}`),
      onGoaway: () => events.push("relay goaway"),
    },
    options,
  );
  const client = new V1ClientSession(
    serve,
    {
      onClose: (error) => events.push(`client closed ${error.code}`),
      onDetached: (error) => events.push(`client detached ${error.code}`),
      onGoaway: () => events.push("client goaway"),
    },
    options,
  );
  const connect = () => {
    const [left, right] = linkedPair();
    const received = client.received;
    relay.attach(left, received);
    client.attach(right, relay.received);
    return left;
  };
  return { relay, client, events, connect };
}

const echo = (stream: AcceptedStream): StreamHandler => {
  stream.sendHead({ status: 200, headers: ["Content-Type", "x/y"] });
  return {
    onData: (chunk) => {
      stream.consumed(chunk.length);
      stream.write(chunk);
    },
    onEnd: (trailers) => stream.end(trailers),
    onReset() {},
  };
};

describe("a version 1 session", () => {
  it("carries heads, bodies and trailers both ways", async () => {
    const { relay, client, connect } = pair(echo);
    connect();
    const answer = recorder(() => stream);
    const stream = relay.open(
      { method: "POST", path: "/a?b", headers: ["A", "1", "a", "2"] },
      false,
      answer.handler,
    );
    stream.write(Buffer.from("hello "));
    stream.write(Buffer.alloc(3_000_000, "x"));
    stream.end(["T", "v"]);
    await answer.done;
    expect(answer.seen).toEqual(["head 200 Content-Type|x/y", "end T|v"]);
    expect(answer.body().length).toBe(3_000_006);
    expect([relay.streamCount, client.streamCount]).toEqual([0, 0]);
    await Promise.all([relay.idle(), client.idle()]);
    expect([relay.unacknowledgedBytes, client.unacknowledgedBytes]).toEqual([0, 0]);
    relay.close(1000, "");
  });

  it("goes on over another link with nothing lost, doubled or reordered", async () => {
    const { relay, connect, events } = pair(echo);
    let link = connect();
    const answer = recorder(() => stream);
    const stream = relay.open({ method: "POST", path: "/", headers: [] }, false, answer.handler);
    const sent: Buffer[] = [];
    for (let i = 0; i < 40; i++) {
      const chunk = Buffer.alloc(1 + ((i * 7919) % 50_000), i);
      sent.push(chunk);
      stream.write(Buffer.from(chunk));
      await new Promise((resolve) => setImmediate(resolve));
      if (i % 5 === 3) {
        link.terminate();
        link = connect();
      }
    }
    stream.end();
    await answer.done;
    expect(answer.body().equals(Buffer.concat(sent))).toBe(true);
    expect(events.filter((event) => event === "relay detached session_lost").length).toBe(8);
    relay.close(1000, "");
  });

  it("resets streams when the session cannot be resumed", async () => {
    const { relay, events, connect } = pair(echo);
    const link = connect();
    const answer = recorder(() => stream);
    const stream = relay.open({ method: "POST", path: "/", headers: [] }, false, answer.handler);
    link.terminate();
    relay.destroy(new TunnelError("session_lost", "gave up"));
    await answer.done;
    expect(answer.seen).toEqual(["reset session_lost gave up"]);
    expect(() => relay.open({ method: "GET", path: "/", headers: [] }, true, answer.handler)).toThrow(
      TunnelError,
    );
    expect(events).toContain("relay closed session_lost");
  });

  it("stops a writer whose peer does not consume, and no other stream", async () => {
    const held: AcceptedStream[] = [];
    const { relay, connect } = pair(
      (stream, head) => {
        if (head.path !== "/held") return echo(stream);
        held.push(stream);
        return { onData() {}, onEnd() {}, onReset() {} };
      },
      { sendWindow: 65_536, receiveWindow: 65_536 },
    );
    connect();
    let drained = 0;
    const slow = relay.open({ method: "POST", path: "/held", headers: [] }, false, {
      onData() {},
      onEnd() {},
      onReset() {},
      onDrain: () => (drained += 1),
    });
    expect(slow.write(Buffer.alloc(65_535))).toBe(true);
    expect(slow.write(Buffer.alloc(10_000))).toBe(false);
    const answer = recorder(() => other);
    const other = relay.open({ method: "POST", path: "/", headers: [] }, false, answer.handler);
    other.write(Buffer.alloc(100_000));
    other.end();
    await answer.done;
    expect(answer.body().length).toBe(100_000);
    expect(drained).toBe(0);
    held[0]?.consumed(65_536);
    await expect.poll(() => drained).toBe(1);
    relay.close(1000, "");
  });

  it("sends little of large bodies in one turn of the event loop, so that a request that comes then is soon on its way", async () => {
    const { relay, peer } = relayWithRawClient();
    const chunk = Buffer.alloc(65_536);
    let written = 0;
    for (let i = 0; i < 4; i++) {
      const upload = relay.open(post, false, listener());
      // The chunk at which the writer is told to wait is kept.
      do written += chunk.length;
      while (upload.write(chunk));
    }
    relay.open(get, true, listener());
    peer.link.deliverAll();
    const inThisTurn = dataBytes(parse(Buffer.concat(peer.messages)));
    expect(inThisTurn).toBe(131_072);
    expect(inThisTurn).toBeLessThan(written);

    await expect.poll(async () => dataBytes(await peer.frames())).toBe(written);
    const order = (await peer.frames()).map(({ type, stream }) => `${type} ${stream}`);
    expect(order.indexOf(`${types.REQUEST} 5`)).toBeLessThan(order.indexOf(`${types.DATA} 2`));
    relay.close(1000, "");
  });

  it("ends one stream, not the session, when a handler throws", async () => {
    const { relay, client, events, connect } = pair((stream, head) => {
      if (head.path === "/throw") throw new Error("boom");
      return echo(stream);
    });
    connect();
    const bad = recorder(() => first);
    const first = relay.open({ method: "GET", path: "/throw", headers: [] }, true, bad.handler);
    await bad.done;
    expect(bad.seen).toEqual(["reset internal internal error"]);
    const good = recorder(() => second);
    const second = relay.open({ method: "GET", path: "/", headers: [] }, true, good.handler);
    await good.done;
    expect(good.seen.at(-1)).toBe("end ");
    expect(events).toEqual([]);
    client.close(1000, "");
  });

  it("passes cancellation and its reason on", async () => {
    const reasons: StreamReset[] = [];
    const { relay, connect } = pair(() => ({ onData() {}, onEnd() {}, onReset: (r) => reasons.push(r) }));
    connect();
    const stream = relay.open(
      { method: "GET", path: "/", headers: [] },
      true,
      recorder(() => stream).handler,
    );
    stream.reset("cancelled", "the visitor went away");
    await expect.poll(() => reasons.length).toBe(1);
    expect(reasons[0]?.code).toBe("cancelled");
    expect(reasons[0]?.message).toBe("the visitor went away");
    relay.close(1000, "");
  });
});

describe("the life of a version 1 session", () => {
  it("asks the client to register anew when ids run low, and opens none when they are out", async () => {
    class LateRelaySession extends V1RelaySession {
      skipTo(id: number): void {
        this.lastStreamId = id;
      }
    }
    const relay = new LateRelaySession(owner(), { liveness: { pingIntervalMs: 0 } });
    const peer = new RawPeer();
    relay.attach(peer.sessionLink, 0);
    relay.skipTo(0xeffffffe);
    for (let i = 0; i < 3; i++) relay.open(get, true, listener());
    expect(inWords(await peer.frames())).toEqual([
      'REQUEST+END 4026531839 "GET\\n/"',
      'GOAWAY 0 ""',
      'REQUEST+END 4026531840 "GET\\n/"',
      'REQUEST+END 4026531841 "GET\\n/"',
    ]);
    relay.skipTo(0xfffffff0);
    expect(() => relay.open(get, true, listener())).toThrow("run out of ids");
    relay.close(1000, "");
  });

  it("is idle when no stream is open and the peer has everything, or when it is over", async () => {
    const { relay, peer } = relayWithRawClient();
    await relay.idle();
    const idle: number[] = [];
    relay.open(get, true, listener());
    void relay.idle().then(() => idle.push(1));
    await peer.frames();
    peer.send(frame(types.RESPONSE | END, 1, "204"));
    await turn();
    expect(relay.streamCount).toBe(0);
    expect(idle).toEqual([]);
    peer.send(ack(13));
    await turn();
    expect(idle).toEqual([1]);

    relay.open(get, true, listener());
    void relay.idle().then(() => idle.push(2));
    relay.destroy(new TunnelError("session_lost", "gave up"));
    await turn();
    expect(idle).toEqual([1, 2]);
    await relay.idle();
  });

  it("is idle when it hears over another link that the peer has everything", async () => {
    const { relay, peer } = relayWithRawClient();
    relay.open(get, true, listener());
    let idle = false;
    void relay.idle().then(() => (idle = true));
    await peer.frames();
    peer.send(frame(types.RESPONSE | END, 1, "204"));
    await turn();
    relay.detach(new TunnelError("session_lost", "cut"));
    await turn();
    expect(idle).toBe(false);
    relay.attach(new RawPeer().sessionLink, 13);
    await turn();
    expect(idle).toBe(true);
    relay.close(1000, "");
  });

  it("refuses an offset that it cannot serve, and stays as it is", async () => {
    const { relay, peer, told } = relayWithRawClient();
    relay.open(get, true, listener());
    await peer.frames();
    peer.send(ack(13));
    const next = new RawPeer();
    for (const offset of [0, 12, 14, -1, Number.MAX_SAFE_INTEGER, Number.NaN]) {
      expect(() => relay.attach(next.sessionLink, offset)).toThrow(TunnelError);
    }
    expect(relay.attached).toBe(true);
    peer.send(frame(types.RESPONSE | END, 1, "204"));
    expect([relay.streamCount, told.events.length]).toEqual([0, 0]);
    relay.close(1000, "");
    expect(() => relay.attach(next.sessionLink, 13)).toThrow("the session is over");
  });

  it("sends what was said before a close, and is closed once", async () => {
    const { relay, peer, told } = relayWithRawClient();
    const heard = listener();
    relay.open(get, false, heard).write(Buffer.from("last words"));
    relay.close(1001, "shutting down");
    peer.link.deliverAll();
    expect(inWords(await peer.frames())).toEqual(['REQUEST 1 "GET\\n/"', 'DATA 1 "last words"']);
    await turn();
    expect(peer.closed).toEqual({ code: 1001, reason: "shutting down" });
    expect(heard.seen).toEqual(["reset session_lost"]);
    expect(told.events).toEqual(["closed session_closed 1001"]);
    relay.close(1000, "again");
    expect(told.events.length).toBe(1);
    expect(() => relay.open(get, true, listener())).toThrow("over");
  });
});
