import { describe, expect, it } from "vitest";
import { formatJson, type JsonNode, readInner, readJson } from "../page/src/parts/json-text.js";
import { diffLines, foldSame } from "../page/src/parts/line-diff.js";

function nodeOf(text: string): JsonNode {
  const reading = readJson(text);
  if (!("node" in reading)) throw new Error(`${reading.problem} at ${reading.at}`);
  return reading.node;
}

describe("JSON as it was written", () => {
  it("keeps numbers that a double cannot hold, and keys that stand twice", () => {
    const text = '{"id": 12345678901234567890, "x": 1.0e2, "id": -0, "__proto__": [true, false, null]}';
    const node = nodeOf(text);
    expect(node).toMatchObject({
      kind: "object",
      members: [
        { key: "id", value: { raw: "12345678901234567890" } },
        { key: "x", value: { raw: "1.0e2" } },
        { key: "id", value: { raw: "-0" } },
        { key: "__proto__", value: { raw: "[true, false, null]" } },
      ],
    });
    expect(node.raw).toBe(text);
  });

  it.each([' {"a" : [ 1 , {} , [] , "x\\u0041\\n" ] } ', "[]", '"x"', "0", "[[[]]]", '{"":""}'])(
    "reads what JSON.parse reads: %s",
    (text) => {
      expect(JSON.parse(formatJson(nodeOf(text)))).toEqual(JSON.parse(text));
    },
  );

  it.each(["", "[", "[1", "[1,", '{"a', '{"a"', '{"a":', '{"a":tr', '["x\\', '["x\\u00', "[-"])(
    "knows a text that was cut off: %s",
    (text) => expect(readJson(text)).toMatchObject({ problem: "cut" }),
  );

  it.each(["x", "[1,]", "{,}", "{a:1}", "[1] 2", "01", '["\n"]', "[1 2]", '{"a" 1}', "}", "nul1"])(
    "knows a text that is no JSON: %s",
    (text) => expect(readJson(text)).toMatchObject({ problem: "broken" }),
  );

  it("reads a hundred thousand brackets, which a stranger sent to exhaust the stack", () => {
    const depth = 100_000;
    const node = nodeOf("[".repeat(depth) + "]".repeat(depth));
    expect(formatJson(node).length).toBeLessThan(3 * depth);
    expect(readJson("[".repeat(depth))).toEqual({ problem: "cut", at: depth });
  });

  it("reads a string that is JSON itself", () => {
    const node = nodeOf(JSON.stringify('{"a":1}'));
    expect(node.kind === "string" && readInner(node)).toMatchObject({ kind: "object" });
    const other = nodeOf('"{ no }"');
    expect(other.kind === "string" && readInner(other)).toBeUndefined();
  });
});

describe("lines beside each other", () => {
  it("puts what went beside what came", () => {
    expect(diffLines(["a", "b", "c", "d"], ["a", "x", "c", "d", "e"])).toEqual([
      { kind: "same", left: "a", right: "a" },
      { kind: "changed", left: "b", right: "x" },
      { kind: "same", left: "c", right: "c" },
      { kind: "same", left: "d", right: "d" },
      { kind: "right", left: undefined, right: "e" },
    ]);
  });

  it("loses no line of either side, whatever they are", () => {
    let seed = 7;
    const random = () => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
    for (let round = 0; round < 200; round += 1) {
      const lines = () =>
        Array.from({ length: Math.floor(random() * 9) }, () => "abc".charAt(Math.floor(random() * 3)));
      const [left, right] = [lines(), lines()];
      const rows = diffLines(left, right);
      expect(rows.map((row) => row.left).filter((line) => line !== undefined)).toEqual(left);
      expect(rows.map((row) => row.right).filter((line) => line !== undefined)).toEqual(right);
      for (const row of rows) expect(row.left === row.right).toBe(row.kind === "same");
      expect(foldSame(rows).flatMap((part) => ("rows" in part ? part.rows : part.folded))).toEqual(rows);
    }
  });

  it("folds what is the same far from a difference", () => {
    const left = Array.from({ length: 40 }, (_, at) => `line ${at}`);
    const right = left.with(20, "other");
    expect(
      foldSame(diffLines(left, right)).map((part) => ("rows" in part ? part.rows : part.folded).length),
    ).toEqual([17, 3, 1, 3, 16]);
    expect(foldSame(diffLines(left, left))).toHaveLength(1);
  });
});
