import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { oneLine, printable, printableJson, printableLines, withoutTrailing } from "../src/index.js";

/** The list is spelled out, so that a wrong question about Unicode's properties shows. */
const unseen = [
  ..."\u0000\t\n\r\u001b\u007f\u0080\u009b\u009f\u00a0\u00ad\u034f\u061c\u115f\u180e\u200b\u200d\u200e\u200f",
  ..."\u2028\u2029\u202a\u202e\u202f\u2060\u2063\u2066\u2069\u206f\u3000\u3164\ufe0f\ufeff\uffa0\ufff9\ufffb\ue000",
  "\u{e0001}",
  "\u{e0041}",
  "\u{e0100}",
  "\u{1d173}",
  "\ud800",
];

const text = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.string({ unit: fc.constantFrom(...unseen, "a", " ", "\\", '"') }),
);

describe("printable", () => {
  it.each(unseen.map((character) => [character]))("escapes %j", (character) => {
    const escaped = Array.from({ length: character.length }, (_, i) => {
      return `\\u${character.charCodeAt(i).toString(16).padStart(4, "0")}`;
    }).join("");
    expect(printable(`a${character}b`)).toBe(`a${escaped}b`);
    expect(printableLines(`a${character}b`)).toBe(character === "\n" ? "a\nb" : `a${escaped}b`);
  });

  it("leaves what is seen as it is", () => {
    const seen = 'GET /a?b=c#d \\u001b "é" 漢字 ελληνικά \u{1f600} e\u0301';
    expect([printable(seen), printableLines(seen)]).toEqual([seen, seen]);
  });

  it("takes text of any length", () => {
    const length = 4_000_000;
    expect(printable("\u009b".repeat(length))).toHaveLength(6 * length);
    expect(printableLines("\u202e".repeat(length))).toHaveLength(6 * length);
  });

  it("needs no second time", () => {
    fc.assert(fc.property(text, (given) => printable(printable(given)) === printable(given)));
  });

  it("makes JSON that says the same", () => {
    fc.assert(
      fc.property(text, fc.constantFrom(undefined, 2), (given, indent) => {
        const json = printableJson({ given: [given] }, indent);
        expect(JSON.parse(json)).toEqual({ given: [given] });
        expect(printableLines(json)).toBe(json);
      }),
    );
  });
});

describe("text", () => {
  it.each([
    ["a//", "a"],
    ["/a/b", "/a/b"],
    ["//", ""],
    ["", ""],
  ])("%j without slashes at its end is %j", (given, expected) =>
    expect(withoutTrailing(given, "/")).toBe(expected),
  );

  it("of several lines becomes one", () => {
    expect(oneLine(" a\n\n   b \r\nc\n")).toBe("a b c");
    expect(oneLine(" a\n\n   b\n", "; ")).toBe("a; b");
  });
});
