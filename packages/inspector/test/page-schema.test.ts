import { describe, expect, it } from "vitest";
import { draftOf, withArguments, writeFields } from "../page/src/actions/draft.js";
import { fieldsOf } from "../page/src/actions/schema.js";
import { type JsonNode, readJson } from "../page/src/parts/json-text.js";

function nodeOf(text: string): JsonNode {
  const reading = readJson(text);
  if (!("node" in reading)) throw new Error(reading.problem);
  return reading.node;
}

/** As Python's tools write it: a reference, and an optional value as one of two types. */
const schema = {
  type: "object",
  $defs: { Unit: { type: "string", enum: ["m", "km"] } },
  properties: {
    text: { type: "string", description: "What to say" },
    count: { type: "integer", minimum: 1, maximum: 5 },
    loud: { type: "boolean" },
    unit: { $ref: "#/$defs/Unit", description: "Of length" },
    ratio: { anyOf: [{ type: "number" }, { type: "null" }] },
    tags: { type: "array", items: { type: "string" } },
    place: {
      type: "object",
      required: ["lat"],
      properties: { lat: { type: "number" }, deep: { type: "object", properties: { a: {} } } },
    },
    other: { type: ["string", "number"] },
  },
  required: ["text", "count"],
};

describe("a form of a tool's schema", () => {
  it("has a control for each value", () => {
    const fields = fieldsOf(schema, undefined)!;
    expect(fields.map(({ name, control }) => [name, control.kind])).toEqual([
      ["text", "text"],
      ["count", "number"],
      ["loud", "choice"],
      ["unit", "choice"],
      ["ratio", "number"],
      ["tags", "list"],
      ["place", "group"],
      ["other", "json"],
    ]);
    expect(fields.filter(({ required }) => required).map(({ name }) => name)).toEqual(["text", "count"]);
    expect(fields[3]).toMatchObject({ description: "Of length" });
  });

  it("gives back what it was given, with what the schema does not know or allow", () => {
    const args =
      '{"text":"a\\nb","count":12345678901234567890,"loud":true,"unit":"km","tags":["a","b"],"x":{"y":1.0},' +
      '"place":{"lat":1e2},"other":null,"ratio":"much","__proto__":[1]}';
    const fields = fieldsOf(schema, nodeOf(args))!;
    const draft = draftOf(fields).set("/count", "3");
    const { json, problems } = writeFields(fields, draft);
    expect(problems.size).toBe(0);
    const { count, ...others } = JSON.parse(json) as Record<string, unknown>;
    const { count: _, ...given } = JSON.parse(args) as Record<string, unknown>;
    expect(count).toBe(3);
    expect(others).toEqual(given);
    expect(json).toContain('"lat":1e2');
    expect(json).toContain('"x":{"y":1.0}');
    expect(json).toContain('"__proto__":[1]');
  });

  it("leaves out what is not given, and says what is wrong", () => {
    const fields = fieldsOf(schema, undefined)!;
    expect(writeFields(fields, new Map()).problems).toEqual(new Map([["/count", "A value is needed."]]));
    const wrong = new Map([
      ["/count", "9"],
      ["/ratio", "1,5"],
      ["/other", "words"],
      ["/place/deep", "{"],
    ]);
    expect(writeFields(fields, wrong).problems).toEqual(
      new Map([
        ["/count", "At most 5."],
        ["/ratio", '"1,5" is not a number.'],
        ["/place/lat", "A value is needed."],
        ["/place/deep", "This is not JSON. A text needs quotes."],
        ["/other", "This is not JSON. A text needs quotes."],
      ]),
    );
    expect(writeFields(fields, new Map([["/count", "2"]])).json).toBe('{"text":"","count":2}');
  });

  it("ends for a schema that refers to itself, which a server sent to hang the page", () => {
    const endless = {
      type: "object",
      $defs: { a: { $ref: "#/$defs/a" } },
      properties: { a: { $ref: "#/$defs/a" } },
    };
    expect(fieldsOf(endless, undefined)).toMatchObject([{ control: { kind: "json" } }]);
    const self = {
      type: "object",
      properties: { self: { $ref: "#", type: "object" }, up: { $ref: "#/__proto__/x" } },
    };
    expect(fieldsOf(self, undefined)).toHaveLength(2);
    expect(fieldsOf("no", undefined)).toBeUndefined();
    expect(fieldsOf({ type: "object" }, nodeOf("[1]"))).toBeUndefined();
  });

  it("changes nothing else in the message", () => {
    const message = nodeOf(
      '{"jsonrpc":"2.0","id":9007199254740993,"params":{"_meta":{"a":1.50},"arguments":{"a":1}}}',
    );
    expect(withArguments(message, '{"b":2}')).toBe(
      '{"jsonrpc":"2.0","id":9007199254740993,"params":{"_meta":{"a":1.50},"arguments":{"b":2}}}',
    );
    expect(withArguments(nodeOf("[1]"), "{}")).toBeUndefined();
  });
});
