import { describe, expect, it } from "vitest";
import {
  anything,
  Fault,
  firstProblem,
  flag,
  listOf,
  mapOf,
  number,
  objectOf,
  oneOf,
  onlyObjectOf,
  type Shape,
  text,
  wholeNumber,
} from "../src/index.js";

describe("a shape", () => {
  const server = onlyObjectOf({ name: text("a name"), ports: listOf(wholeNumber(1, 9), "ports").optional() });

  it.each<[string, Shape<unknown>, unknown, string, string]>([
    ["a type", text(), 5, "", "it is a number; it must be a string"],
    ["no number", number(), Number.NaN, "", "it is NaN; it must be a number"],
    ["a value", wholeNumber(1, 9), 10, "", "it is 10; it must be a whole number from 1 to 9"],
    ["a word", oneOf(["on", "off"]), "of", "", "it is the string 'of'; it must be one of: on, off"],
    ["what is absent", server, {}, "name", "name is undefined; it must be a name"],
    [
      "an array that is none",
      server,
      { name: "a", ports: 1 },
      "ports",
      "ports is a number; it must be ports",
    ],
    [
      "an item",
      server,
      { name: "a", ports: [1, 2.5] },
      "ports.1",
      "ports.1 is 2.5; it must be a whole number from 1 to 9",
    ],
    ["an array for an object", server, [], "", "it is an array; it must be an object"],
    ["a member too many", server, { name: "a", port: 1 }, "port", "there is no option 'port'"],
    ["a member of an item", listOf(server), [{ name: "a", x: 1 }], "0.x", "there is no option 'x' in 0"],
    ["a value of a map", mapOf(flag), { a: true, b: 1 }, "b", "b is a number; it must be a boolean"],
    ["a long text", oneOf(["on"]), "k".repeat(101), "", "it is a text; it must be one of: on"],
  ])("tells of %s where it is, and what it must be", (_, shape, value, path, message) => {
    expect(firstProblem(shape, value)).toEqual({ path, message });
  });

  it("names the option that has the value", () => {
    expect(firstProblem(server, { name: 1 }, "server")).toEqual({
      path: "server.name",
      message: "server.name is a number; it must be a name",
    });
  });

  it("takes the members that it knows, and no others", () => {
    const value = { name: "a", later: { deep: 1 }, absent: undefined };
    expect(objectOf({ name: text(), absent: flag.optional() }).read(value)).toStrictEqual({ name: "a" });
  });

  it("gives nobody a prototype", () => {
    const value: unknown = JSON.parse('{"__proto__":{"polluted":true},"name":"a"}');
    const [object, map] = [objectOf({ name: text() }).read(value), mapOf(anything).read(value)];
    expect(Object.getPrototypeOf(object)).toBe(Object.prototype);
    expect(Object.getPrototypeOf(map)).toBe(Object.prototype);
    expect(onlyObjectOf({ name: text() }).read(value)).toBeInstanceOf(Fault);
  });

  it("asks a further rule only of a value that has the type, and may take another for a wrong one", () => {
    const even = number().refine((value) => value % 2 === 0, "even");
    expect(firstProblem(even, "2")?.message).toBe("it is a string; it must be a number");
    expect(firstProblem(even, 3)?.message).toBe("it is 3; it must be even");
    expect([even.orElse(undefined).read(3), even.orElse("odd").read(null)]).toEqual([undefined, "odd"]);
    expect(even.optional().read(undefined)).toBeUndefined();
  });
});
