import {
  carriedBy,
  type OpeningSession,
  type RawHeaders,
  type StreamHandler,
  StreamReset,
  type TunnelStream,
} from "mcp-tunnel-protocol";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Pacer } from "../src/admission/pacer.js";
import { PacedStream } from "../src/tunnels/paced-stream.js";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["performance", "setTimeout", "clearTimeout"] });
});

afterEach(() => {
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

/** A stream that passes 1,000 bytes a second, between a session and a handler that note what happens. */
function setUp() {
  const toClient: string[] = [];
  const toVisitor: string[] = [];
  const faults: unknown[] = [];
  const state = { isBlocked: false, throws: false, slowed: 0 };
  const inner: TunnelStream = {
    id: 7,
    write(chunk) {
      toClient.push(`data ${chunk.length}`);
      return !state.isBlocked;
    },
    end: (trailers) => void toClient.push(`end ${trailers?.join() ?? ""}`),
    reset: (code) => void toClient.push(`reset ${code}`),
    consumed: (bytes) => void toClient.push(`consumed ${bytes}`),
  };
  const handler: StreamHandler = {
    onData(chunk, last) {
      if (state.throws) throw new Error("a fault of the handler");
      toVisitor.push(`data ${chunk.length}${last ? " (last)" : ""}`);
    },
    onEnd: (trailers) => void toVisitor.push(`end ${trailers.join()}`),
    onReset: ({ code }) => void toVisitor.push(`reset ${code}`),
    onDrain: () => void toVisitor.push("drain"),
    onFlushed: () => void toVisitor.push("flushed"),
  };
  let session: StreamHandler | undefined;
  const opening: Pick<OpeningSession, "carries" | "open"> = {
    carries: carriedBy.v1,
    open(_head, _end, given) {
      session = given;
      return inner;
    },
  };
  const pacer = new Pacer(() => 1_000);
  const head = { method: "POST", path: "/", headers: [] };
  const observer = {
    onSlowed: () => void (state.slowed += 1),
    onFault: (error: unknown) => faults.push(error),
  };
  const stream = PacedStream.open(opening as OpeningSession, head, false, handler, pacer, observer);
  return { stream, session: session as unknown as StreamHandler, toClient, toVisitor, faults, state, pacer };
}

const trailers: RawHeaders = ["X-Sum", "1"];
const chunk = (bytes: number): Buffer => Buffer.alloc(bytes);

describe("a paced stream", () => {
  it("passes on at once what the token may have, and holds back the rest with its end", () => {
    const { stream, session, toClient, toVisitor, state } = setUp();
    expect(stream.write(chunk(400))).toBe(true);
    session.onData(chunk(400), false);
    expect(stream.write(chunk(700))).toBe(false);
    session.onData(chunk(300), true);
    session.onEnd([]);
    stream.end(trailers);
    expect([toClient, toVisitor, state.slowed]).toEqual([["data 400"], ["data 400"], 1]);
    vi.advanceTimersByTime(500);
    expect([toClient, toVisitor]).toEqual([
      ["data 400", "data 700", "end X-Sum,1"],
      ["data 400", "flushed"],
    ]);
    vi.advanceTimersByTime(300);
    expect(toVisitor.slice(2)).toEqual(["data 300 (last)", "end "]);
  });

  it("asks for more when all has passed and the session takes more, and not before", () => {
    const { stream, session, toVisitor, state } = setUp();
    expect(stream.write(chunk(1_000))).toBe(true);
    expect(stream.write(chunk(500))).toBe(false);
    session.onDrain?.();
    expect(toVisitor).toEqual([]);
    state.isBlocked = true;
    vi.advanceTimersByTime(500);
    expect(toVisitor).toEqual([]);
    state.isBlocked = false;
    session.onDrain?.();
    session.onDrain?.();
    expect(toVisitor).toEqual(["drain"]);
    vi.advanceTimersByTime(1_000);
    state.isBlocked = true;
    expect(stream.write(chunk(1))).toBe(false);
    stream.end();
    session.onFlushed?.();
    expect(toVisitor).toEqual(["drain", "flushed"]);
  });

  it("keeps a whole answer when the client wants no more of the request", () => {
    const { stream, session, toClient, toVisitor } = setUp();
    session.onData(chunk(1_000), false);
    stream.write(chunk(200));
    session.onData(chunk(500), true);
    session.onEnd([]);
    session.onReset(new StreamReset("no_error", ""));
    expect(toVisitor).toEqual(["data 1000"]);
    vi.advanceTimersByTime(500);
    expect(toVisitor).toEqual(["data 1000", "data 500 (last)", "end ", "reset no_error"]);
    expect(toClient).toEqual([]);
  });

  it("gives up what waits when either side cuts it", () => {
    const cutByClient = setUp();
    cutByClient.session.onData(chunk(2_000), false);
    cutByClient.session.onReset(new StreamReset("overloaded", ""));
    const cutByVisitor = setUp();
    cutByVisitor.stream.write(chunk(2_000));
    cutByVisitor.stream.end();
    cutByVisitor.stream.reset("cancelled");
    vi.advanceTimersByTime(5_000);
    expect([cutByClient.toClient, cutByClient.toVisitor]).toEqual([[], ["reset overloaded"]]);
    expect([cutByVisitor.toClient, cutByVisitor.toVisitor]).toEqual([["reset cancelled"], []]);
    for (const { pacer } of [cutByClient, cutByVisitor]) expect(pacer.isRested).toBe(true);
  });

  it("tells once that its bytes wait, and not with each piece of them", () => {
    const { session, toVisitor, state } = setUp();
    session.onData(chunk(10_000), true);
    session.onEnd([]);
    vi.advanceTimersByTime(10_000);
    expect([toVisitor.length, state.slowed]).toEqual([11, 1]);
    vi.advanceTimersByTime(1_000);
    session.onData(chunk(2_000), true);
    vi.advanceTimersByTime(2_000);
    expect(state.slowed).toBe(2);
  });

  it("is cut alone when its handler throws in a turn of its own", () => {
    const { session, toClient, toVisitor, faults, state } = setUp();
    session.onData(chunk(2_000), false);
    state.throws = true;
    vi.advanceTimersByTime(5_000);
    expect(faults).toEqual([new Error("a fault of the handler")]);
    expect([toClient, toVisitor]).toEqual([["reset internal"], ["reset internal"]]);
  });
});
