import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Lines } from "../../src/child/lines.js";

interface Read {
  readonly lines: string[];
  readonly longLines: string[];
}

function read(chunks: readonly Buffer[], maxBytes = 1_000_000): Read {
  const result: Read = { lines: [], longLines: [] };
  const lines = new Lines(
    {
      onLine: (line) => result.lines.push(line),
      onLongLine: (start) => result.longLines.push(start),
    },
    maxBytes,
  );
  for (const chunk of chunks) lines.push(chunk);
  lines.finish();
  return result;
}

/** `bytes`, cut at some of its places. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const ends = [...places.map((place) => place % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
  return ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end));
}

describe("the lines of a stream", () => {
  it("are the same wherever the stream is cut, also inside a character", () => {
    const line = fc.string({ unit: "binary" }).map((text) => text.replaceAll(/[\r\n]/g, " "));
    fc.assert(
      fc.property(
        fc.array(fc.tuple(line, fc.constantFrom("\n", "\r\n"))),
        line,
        fc.array(fc.nat()),
        (whole, last, places) => {
          const text = whole.map(([content, end]) => content + end).join("") + last;
          const expected = [...whole.map(([content]) => content), ...(last === "" ? [] : [last])];
          expect(read(cut(Buffer.from(text), places)).lines).toEqual(expected);
        },
      ),
    );
  });

  it("are bounded, wherever the stream is cut: the rest of a long one is dropped", () => {
    const maxBytes = 5;
    const line = fc.string({ unit: fc.constantFrom("a", "b"), maxLength: 12 });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(line, fc.constantFrom("\n", "\r\n"))),
        fc.array(fc.nat()),
        (whole, places) => {
          const text = whole.map(([content, end]) => content + end).join("");
          const contents = whole.map(([content]) => content);
          expect(read(cut(Buffer.from(text), places), maxBytes)).toEqual({
            lines: contents.filter((content) => content.length <= maxBytes),
            longLines: contents
              .filter((content) => content.length > maxBytes)
              .map((content) => content.slice(0, 5)),
          });
        },
      ),
    );
  });

  it("take time in proportion to their length, however small the chunks", () => {
    const chunk = Buffer.from("xy");
    const result = read([...Array.from({ length: 500_000 }, () => chunk), Buffer.from("\n")]);
    expect(result.lines.map((line) => line.length)).toEqual([1_000_000]);
  });
});
