import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { AcceptedStream, RequestHead, TunnelStream } from "mcp-tunnel-protocol";
import { fuzzTimeoutMs, runs } from "./support/fuzz.js";
import { clientWithRawRelay, listener, relayWithRawClient } from "./support/raw-peer.js";
import type { RawPeer } from "./support/raw-peer.js";
import { END, UPGRADE, ack, credit, frame, parse, reset, types } from "./support/wire.js";

// A peer that sends anything at all: the session always goes on or ends with 1002, and stays small.

const { REQUEST, INTERIM, RESPONSE, DATA, BLOCKED, GOAWAY } = types;
const limits = {
  receiveWindow: 8_192,
  sendWindow: 8_192,
  maxQueuedBytes: 12_288,
  maxUnacknowledgedBytes: 65_536,
  maxWindowGrowthBytes: 16_384,
  maxStreams: 4,
};
/**
 * DATA up to its limit, and other frames up to the limit at which the session ends (PROTOCOL.md section 7).
 */
const mostUnacknowledged = 2 * (limits.maxUnacknowledgedBytes + 262_144) + 262_144;

beforeEach(() => {
  vi.useFakeTimers({
    toFake: ["setTimeout", "clearTimeout", "setImmediate", "clearImmediate", "performance"],
  });
});
afterEach(() => {
  vi.useRealTimers();
});

type Move =
  /** Sends a frame that is right at this point: see {@link Manners}. */
  | {
      do: "behave";
      what: "request" | "head" | "data" | "end" | "reset";
      stream: number;
      size: number;
      end: boolean;
    }
  | { do: "behave"; what: "credit" | "blocked" | "interim" | "acknowledge"; stream: number; size: number }
  /** Sends these bytes, right or wrong. */
  | { do: "say"; bytes: Buffer }
  | { do: "local"; how: "write" | "end" | "reset" | "consume" | "answer"; stream: number; size: number }
  | { do: "time"; ms: number };

const stream = fc.integer({ min: 1, max: 10 });
const size = fc.oneof(fc.nat(40), fc.nat(9_000), fc.nat(70_000));
const flags = fc.constantFrom(0, 0, END, UPGRADE, END | UPGRADE, 0x20);
const texts = fc.constantFrom(
  "GET\n/",
  "200",
  "101",
  "103\nLink\nx",
  "",
  "\n",
  "20",
  "200\nA",
  "GET",
  "url_too_long\n414\n1\n\n\n",
);
const payloads = fc.oneof(
  texts.map((text) => Buffer.from(text)),
  size.map((length) => Buffer.alloc(length)),
);

const nonsense: fc.Arbitrary<Buffer> = fc.oneof(
  fc
    .tuple(fc.nat(31), flags, fc.oneof(stream, fc.constant(0), fc.nat(0xffffffff)), payloads)
    .map(([type, flag, id, payload]) => frame(type | flag, id, payload)),
  fc.nat(200_000).map((offset) => ack(offset)),
  fc.tuple(stream, fc.nat(0xffffffff)).map(([id, bytes]) => credit(id, bytes)),
  fc.tuple(stream, fc.nat(0xffff)).map(([id, code]) => reset(id, code, "why")),
  fc.constant(frame(GOAWAY, 0)),
  fc.uint8Array({ minLength: 1, maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
);

const plans: fc.Arbitrary<Move[]> = fc.array(
  fc.oneof(
    {
      weight: 24,
      arbitrary: fc.record({
        do: fc.constant("behave" as const),
        what: fc.constantFrom("request", "head", "data", "data", "data", "end", "reset"),
        stream,
        size,
        end: fc.nat(4).map((n) => n === 0),
      }),
    },
    {
      weight: 12,
      arbitrary: fc.record({
        do: fc.constant("behave" as const),
        what: fc.constantFrom("credit", "blocked", "interim", "acknowledge"),
        stream,
        size,
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("say" as const), bytes: nonsense }) },
    {
      weight: 16,
      arbitrary: fc.record({
        do: fc.constant("local" as const),
        how: fc.constantFrom("write", "write", "end", "reset", "consume", "answer"),
        stream,
        size,
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({ do: fc.constant("time" as const), ms: fc.constantFrom(0, 0, 1, 150) }),
    },
  ),
  { minLength: 5, maxLength: 150, size: "max" },
);

/**
 * The frames that a peer may send at this point, so that a plan gets somewhere before its first violation.
 */
class Manners {
  readonly #peer: RawPeer;
  readonly #isClient: boolean;
  readonly #streams = new Map<number, { headSent: boolean; ended: boolean; granted: number }>();
  #rest = Buffer.alloc(0);
  #counted = 0;

  constructor(peer: RawPeer, isClient: boolean) {
    this.#peer = peer;
    this.#isClient = isClient;
  }

  /** Reads the frames that the session has sent since. */
  #listen(): void {
    this.#peer.link.deliverAll();
    const bytes = Buffer.concat([this.#rest, ...this.#peer.messages.splice(0)]);
    let read = 0;
    for (const { type, stream, payload } of parse(bytes)) {
      read += 8 + payload.length;
      if (type !== types.ACK) this.#counted += 8 + payload.length;
      if (type === REQUEST) this.#opened(stream);
      const known = this.#streams.get(stream);
      if (known === undefined) continue;
      if (type === types.CREDIT) known.granted += payload.readUInt32BE();
      if (type === types.RESET) this.#streams.delete(stream);
    }
    this.#rest = bytes.subarray(read);
  }

  #opened(id: number): void {
    this.#streams.set(id, { headSent: !this.#isClient, ended: false, granted: limits.receiveWindow });
  }

  behave(move: Extract<Move, { do: "behave" }>): Buffer | undefined {
    this.#listen();
    if (move.what === "acknowledge") return ack(this.#counted);
    if (move.what === "request") {
      if (this.#isClient) return undefined;
      const id = Math.max(0, ...this.#streams.keys()) + 1;
      this.#opened(id);
      return frame(REQUEST | (move.size % 2 === 0 ? UPGRADE : 0), id, "POST\n/");
    }
    const ids = [...this.#streams.keys()];
    const id = ids[move.stream % ids.length];
    const state = id === undefined ? undefined : this.#streams.get(id);
    if (id === undefined || state === undefined) return undefined;
    switch (move.what) {
      case "credit":
        return credit(id, 1 + (move.size % 20_000));
      case "reset":
        state.ended = true;
        return reset(id, move.size % 12, "why");
      case "blocked":
        return state.ended ? undefined : frame(BLOCKED, id);
      case "interim":
        return state.headSent ? undefined : frame(INTERIM, id, "103\nLink\nx");
      case "head":
        if (state.headSent) return undefined;
        state.headSent = true;
        state.ended = move.end;
        return frame(move.end ? RESPONSE | END : RESPONSE, id, "200\nA\nx");
      case "data": {
        const length = Math.min(1 + move.size, state.granted);
        if (state.ended || !state.headSent || length === 0) return undefined;
        state.granted -= length;
        state.ended = move.end;
        return frame(move.end ? DATA | END : DATA, id, Buffer.alloc(length));
      }
      case "end":
        if (state.ended || !state.headSent) return undefined;
        state.ended = true;
        return frame(types.END, id, "T\nv");
    }
  }
}

interface Bench {
  session: ReturnType<typeof relayWithRawClient>["relay"] | ReturnType<typeof clientWithRawRelay>["client"];
  peer: RawPeer;
  told: { events: string[]; faults: unknown[] };
  streams: (TunnelStream & Partial<AcceptedStream>)[];
}

function relayEnd(openings: boolean[]): Bench {
  const { relay, peer, told } = relayWithRawClient(limits);
  const streams = openings.map((upgrade) => {
    const head: RequestHead = { method: "POST", path: "/", headers: [], upgrade };
    const eager = listener({ onData: (chunk) => upgrade && opened.consumed(chunk.length) });
    const opened = relay.open(head, false, eager);
    return opened;
  });
  return { session: relay, peer, told, streams };
}

function clientEnd(): Bench {
  const streams: AcceptedStream[] = [];
  const { client, peer, told } = clientWithRawRelay(limits, (accepted, { upgrade }) => {
    streams.push(accepted);
    return listener({ onData: (chunk) => upgrade === true && accepted.consumed(chunk.length) });
  });
  return { session: client, peer, told, streams };
}

/** `expect` is too slow for the checks after every move. */
function must(what: string, holds: boolean): void {
  if (!holds) throw new Error(`not so: ${what}`);
}

async function play(plan: Move[], { session, peer, told, streams }: Bench, isRelay: boolean): Promise<void> {
  const manners = new Manners(peer, isRelay);
  for (const move of plan) {
    if (move.do === "time") vi.advanceTimersByTime(move.ms);
    else if (move.do === "say") peer.send(move.bytes);
    else if (move.do === "behave") peer.send(manners.behave(move) ?? Buffer.alloc(0));
    else {
      const local = streams[move.stream % Math.max(1, streams.length)];
      if (move.how === "write") local?.write(Buffer.alloc(move.size));
      else if (move.how === "end") local?.end(["T", "v"]);
      else if (move.how === "reset") local?.reset("cancelled");
      else if (move.how === "consume") local?.consumed(move.size);
      else local?.sendHead?.({ status: 200, headers: [] });
    }
    // oxlint-disable-next-line no-await-in-loop -- frames of a later turn leave before the next move
    await Promise.resolve();

    must("no fault", told.faults.length === 0);
    must("few streams", session.streamCount <= limits.maxStreams);
    must("little queued", session.queuedBytes <= limits.maxQueuedBytes);
    must("little unacknowledged", session.unacknowledgedBytes <= mostUnacknowledged);
    const ends = told.events.filter((event) => event.startsWith("closed"));
    must("one end", ends.length === (session.closed ? 1 : 0));
    must("a link until the end", session.attached !== session.closed);
    if (!session.closed) continue;
    must("no stream after the end", session.streamCount === 0);
    if (ends[0] === "closed protocol_error") must("1002", peer.sessionLink.closed?.code === 1002);
    else must("an end for a reason", ends[0] === "closed overloaded");
  }
  session.close(1000, "");
  vi.advanceTimersByTime(0);
  expect(vi.getTimerCount()).toBe(0);
}

describe("for any bytes of its peer, a session goes on or ends with 1002, and stays small", () => {
  it(
    "at the relay",
    async () => {
      const openings = fc.array(fc.boolean(), { minLength: 1, maxLength: 4 });
      await fc.assert(
        fc.asyncProperty(openings, plans, (upgrades, plan) => play(plan, relayEnd(upgrades), true)),
        runs(120),
      );
    },
    fuzzTimeoutMs,
  );

  it(
    "at the client",
    async () => {
      await fc.assert(
        fc.asyncProperty(plans, (plan) => play(plan, clientEnd(), false)),
        runs(120),
      );
    },
    fuzzTimeoutMs,
  );
});
