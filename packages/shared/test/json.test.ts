import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { splice } from "../src/json.js";

const id = [{ path: ["id"], to: "7" }];

describe("splice", () => {
  it.each([
    ['{"id":1}', '{"id":7}'],
    [' { "id" : "a\\"b" , "x" : 1.0 } ', ' { "id" : 7 , "x" : 1.0 } '],
    ['{"i\\u0064":12345678901234567890,"n":12345678901234567890}', '{"i\\u0064":7,"n":12345678901234567890}'],
    ['{"id":1,"id":"two"}', '{"id":7,"id":7}'],
    ['{"x":{"id":1},"id":1,"y":[{"id":1}]}', '{"x":{"id":1},"id":7,"y":[{"id":1}]}'],
    ['{"x":"id","y":["id",1],"z":{"a":"id"}}', '{"x":"id","y":["id",1],"z":{"a":"id"}}'],
    ['{"id":null}', '{"id":null}'],
    ['{"id":{"id":1}}', '{"id":{"id":1}}'],
    ['[{"id":1}]', '[{"id":1}]'],
  ])("%s becomes %s", (json, expected) => {
    expect(splice(json, id).text).toBe(expected);
  });

  it("tells what stood there, and takes the last of two", () => {
    const edits = [...id, { path: ["a", "b"], to: "8" }];
    expect(splice('{"id":1,"id":"two","a":{}}', edits).found).toEqual(['"two"', undefined]);
  });

  it("replaces one number alone where it is asked to, however it is written", () => {
    const edits = [{ path: ["id"], from: 5, to: '"five"' }];
    expect(splice('{"id":5.0}', edits).text).toBe('{"id":"five"}');
    expect(splice('{"id":"5"}', edits).text).toBe('{"id":"5"}');
    expect(splice('{"id":6}', edits).text).toBe('{"id":6}');
  });

  it("reads JSON that is nested deeper than any stack", () => {
    const deep = `{"x":${"[".repeat(1_000_000)}${"]".repeat(1_000_000)},"id":1}`;
    expect(splice(deep, id).text.endsWith('"id":7}')).toBe(true);
  });

  it("changes the values at the paths and nothing else", () => {
    const paths = fc.constantFrom(["id"], ["params", "_meta", "token"], ["result", "_meta", "id"]);
    const names = fc.constantFrom("id", "params", "_meta", "token", "result", "other");
    const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
      tree: fc.oneof(
        { maxDepth: 5 },
        fc.jsonValue(),
        fc.array(tie("tree"), { maxLength: 4 }),
        fc.dictionary(names, tie("tree"), { maxKeys: 5 }),
      ),
    }));
    const indents = fc.constantFrom(0, 2, "\t");
    fc.assert(
      fc.property(tree, paths, indents, (value, path, indent) => {
        const json = JSON.stringify(value, null, indent);
        const expected = JSON.stringify(replaced(JSON.parse(json), path), null, indent);
        expect(splice(json, [{ path, to: '"new"' }]).text).toBe(expected);
      }),
    );
  });
});

function replaced(value: unknown, [name, ...rest]: readonly string[]): unknown {
  if (name === undefined) return typeof value === "string" || typeof value === "number" ? "new" : value;
  if (typeof value !== "object" || value === null || Array.isArray(value) || !Object.hasOwn(value, name))
    return value;
  const object = value as Record<string, unknown>;
  object[name] = replaced(object[name], rest);
  return object;
}
