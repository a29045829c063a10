import { afterEach, describe, expect, it } from "vitest";
import { TunnelError } from "mcp-tunnel-protocol";
import type { AcceptedStream, StreamHandler } from "mcp-tunnel-protocol";
import { clientWithRawRelay, listener, relayWithRawClient, turn } from "./support/raw-peer.js";
import { END, credit, describe as inWords, frame, reset, types } from "./support/wire.js";

// Actions of a stream's handler inside its own callbacks, and the end of a handler that fails.

const { REQUEST, RESPONSE, DATA } = types;
const get = { method: "GET", path: "/", headers: [] };

const open: { close(code: number, reason: string): void }[] = [];
afterEach(() => {
  for (const session of open.splice(0)) session.close(1000, "");
});

function relayEnd(...options: Parameters<typeof relayWithRawClient>) {
  const made = relayWithRawClient(...options);
  open.push(made.relay);
  return made;
}

function clientEnd(...options: Parameters<typeof clientWithRawRelay>) {
  const made = clientWithRawRelay(...options);
  open.push(made.client);
  return made;
}

describe("a handler that ends its own direction inside a callback", () => {
  it("is still told of the end, after a head without a body", () => {
    const { relay, peer } = relayEnd();
    const heard = listener({ onHead: () => stream.end() });
    const stream = relay.open(get, false, heard);
    peer.send(frame(RESPONSE | END, 1, "401"));
    expect(heard.seen).toEqual(["head 401 end", "end"]);
    expect(relay.streamCount).toBe(0);
  });

  it("is still told of the end, after the last data", () => {
    const { relay, peer } = relayEnd();
    const heard = listener({ onData: () => stream.end() });
    const stream = relay.open(get, false, heard);
    peer.send(frame(RESPONSE, 1, "200"), frame(DATA | END, 1, "x"));
    expect(heard.seen).toEqual(["head 200", "data 1 last", "end"]);
    expect(relay.streamCount).toBe(0);
  });

  it("is still told of the end, when the client answers a request without a body at once", async () => {
    const heard = listener();
    const { client, peer } = clientEnd({}, (stream) => {
      stream.sendHead({ status: 204, headers: [] }, true);
      return heard;
    });
    peer.send(frame(REQUEST | END, 1, "GET\n/"));
    expect(heard.seen).toEqual(["end"]);
    expect(client.streamCount).toBe(0);
    expect(inWords(await peer.frames())).toEqual(['RESPONSE+END 1 "204"']);
  });

  it("is told of the end once when it answers in `onEnd`", () => {
    const heard = listener({ onEnd: () => stream.sendHead({ status: 204, headers: [] }, true) });
    let stream: AcceptedStream;
    const { client, peer } = clientEnd({}, (accepted) => {
      stream = accepted;
      return heard;
    });
    peer.send(frame(REQUEST, 1, "POST\n/"), frame(DATA | END, 1, "x"));
    expect(heard.seen).toEqual(["data 1 last", "end"]);
    expect(client.streamCount).toBe(0);
  });
});

describe("a handler that resets its stream inside a callback", () => {
  it.each<[string, Partial<StreamHandler>, string[]]>([
    ["onHead", { onHead: () => cutFirst() }, ["head 200"]],
    ["onData", { onData: () => cutFirst() }, ["head 200", "data 1 last"]],
    ["onEnd", { onEnd: () => cutFirst() }, ["head 200", "data 1 last", "end"]],
  ])("hears nothing after it in %s", async (_name, also, expected) => {
    const { relay, peer, told } = relayEnd();
    const heard = listener(also);
    const stream = relay.open(get, false, heard);
    cutFirst = () => stream.reset("cancelled");
    peer.send(frame(RESPONSE, 1, "200"), frame(DATA | END, 1, "x"), reset(1, 3));
    await turn();
    expect(heard.seen).toEqual(expected);
    expect(inWords(await peer.frames())).toEqual(['REQUEST 1 "GET\\n/"', 'RESET 1 "\\u0000\\u0001"']);
    expect([relay.streamCount, relay.queuedBytes]).toEqual([0, 0]);
    expect(told).toMatchObject({ events: [], faults: [] });
  });
  let cutFirst: () => void;

  it("hears nothing when the client does so while it accepts", async () => {
    const heard = listener();
    const { client, peer } = clientEnd({}, (stream) => {
      stream.reset("upstream_unreachable");
      return heard;
    });
    peer.send(
      frame(REQUEST, 1, "POST\n/"),
      frame(DATA, 1, "x"),
      frame(REQUEST | END, 2, "GET\n/"),
      reset(2, 1),
    );
    await turn();
    expect(heard.seen).toEqual([]);
    expect([client.streamCount, client.queuedBytes]).toEqual([0, 0]);
  });
});

describe("a handler that throws", () => {
  const boom = () => {
    throw new Error("boom");
  };

  it.each<[keyof StreamHandler, string[]]>([
    ["onInterim", ["interim 103", "reset internal"]],
    ["onHead", ["interim 103", "head 200", "reset internal"]],
    ["onData", ["interim 103", "head 200", "data 1 last", "reset internal"]],
    ["onEnd", ["interim 103", "head 200", "data 1 last", "end", "reset internal"]],
  ])("in %s loses its stream and no other", async (name, expected) => {
    const { relay, peer, told } = relayEnd();
    const bad = listener({ [name]: boom });
    relay.open(get, false, bad);
    const good = listener();
    relay.open(get, false, good);
    for (const id of [1, 2]) {
      peer.send(frame(types.INTERIM, id, "103"), frame(RESPONSE, id, "200"), frame(DATA | END, id, "x"));
    }
    await turn();
    expect(bad.seen).toEqual(expected);
    expect(good.seen).toEqual(["interim 103", "head 200", "data 1 last", "end"]);
    expect(told).toMatchObject({ events: [], faults: [new Error("boom")] });
    expect(relay.streamCount).toBe(1);
  });

  it("at the client, on a request without a body, loses its stream and no other", async () => {
    const { client, peer, told } = clientEnd({}, (stream) =>
      listener(stream.id === 1 ? { onEnd: boom } : {}),
    );
    peer.send(frame(REQUEST | END, 1, "GET\n/"), frame(REQUEST | END, 2, "GET\n/"));
    expect(inWords(await peer.frames())).toEqual(['RESET 1 "\\u0000\\tinternal error"']);
    expect(told).toMatchObject({ events: [], faults: [new Error("boom")] });
    expect(client.streamCount).toBe(1);
  });

  it("in onReset is not called again", async () => {
    const { relay, peer, told } = relayEnd();
    const heard = listener({ onReset: boom });
    relay.open(get, false, heard);
    peer.send(reset(1, 3));
    await turn();
    expect(heard.seen).toEqual(["reset upstream_failed"]);
    expect(told.faults).toEqual([new Error("boom")]);
  });

  it("in onReset is not called again, even after a whole response that waits to be passed on", async () => {
    const { relay, peer, told } = relayEnd();
    const heard = listener({ onReset: boom });
    relay.open(get, false, heard);
    peer.send(frame(RESPONSE, 1, "200"), frame(DATA | END, 1, "x"), reset(1, 0));
    await turn();
    expect(heard.seen).toEqual(["head 200", "data 1 last", "end", "reset no_error"]);
    expect(told.faults).toEqual([new Error("boom")]);
  });

  it("after a reset of its own is not told of another", async () => {
    const { relay, peer, told } = relayEnd();
    const heard = listener({
      onHead: () => {
        stream.reset("cancelled");
        boom();
      },
    });
    const stream = relay.open(get, false, heard);
    peer.send(frame(RESPONSE, 1, "200"));
    await turn();
    expect(heard.seen).toEqual(["head 200"]);
    expect(told.faults.length).toBe(1);
  });

  it("when the session ends does not keep the other handlers from being told", () => {
    const { relay, told } = relayEnd();
    const handlers = [listener({ onReset: boom }), listener()];
    for (const handler of handlers) relay.open(get, false, handler);
    relay.destroy(new TunnelError("session_lost", "gave up"));
    for (const { seen } of handlers) expect(seen).toEqual(["reset session_lost"]);
    expect(told).toMatchObject({ events: ["closed session_lost"], faults: [new Error("boom")] });
  });

  it("in onDrain does not stop the others' turns", async () => {
    const { relay, peer, told } = relayEnd({ sendWindow: 10 });
    const protocolError = () => {
      throw new TunnelError("protocol_error", "of something else");
    };
    const handlers = [listener({ onDrain: protocolError }), listener(), listener()];
    const streams = handlers.map((handler) => relay.open(get, false, handler));
    for (const stream of streams) stream.write(Buffer.alloc(10));
    peer.send(credit(1, 10), credit(2, 10));
    await turn();
    expect(handlers[0]?.seen).toEqual(["drain", "reset internal"]);
    expect(handlers[1]?.seen).toEqual(["drain"]);
    peer.send(credit(3, 10));
    expect(handlers[2]?.seen).toEqual(["drain"]);
    expect(told.events).toEqual([]);
  });
});

describe("a handler that closes the session inside a callback", () => {
  it.each(["close", "destroy", "detach"] as const)("%s: nothing more of the message is delivered", (how) => {
    const { relay, peer, told } = relayEnd();
    const handlers = [listener({ onHead: () => stop() }), listener()];
    for (const handler of handlers) relay.open(get, true, handler);
    const stop = () => {
      if (how === "close") relay.close(1000, "enough");
      else relay[how](new TunnelError("timeout", "enough"));
    };
    peer.send(frame(RESPONSE | END, 1, "200"), frame(RESPONSE | END, 2, "200"));
    if (how === "detach") {
      // The present frame was processed and counted. The next frame was neither.
      expect(handlers.map(({ seen }) => seen)).toEqual([["head 200 end", "end"], []]);
      expect(relay.received).toBe(11);
      expect(told.events).toEqual(["detached timeout"]);
    } else {
      expect(handlers.map(({ seen }) => seen)).toEqual([
        ["head 200 end", "reset session_lost"],
        ["reset session_lost"],
      ]);
      expect(told.events.length).toBe(1);
    }
  });
});

describe("a head that cannot travel", () => {
  const tooLong = ["A", "x".repeat(262_144)];
  it.each<[string, (stream: AcceptedStream) => void]>([
    ["too long", (stream) => stream.sendHead({ status: 200, headers: tooLong })],
    ["with a line feed", (stream) => stream.sendHead({ status: 200, headers: ["A", "1\nSet-Cookie\nx"] })],
    [
      "with a char that is cut to a line feed",
      (stream) => stream.sendHead({ status: 200, headers: ["A", "\u010a"] }),
    ],
    ["with half a field", (stream) => stream.sendHead({ status: 200, headers: ["A"] })],
    ["with an impossible status", (stream) => stream.sendHead({ status: 1_000, headers: [] })],
    ["with half a status", (stream) => stream.sendHead({ status: 200.5, headers: [] })],
    ["with an interim status", (stream) => stream.sendHead({ status: 103, headers: [] })],
    ["101 that nobody asked for", (stream) => stream.sendHead({ status: 101, headers: [] })],
    ["interim, too long", (stream) => stream.sendInterim({ status: 103, headers: tooLong })],
    ["interim, with a final status", (stream) => stream.sendInterim({ status: 200, headers: [] })],
    ["interim, with status 42", (stream) => stream.sendInterim({ status: 42, headers: [] })],
    [
      "trailers, too long",
      (stream) => {
        stream.sendHead({ status: 200, headers: [] });
        stream.end(["A", "x".repeat(65_536)]);
      },
    ],
    [
      "trailers, with a line feed",
      (stream) => {
        stream.sendHead({ status: 200, headers: [] });
        stream.end(["A", "1\n2"]);
      },
    ],
  ])("%s: resets its stream, and tells the handler", async (_name, answer) => {
    for (const whileAccepting of [true, false]) {
      const heard = listener();
      const { client, peer, told, streams } = clientEnd({}, (stream) => {
        if (whileAccepting) answer(stream);
        return heard;
      });
      peer.send(frame(REQUEST, 1, "POST\n/"));
      if (!whileAccepting) answer(streams.get(1)?.stream as AcceptedStream);
      const last = (await peer.frames()).findLast(({ stream }) => stream === 1);
      expect(last?.type).toBe(types.RESET);
      expect(last?.payload.readUInt16BE()).toBe(6);
      expect(heard.seen).toEqual(["reset bad_message"]);
      expect(client.streamCount).toBe(0);
      expect(told).toMatchObject({ events: [], faults: [] });
    }
  });

  it("is not opened", async () => {
    const { relay, peer } = relayEnd();
    const bad = [
      { ...get, headers: tooLong },
      { ...get, headers: ["A", "1\nB\n2"] },
      { ...get, headers: ["A", "\u010a"] },
      { ...get, headers: ["A"] },
      { ...get, path: "/\n/" },
      { ...get, path: "" },
      { ...get, method: "" },
    ];
    for (const head of bad) expect(() => relay.open(head, true, listener())).toThrow(TunnelError);
    expect(relay.streamCount).toBe(0);
    expect(await peer.frames()).toEqual([]);
  });
});

describe("the order of a stream's last words", () => {
  it("sends `no more is wanted` only after everything, and hears nothing meanwhile", async () => {
    const heard = listener();
    const { client, peer, streams } = clientEnd({ sendWindow: 10 }, () => heard);
    peer.send(frame(REQUEST, 1, "POST\n/"));
    const stream = streams.get(1)?.stream as AcceptedStream;
    stream.sendHead({ status: 200, headers: [] });
    stream.write(Buffer.from("0123456789abcde"));
    stream.end();
    stream.reset("no_error");
    expect(client.streamCount).toBe(1);
    peer.send(frame(DATA, 1, "more"), credit(1, 10));
    expect(inWords(await peer.frames())).toEqual([
      'RESPONSE 1 "200"',
      'DATA 1 "0123456789"',
      'BLOCKED 1 ""',
      'DATA+END 1 "abcde"',
      'RESET 1 "\\u0000\\u0000"',
    ]);
    expect(heard.seen).toEqual([]);
    expect([client.streamCount, client.queuedBytes]).toEqual([0, 0]);
  });

  it("tells after an end, in the place of the drain, when all that waited has left", () => {
    const { relay, peer } = relayEnd({ sendWindow: 10 });
    const heard = listener();
    const stream = relay.open(get, false, heard);
    expect(stream.write(Buffer.alloc(25))).toBe(false);
    stream.end();
    peer.send(credit(1, 10));
    expect(heard.seen).toEqual([]);
    peer.send(credit(1, 10));
    expect(heard.seen).toEqual(["flushed"]);
    peer.send(credit(1, 10));
    expect(heard.seen).toEqual(["flushed"]);
  });

  it("tells so at once if only more credit is missing, also when the end finishes the stream", async () => {
    const heard = listener();
    const { client, peer, streams } = clientEnd({ sendWindow: 10 }, () => heard);
    peer.send(frame(REQUEST | END, 1, "GET\n/"));
    const stream = streams.get(1)?.stream as AcceptedStream;
    stream.sendHead({ status: 200, headers: [] });
    expect(stream.write(Buffer.from("0123456789"))).toBe(false);
    stream.end();
    expect(heard.seen).toEqual(["end", "flushed"]);
    expect(client.streamCount).toBe(0);
    expect(inWords(await peer.frames()).at(-1)).toBe('END 1 ""');
  });

  it("tells nothing of the kind if nothing had to wait, or if what waited is dropped", () => {
    const { relay, peer } = relayEnd({ sendWindow: 10 });
    const [swift, drained, cut] = [listener(), listener(), listener()];
    const first = relay.open(get, false, swift);
    first.write(Buffer.alloc(5));
    first.end();
    const second = relay.open(get, false, drained);
    second.write(Buffer.alloc(10));
    peer.send(credit(2, 10));
    second.end();
    const third = relay.open(get, false, cut);
    third.write(Buffer.alloc(20));
    third.end();
    third.reset("cancelled");
    peer.send(credit(1, 10), credit(2, 10), credit(3, 10));
    expect([swift.seen, drained.seen, cut.seen]).toEqual([[], ["drain"], []]);
  });

  it("has no effect once the stream is finished", async () => {
    const { client, peer, streams } = clientEnd();
    peer.send(frame(REQUEST | END, 1, "GET\n/"));
    const stream = streams.get(1)?.stream as AcceptedStream;
    stream.sendHead({ status: 204, headers: [] }, true);
    const before = (await peer.frames()).length;
    stream.sendInterim({ status: 103, headers: [] });
    stream.sendHead({ status: 200, headers: [] });
    expect(stream.write(Buffer.alloc(10))).toBe(true);
    stream.end();
    stream.reset("internal");
    stream.consumed(10);
    expect((await peer.frames()).length).toBe(before);
    expect([client.streamCount, client.queuedBytes]).toEqual([0, 0]);
  });

  it("says GOAWAY once", async () => {
    const { relay, peer } = relayEnd();
    relay.goaway();
    relay.goaway();
    expect(inWords(await peer.frames())).toEqual(['GOAWAY 0 ""']);
  });
});
