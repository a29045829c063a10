import { createParser } from "eventsource-parser";
import fc from "fast-check";
import { expect, it } from "vitest";
import { EventSplitter, type SplitEvent } from "../src/sse/splitter.js";

/** What comes out if `bytes` are pushed in pieces that end at `cuts`. */
function split(bytes: Buffer, cuts: readonly number[] = [], maxEventBytes = 65_536): SplitEvent[] {
  const events: SplitEvent[] = [];
  const splitter = new EventSplitter((event) => events.push(event), maxEventBytes);
  const ends = [...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].toSorted((a, b) => a - b);
  let at = 0;
  for (const end of ends) {
    const lent = Buffer.from(bytes.subarray(at, end));
    splitter.push(lent);
    // The lender uses its memory again.
    lent.fill(0x21);
    at = end;
    expect(splitter.pending).toBeLessThanOrEqual(4 * maxEventBytes + 64);
  }
  return events;
}

const splitText = (text: string, cuts?: readonly number[], maxEventBytes?: number): SplitEvent[] =>
  split(Buffer.from(text), cuts, maxEventBytes);

type Plain = Pick<SplitEvent, "event" | "id" | "data" | "isComment">;
const plain = ({ event, id, data, isComment }: Plain): Plain => ({ event, id, data, isComment });

/** What eventsource-parser reads. */
function reference(bytes: Buffer): Plain[] {
  const events: Plain[] = [];
  const parser = createParser({
    onEvent: ({ event = "", id, data }) => events.push({ event, id, data, isComment: false }),
    onComment: (data) => events.push({ event: "", id: undefined, data, isComment: true }),
  });
  parser.feed(new TextDecoder().decode(bytes));
  return events;
}

const line = fc.oneof(
  fc.constantFrom("", "", "", "data", "data:", "data: ", "id", "event", ": keepalive", ":", "retry: 10"),
  fc.constantFrom("data: a", "data:  b", "Data: no", "dat: no", "datas: no", "id: a\0b", "id: 7", "event: e"),
  fc
    .tuple(fc.constantFrom("data: ", "id:", "event:", ":", ""), fc.string({ unit: "grapheme" }))
    .map(([a, b]) => a + b),
);
const lines = fc.array(fc.tuple(line, fc.constantFrom("\n", "\r\n", "\r")), { maxLength: 30 });
const cuts = fc.array(fc.nat(2_000), { maxLength: 40 });

it("reads what eventsource-parser reads, wherever the bytes are cut", () => {
  fc.assert(
    fc.property(fc.boolean(), lines, cuts, (hasMark, given, at) => {
      // Both have to know what follows the last line end: that parser waits for it.
      const text = `${hasMark ? "\ufeff" : ""}${given.flat().join("")}:`;
      const bytes = Buffer.from(text);
      const events = split(bytes, at);
      expect(events.map(plain)).toEqual(reference(bytes));
      expect(events.some(({ isCut }) => isCut)).toBe(false);
    }),
    { numRuns: 1_000 },
  );
});

it("reads any bytes as eventsource-parser does", () => {
  const byte = fc.oneof(
    fc.nat(255),
    fc.constantFrom(...Buffer.from("data: \n\n\r\r::id\xef\xbb\xbf", "latin1")),
  );
  fc.assert(
    fc.property(fc.array(byte, { maxLength: 200 }), cuts, (given, at) => {
      const bytes = Buffer.from([...Buffer.from("data:"), ...given, 0x3a]);
      expect(split(bytes, at).map(plain)).toEqual(reference(bytes));
    }),
    { numRuns: 1_000 },
  );
});

it("gives an event as soon as its blank line has come, with each kind of line end", () => {
  for (const end of ["\n", "\r", "\r\n"]) {
    expect(splitText(`data: a${end}${end}`).map(plain)).toEqual([
      { event: "", id: undefined, data: "a", isComment: false },
    ]);
  }
});

it("counts the bytes of an event, and those of a comment in it apart", () => {
  const events = splitText("event: e\r\n: here\r\ndata: ä\r\n\r\n: k\n\ndata: b\n\n");
  expect(events.map(({ data, bytes }) => [data, bytes])).toEqual([
    ["here", 8],
    ["ä", 22],
    ["k", 4],
    ["b", 9],
  ]);
});

it("counts the same bytes wherever they are cut", () => {
  const bytes = Buffer.from("id: 1\ndata: ä\ndata: b\n\n: k\ndata: c\n\n");
  const whole = split(bytes);
  fc.assert(
    fc.property(cuts, (at) => {
      expect(split(bytes, at)).toEqual(whole);
    }),
  );
});

it("takes a byte order mark off the beginning, and nothing else", () => {
  expect(splitText("\ufeffdata: a\n\n", [1, 2]).map(({ data, bytes }) => [data, bytes])).toEqual([["a", 9]]);
  expect(splitText("\ufeff\ufeffdata: a\n\n")).toEqual([]);
  expect(split(Buffer.from("efbb0a646174613a610a0a", "hex"), [1]).map(({ data }) => data)).toEqual(["a"]);
});

it("keeps the beginning of an event that is too long, and reads the next", () => {
  const events = splitText(`event: e\ndata: ${"a".repeat(100)}\ndata: b\n\ndata: c\n\n`, [], 64);
  expect(events).toEqual([
    { event: "e", id: undefined, data: "a".repeat(63), isComment: false, bytes: 125, isCut: true },
    { event: "", id: undefined, data: "c", isComment: false, bytes: 9, isCut: false },
  ]);
});

it("does not cut a character in two", () => {
  const [event] = splitText("data: aä€😀ä€😀\n\n", [], 18);
  expect(event).toMatchObject({ data: "aä€😀ä€", isCut: true });
  expect(splitText("data: aä€😀\n\n", [], 10)).toMatchObject([{ data: "aä€😀", isCut: false }]);
  for (let most = 0; most < 20; most++)
    expect(splitText("data: ä€😀\n\n", [], most)[0]?.data).not.toMatch(/\ufffd/);
});

it("keeps the same of an event that is too long wherever it is cut", () => {
  const text = `: ${"c".repeat(40)}\nid: ${"i".repeat(10)}\nevent: ä${"e".repeat(9)}\ndata: ${"dä€😀".repeat(9)}\n\n`;
  const whole = splitText(text, [], 48);
  expect(whole.map(({ isCut }) => isCut)).toEqual([false, true]);
  fc.assert(
    fc.property(cuts, (at) => {
      expect(splitText(text, at, 48)).toEqual(whole);
    }),
  );
});

it("holds no more than an event may have, of a line that never ends", () => {
  const splitter = new EventSplitter(() => expect.unreachable(), 1_024);
  const chunk = Buffer.from("data: never ending".repeat(100));
  for (let i = 0; i < 1_000; i++) splitter.push(chunk);
  expect(splitter.pending).toBeLessThan(2_048);
});

it("holds no more than an event may have, of lines that never end it", () => {
  const splitter = new EventSplitter(() => expect.unreachable(), 1_024);
  const chunk = Buffer.from("data\nid: 7\nevent: e\nother\n".repeat(100));
  for (let i = 0; i < 1_000; i++) splitter.push(chunk);
  expect(splitter.pending).toBeLessThan(2_048);
});

it("holds nothing between events", () => {
  const splitter = new EventSplitter(() => {}, 65_536);
  splitter.push(Buffer.from("id: 1\nevent: e\ndata: a"));
  expect(splitter.pending).toBeGreaterThan(0);
  splitter.push(Buffer.from("\n\n"));
  expect(splitter.pending).toBe(0);
});

it("takes time in proportion to the bytes: neither line ends nor fields that are nowhere cost a search each", () => {
  for (const text of ["id:\n", "data\r", "\n", "event\n", "x\n"]) {
    const bytes = Buffer.from(text.repeat(4_194_304 / text.length));
    const before = performance.now();
    split(bytes, [], 1_024);
    expect(performance.now() - before).toBeLessThan(5_000);
  }
});
