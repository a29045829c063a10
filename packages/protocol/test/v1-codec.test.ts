import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { resetCodes } from "../src/errors.js";
import { Decoder, decodeRequestHead, decodeResponseHead, decodeTrailers } from "../src/v1/decode.js";
import { encodeFields, encodeReset, encodeStatus, encodeTarget } from "../src/v1/encode.js";
import { Outbox } from "../src/v1/outbox.js";
import { decodeRefusals, encodeRefusals } from "../src/v1/refused.js";
import { Violation } from "../src/v1/violation.js";
import type { Refusal } from "../src/refusals.js";
import type { RequestHead, ResponseHead } from "../src/tunnel.js";
import { fuzzTimeoutMs, runs } from "./support/fuzz.js";
import { END, UPGRADE, ack, credit, frame, parse, types } from "./support/wire.js";
import type { WireFrame } from "./support/wire.js";

type TypeName = keyof typeof types;

interface Vectors {
  frames: {
    name: string;
    hex: string;
    type: TypeName;
    flags?: ("END" | "UPGRADE")[];
    stream: number;
    offset?: number;
    request?: RequestHead;
    response?: ResponseHead;
    trailers?: string[];
    data?: string;
    reset?: { code: number; message: string };
    credit?: number;
    refusals?: Refusal[];
  }[];
  violations: { name: string; hex: string }[];
  malformed: { name: string; kind: "request" | "response" | "trailers" | "refusals"; text: string }[];
}

const vectors = JSON.parse(readFileSync(new URL("vectors/frames.json", import.meta.url), "utf8")) as Vectors;

const unhex = (hex: string) => Buffer.from(hex.replaceAll(" ", ""), "hex");

/** The frames that come out of these pieces, and the violation that ended the decoding, if there was one. */
function decode(pieces: Iterable<Buffer>): { frames: WireFrame[]; violation: string | undefined } {
  const frames: WireFrame[] = [];
  const decoder = new Decoder((type, flags, stream, payload) =>
    frames.push({ type, flags, stream, payload }),
  );
  try {
    for (const piece of pieces) decoder.push(piece);
    // On a busy machine the frames of one turn may take too long for it.
    while (decoder.isBehind) decoder.proceed();
  } catch (error) {
    if (!(error instanceof Violation)) throw error;
    return { frames, violation: error.message };
  }
  return { frames, violation: undefined };
}

/** Frames as text that is cheap to compare and to read. */
const inWords = (frames: WireFrame[]) =>
  frames.map(
    ({ type, flags, stream, payload }) => `${type}|${flags} ${stream} ${payload.toString("latin1")}`,
  );

/** Cuts bytes at these places (in any order, beyond the end allowed); some pieces may be empty. */
function* cut(bytes: Buffer, places: number[]): Generator<Buffer> {
  let from = 0;
  for (const place of places.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b)) {
    yield bytes.subarray(from, place);
    from = place;
  }
  yield bytes.subarray(from);
}

const byByte = (bytes: Buffer) => Array.from(bytes, (_, i) => bytes.subarray(i, i + 1));

/**
 * The table of PROTOCOL.md section 2: limits, flags, whether the payload has one length, and whether the
 * stream id is the session's.
 */
const table: Record<TypeName, { max: number; exact?: true; flags: number; session?: true }> = {
  ACK: { max: 8, exact: true, flags: 0, session: true },
  REQUEST: { max: 262_144, flags: END | UPGRADE },
  INTERIM: { max: 262_144, flags: 0 },
  RESPONSE: { max: 262_144, flags: END },
  DATA: { max: 262_144, flags: END },
  END: { max: 65_536, flags: 0 },
  RESET: { max: 1_026, flags: 0 },
  CREDIT: { max: 4, exact: true, flags: 0 },
  BLOCKED: { max: 0, exact: true, flags: 0 },
  GOAWAY: { max: 0, exact: true, flags: 0, session: true },
  REFUSED: { max: 16_384, flags: 0, session: true },
};
const rows = Object.entries(table).map(([name, rule]) => ({ name, type: types[name as TypeName], ...rule }));

const streamIds = fc.oneof(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 0xffffffff }));

/** Any frame that the table allows; mostly short ones. */
const validFrames: fc.Arbitrary<WireFrame> = fc.constantFrom(...rows).chain((row) =>
  fc.record({
    type: fc.constant(row.type),
    flags: fc.nat(7).map((bits) => (bits << 5) & row.flags),
    stream: row.session ? fc.constant(0) : streamIds,
    payload: fc
      .oneof(
        { weight: 6, arbitrary: fc.uint8Array({ maxLength: 40 }) },
        { weight: 1, arbitrary: fc.nat(row.max).map((length) => new Uint8Array(length).fill(length)) },
      )
      .map((bytes) => {
        if (row.exact) return Buffer.concat([bytes, Buffer.alloc(8)]).subarray(0, row.max);
        return Buffer.from(bytes.subarray(0, row.max));
      }),
  }),
);

const bytesOf = (frames: WireFrame[]) =>
  Buffer.concat(frames.map(({ type, flags, stream, payload }) => frame(type | flags, stream, payload)));

describe("the byte vectors", () => {
  it.each(vectors.frames)("$name is read as it is meant", (vector) => {
    const bytes = unhex(vector.hex);
    for (const pieces of [[bytes], byByte(bytes)]) {
      const { frames, violation } = decode(pieces);
      expect(violation).toBe(undefined);
      expect(frames.length).toBe(1);
      const [{ type, flags, stream, payload }] = frames as [WireFrame];
      expect(type).toBe(types[vector.type]);
      const named = { END, UPGRADE };
      expect(flags).toBe((vector.flags ?? []).reduce((all, name) => all | named[name], 0));
      expect(stream).toBe(vector.stream);
      if (vector.offset !== undefined) expect(payload.readBigUInt64BE()).toBe(BigInt(vector.offset));
      if (vector.request !== undefined) {
        expect(decodeRequestHead(payload, (flags & UPGRADE) !== 0)).toEqual(vector.request);
      }
      if (vector.response !== undefined) expect(decodeResponseHead(payload)).toEqual(vector.response);
      if (vector.trailers !== undefined) expect(decodeTrailers(payload)).toEqual(vector.trailers);
      if (vector.data !== undefined) expect(payload.toString("hex")).toBe(vector.data);
      if (vector.refusals !== undefined) expect(decodeRefusals(payload)).toEqual(vector.refusals);
      if (vector.credit !== undefined) expect(payload.readUInt32BE()).toBe(vector.credit);
      if (vector.reset !== undefined) {
        expect(payload.readUInt16BE()).toBe(vector.reset.code);
        expect(payload.toString("utf8", 2)).toBe(vector.reset.message);
      }
    }
  });

  it.each(vectors.frames.filter((vector) => vector.type !== "ACK"))("$name is written the same", (vector) => {
    const outbox = new Outbox();
    const named = { END, UPGRADE };
    const first = (vector.flags ?? []).reduce((all, name) => all | named[name], types[vector.type] as number);
    const { stream, request, response, trailers, data, reset, refusals, credit: bytes } = vector;
    if (request !== undefined)
      outbox.text(first, stream, encodeTarget(request), encodeFields(request.headers));
    else if (response !== undefined)
      outbox.text(first, stream, encodeStatus(response), encodeFields(response.headers));
    else if (trailers !== undefined) outbox.text(first, stream, encodeFields(trailers));
    else if (refusals !== undefined) outbox.text(first, stream, encodeRefusals(refusals));
    else if (data !== undefined) outbox.bytes(first, stream, Buffer.from(data, "hex"));
    else if (bytes !== undefined) outbox.number(first, stream, bytes);
    else if (reset !== undefined) outbox.bytes(first, stream, encodeReset(reset.code, reset.message));
    else outbox.text(first, stream, "");
    expect(Buffer.concat(outbox.take()).toString("hex")).toBe(unhex(vector.hex).toString("hex"));
  });

  it.each(vectors.violations)("$name is a violation, at once", ({ hex }) => {
    const bytes = unhex(hex);
    const whole = decode([bytes]);
    expect(whole.frames).toEqual([]);
    expect(whole.violation).toBeDefined();
    // The header alone shows the violation, so nothing of the payload has to be kept.
    expect(decode([bytes.subarray(0, 8)]).violation).toBe(whole.violation);
    expect(decode(byByte(bytes)).violation).toBe(whole.violation);
  });

  it.each(vectors.malformed)("$name is a violation", ({ kind, text }) => {
    const payload = Buffer.from(text, "latin1");
    const reader = {
      request: () => decodeRequestHead(payload, false),
      response: () => decodeResponseHead(payload),
      trailers: () => decodeTrailers(payload),
      refusals: () => decodeRefusals(payload),
    };
    expect(reader[kind]).toThrow(Violation);
  });

  it("has every reset code", () => {
    // PROTOCOL.md section 3, "Reset codes".
    const names =
      "no_error cancelled upstream_unreachable upstream_failed upstream_timeout body_too_large bad_message refused overloaded internal session_lost";
    expect(Object.entries(resetCodes)).toEqual(names.split(" ").map((name, code) => [name, code]));
  });
});

describe("the table of frames", () => {
  it.each(rows)("$name: the limit and one byte more", ({ type, max, session }) => {
    const stream = session ? 0 : 9;
    const { frames, violation } = decode([frame(type, stream, Buffer.alloc(max, 1))]);
    expect(violation).toBe(undefined);
    expect(frames.map(({ payload }) => payload.length)).toEqual([max]);
    expect(decode([frame(type, stream, "", max + 1)]).violation).toMatch(/payload too long/);
  });

  it.each(rows.filter((row) => row.exact === true && row.max > 0))("$name: one byte less", (row) => {
    const header = frame(row.type, row.session ? 0 : 9, "", row.max - 1);
    expect(decode([header]).violation).toMatch(/payload too short/);
  });

  it.each(rows)("$name: every combination of flags", ({ type, flags, exact, max, session }) => {
    const payload = Buffer.alloc(exact === true ? max : 0);
    for (let bits = 0; bits < 8; bits++) {
      const given = bits << 5;
      const { violation } = decode([frame(type | given, session ? 0 : 9, payload)]);
      if ((given & ~flags) === 0) expect(violation).toBe(undefined);
      else expect(violation).toMatch(/flag not allowed/);
    }
  });

  it.each(rows)("$name: whose stream id it carries", ({ type, exact, max, session }) => {
    const payload = Buffer.alloc(exact === true ? max : 0);
    for (const stream of [0, 1, 0x7fffffff, 0x80000000, 0xffffffff]) {
      const { frames, violation } = decode([frame(type, stream, payload)]);
      if ((stream === 0) === (session === true)) expect(frames[0]?.stream).toBe(stream);
      else expect(violation).toMatch(/wrong stream id/);
    }
  });

  it("has no other types", () => {
    for (let type = 0; type < 32; type++) {
      const known = rows.some((row) => row.type === type);
      const { violation } = decode([frame(type, 1)]);
      if (!known) expect(violation).toMatch(/unknown frame type/);
    }
  });
});

describe("the decoder", () => {
  it(
    "gives back any frames from any split of their bytes",
    () => {
      fc.assert(
        fc.property(
          fc.array(validFrames, { maxLength: 12 }),
          fc.array(fc.nat(), { maxLength: 30 }),
          (sent, places) => {
            const { frames, violation } = decode(cut(bytesOf(sent), places));
            expect(violation).toBe(undefined);
            expect(inWords(frames)).toEqual(inWords(sent));
          },
        ),
        runs(150),
      );
    },
    fuzzTimeoutMs,
  );

  it(
    "reads garbage the same however it is split, and stops at the first violation",
    () => {
      // Mostly valid frames with some bytes changed: pure noise hardly ever gets past its first header.
      const damaged = fc
        .tuple(
          fc.array(validFrames, { maxLength: 6 }),
          fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }),
        )
        .map(([frames, changes]) => {
          const bytes = bytesOf(frames);
          for (const [place, value] of changes) if (bytes.length > 0) bytes[place % bytes.length] = value;
          return bytes;
        });
      const noise = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes));
      fc.assert(
        fc.property(fc.oneof(noise, damaged), fc.array(fc.nat(), { maxLength: 20 }), (bytes, places) => {
          const whole = decode([bytes]);
          const pieces = decode(cut(bytes, places));
          expect(pieces.violation).toBe(whole.violation);
          expect(inWords(pieces.frames)).toEqual(inWords(whole.frames));
          // The frames that came out are those that the independent parser sees before the violation.
          const expected = parse(bytes);
          if (whole.violation === undefined) expect(inWords(whole.frames)).toEqual(inWords(expected));
          else expect(inWords(whole.frames)).toEqual(inWords(expected.slice(0, whole.frames.length)));
        }),
        runs(300),
      );
    },
    fuzzTimeoutMs,
  );

  it("keeps at most one frame when its bytes drip", () => {
    const bytes = frame(types.DATA, 1, Buffer.alloc(262_144, 7));
    const frames: number[] = [];
    const decoder = new Decoder((_type, _flags, _stream, payload) => frames.push(payload.length));
    decoder.push(bytes.subarray(0, 8));
    const before = process.memoryUsage().arrayBuffers;
    let most = 0;
    for (let i = 8; i < bytes.length - 1; i++) {
      decoder.push(bytes.subarray(i, i + 1));
      while (decoder.isBehind) decoder.proceed();
      if (i % 4_096 === 0) most = Math.max(most, process.memoryUsage().arrayBuffers - before);
    }
    expect(frames).toEqual([]);
    decoder.push(bytes.subarray(-1));
    while (decoder.isBehind) decoder.proceed();
    expect(frames).toEqual([262_144]);
    expect(most).toBeLessThan(2 * 262_144);
  });

  it("spends nothing on a payload of which nothing has come", () => {
    const decoders: Decoder[] = [];
    const before = process.memoryUsage().arrayBuffers;
    for (let i = 0; i < 1_000; i++) {
      const decoder = new Decoder(() => {});
      decoder.push(frame(types.DATA, 1, "", 262_144));
      decoders.push(decoder);
    }
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1_000 * 1_024);
    expect(decoders.length).toBe(1_000);
  });

  it("reports nothing after it was stopped, not even from the same bytes", () => {
    const seen: number[] = [];
    const decoder = new Decoder((_type, _flags, stream) => {
      seen.push(stream);
      if (stream === 2) decoder.stop();
    });
    decoder.push(Buffer.concat([1, 2, 3].map((stream) => frame(types.DATA, stream, "x"))));
    decoder.push(frame(types.DATA, 4, "x"));
    expect(seen).toEqual([1, 2]);
  });
});

describe("a decoder between two messages", () => {
  it("takes memory for a header only while it has a part of one", () => {
    const allocations = [vi.spyOn(Buffer, "alloc"), vi.spyOn(Buffer, "allocUnsafe")];
    const taken = (): number => allocations.reduce((sum, spy) => sum + spy.mock.calls.length, 0);
    try {
      const whole = frame(types.DATA, 1, "abc");
      const decoder = new Decoder(() => {});
      const before = taken();
      decoder.push(whole);
      decoder.push(whole);
      expect(taken() - before).toBe(0);
      decoder.push(whole.subarray(0, 3));
      decoder.push(whole.subarray(3));
      expect(taken() - before).toBe(1);
    } finally {
      for (const spy of allocations) spy.mockRestore();
    }
  });
});

describe("heads and trailers", () => {
  /** Any bytes but LF: the wire carries them, even where HTTP would not. */
  const text = (minLength: number) =>
    fc
      .array(
        fc.nat(255).filter((code) => code !== 10),
        { minLength, maxLength: 12 },
      )
      .map((codes) => String.fromCharCode(...codes));
  const fields = fc.array(fc.tuple(text(0), text(0)), { maxLength: 6 }).map((pairs) => pairs.flat());
  const bytes = (encoded: string) => Buffer.from(encoded, "latin1");

  it(
    "come back as they were",
    () => {
      fc.assert(
        fc.property(
          text(1),
          text(1),
          fields,
          fc.integer({ min: 100, max: 999 }),
          (method, path, headers, status) => {
            const request = { method, path, headers };
            const response = { status, headers };
            const encoded = encodeFields(headers);
            const ofRequest = bytes(encodeTarget(request) + encoded);
            expect(decodeRequestHead(ofRequest, false)).toEqual(request);
            expect(decodeRequestHead(ofRequest, true)).toEqual({ ...request, upgrade: true });
            expect(decodeResponseHead(bytes(encodeStatus(response) + encoded))).toEqual(response);
            expect(decodeTrailers(bytes(encoded))).toEqual(headers);
          },
        ),
        runs(200),
      );
    },
    fuzzTimeoutMs,
  );

  it(
    "are read from garbage, or refused as a violation",
    () => {
      const readers = [
        (payload: Buffer) => decodeRequestHead(payload, false),
        decodeResponseHead,
        decodeTrailers,
      ];
      const garbage = fc.array(fc.oneof(fc.constant(10), fc.nat(255), fc.integer({ min: 48, max: 57 })), {
        maxLength: 30,
      });
      fc.assert(
        fc.property(garbage, (codes) => {
          for (const read of readers) {
            try {
              read(Buffer.from(codes));
            } catch (error) {
              expect(error).toBeInstanceOf(Violation);
            }
          }
        }),
        runs(300),
      );
    },
    fuzzTimeoutMs,
  );

  it(
    "cut a reset's message to 1,024 bytes, between characters",
    () => {
      fc.assert(
        fc.property(fc.nat(1_030), fc.constantFrom("x", "é", "€", "😀"), (lead, character) => {
          const message = "a".repeat(lead) + character.repeat(400);
          const payload = encodeReset(1, message);
          expect(payload.length).toBeLessThanOrEqual(1_026);
          expect(payload.length).toBeGreaterThanOrEqual(2 + Math.min(Buffer.byteLength(message), 1_024 - 3));
          expect(message.startsWith(payload.toString("utf8", 2))).toBe(true);
        }),
        runs(50),
      );
    },
    fuzzTimeoutMs,
  );
});

describe("the outbox", () => {
  type Step =
    | { do: "text"; stream: number; size: number }
    | { do: "bytes"; stream: number; size: number }
    | { do: "number"; stream: number; value: number }
    | { do: "end"; stream: number }
    | { do: "take" }
    | { do: "acknowledge"; share: number };

  const streams = fc.integer({ min: 1, max: 3 });
  const size = fc.oneof(fc.nat(100), fc.nat(6_000), fc.nat(70_000));
  const steps: fc.Arbitrary<Step> = fc.oneof(
    fc.record({ do: fc.constant("text" as const), stream: streams, size }),
    fc.record({ do: fc.constant("bytes" as const), stream: streams, size }),
    fc.record({ do: fc.constant("number" as const), stream: streams, value: fc.nat(0xffffffff) }),
    fc.record({ do: fc.constant("end" as const), stream: streams }),
    fc.record({ do: fc.constant("take" as const) }),
    fc.record({ do: fc.constant("acknowledge" as const), share: fc.double({ min: 0, max: 1, noNaN: true }) }),
  );

  it(
    "sends what was put in, and keeps exactly what was not acknowledged",
    () => {
      fc.assert(
        fc.property(fc.array(steps, { maxLength: 60 }), (plan) => {
          const outbox = new Outbox();
          /** Frames appended, in order. `taken` of them have been sent, `processed` are done at the peer. */
          const frames: WireFrame[] = [];
          let [taken, processed] = [0, 0];
          const sent: Buffer[] = [];
          const length = (from: number, to: number) => bytesOf(frames.slice(from, to)).length;
          for (const step of plan) {
            if (step.do === "text" || step.do === "bytes") {
              const payload = Buffer.alloc(step.size, frames.length + 1);
              if (step.do === "text") outbox.text(types.RESPONSE, step.stream, payload.toString("latin1"));
              else outbox.bytes(types.DATA, step.stream, payload);
              const type = step.do === "text" ? types.RESPONSE : types.DATA;
              frames.push({ type, flags: 0, stream: step.stream, payload });
            } else if (step.do === "number") {
              outbox.number(types.CREDIT, step.stream, step.value);
              const payload = credit(step.stream, step.value).subarray(8);
              frames.push({ type: types.CREDIT, flags: 0, stream: step.stream, payload });
            } else if (step.do === "end") {
              const last = frames.length > taken ? frames.at(-1) : undefined;
              const possible = last?.stream === step.stream && last.flags === 0 && last.type !== types.CREDIT;
              expect(outbox.markEnd(step.stream)).toBe(possible);
              if (possible) last.flags = END;
            } else if (step.do === "take") {
              sent.push(...outbox.take());
              taken = frames.length;
            } else {
              processed += Math.floor((taken - processed) * step.share);
              outbox.acknowledge(length(0, processed));
            }
            expect(outbox.unacknowledgedBytes).toBe(length(processed, taken));
            expect(outbox.batchBytes).toBe(length(taken, frames.length));
          }
          expect(inWords(parse(Buffer.concat(sent)))).toEqual(inWords(frames.slice(0, taken)));
          expect(inWords(parse(Buffer.concat(outbox.kept())))).toEqual(
            inWords(frames.slice(processed, taken)),
          );
        }),
        runs(100),
      );
    },
    fuzzTimeoutMs,
  );

  it("refuses an offset that was not sent, or goes back", () => {
    const outbox = new Outbox();
    outbox.text(types.END, 1, "");
    expect(() => outbox.acknowledge(8)).toThrow(Violation);
    outbox.take();
    expect(() => outbox.acknowledge(9)).toThrow(Violation);
    outbox.acknowledge(8);
    outbox.acknowledge(8);
    expect(() => outbox.acknowledge(7)).toThrow(Violation);
    expect(ack(8).length).toBe(16);
  });
});
