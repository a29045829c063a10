import { describe, expect, it } from "vitest";
import { TunnelError, unusable } from "mcp-tunnel-protocol";
import { linesOf, readOptionMap } from "../src/options.js";
import type { ConfigRules, FileOption } from "../src/options.js";
import { YamlFile } from "../src/yaml.js";

function option(name: string, parseArg?: (text: string, previous: unknown) => unknown): FileOption {
  return { name: () => name, isBoolean: () => name === "switch", negate: name.startsWith("no-"), parseArg };
}

const several = option("several", (text, previous) => [...((previous as string[]) ?? []), text]);
const count = option("max-count", (text) => {
  if (/^\d+$/.test(text)) return Number(text);
  // commander's own error, of any copy of it.
  throw Object.assign(new Error("It takes a number."), { code: "commander.invalidArgument" });
});
const checked = option("checked");
const rules: ConfigRules<FileOption> = {
  options: [option("plain"), option("switch"), option("no-thing"), several, count, checked],
  isRepeatable: (one) => one === several,
  checks: {
    checked: (text) => {
      if (text !== "good") throw unusable(`'${text}' is not good`);
    },
  },
  hints: { stdio: "that is 'command' here" },
};

function read(text: string, path: readonly string[] = []): { values: object; problems: string[] } {
  const { values, problems } = readOptionMap(new YamlFile(text), path, rules);
  return {
    values: Object.fromEntries([...values].map(([{ name }, value]) => [name(), value])),
    problems: problems.map(({ line, message }) => `${line}: ${message}`),
  };
}

describe("options in a file", () => {
  it("are read by the readers of the flags, as the text that stands there", () => {
    expect(
      read("plain: 0123\nswitch: true\nno-thing: true\nseveral: [a, 1.50]\nmax-count: 7\nchecked: good\n"),
    ).toEqual({
      values: {
        plain: "0123",
        switch: true,
        "no-thing": false,
        several: ["a", "1.50"],
        "max-count": 7,
        checked: "good",
      },
      problems: [],
    });
  });

  it("may be below other keys, numbers among them", () => {
    expect(read("tunnels:\n  3000:\n    plain: a\n", ["tunnels", "3000"]).values).toEqual({ plain: "a" });
    expect(read("tunnels:\n", ["tunnels", "3000"])).toEqual({ values: {}, problems: [] });
  });

  it("have all their mistakes told at once, with lines", () => {
    const text = [
      "one:",
      "  plain: [a]",
      "  switch: maybe",
      "  several: []",
      "  max-count: x",
      "  checked: bad",
      "  --plain: a",
      "  MCP_TUNNEL_CLIENT_MAX_COUNT: 1",
      "  max-coutn: 1",
      "  nothing-like-it: 1",
      "  stdio: true",
    ].join("\n");
    expect(read(text, ["one"]).problems).toEqual([
      "2: one.plain: takes one value, not a list",
      "3: one.switch: has to be true or false",
      "4: one.several: the list is empty; leave the key out instead",
      "5: one.max-count: It takes a number.",
      "6: one.checked: 'bad' is not good",
      "7: unknown key 'one.--plain'; did you mean 'plain'?",
      "8: unknown key 'one.MCP_TUNNEL_CLIENT_MAX_COUNT'; did you mean 'max-count'?",
      "9: unknown key 'one.max-coutn'; did you mean 'max-count'?",
      "10: unknown key 'one.nothing-like-it'",
      "11: unknown key 'one.stdio'; that is 'command' here",
    ]);
  });

  it("are not in a list, a text or a map", () => {
    expect(read("- a\n").problems).toEqual(["1: the file has to be a list of 'name: value' lines"]);
    expect(read("one: text\n", ["one"]).problems).toEqual(["1: one has to be a list of 'name: value' lines"]);
    expect(read("plain: {a: b}\n").problems).toEqual(["1: plain: has to be a plain value"]);
  });

  it("let a reader's own fault through", () => {
    const faulty = option("faulty", () => {
      throw new TypeError("a bug");
    });
    expect(() =>
      readOptionMap(new YamlFile("faulty: a"), [], { options: [faulty], isRepeatable: () => false }),
    ).toThrow(TypeError);
  });
});

it("the lines of an error are those of its options, or of its file", () => {
  const file = new YamlFile("one:\n  plain: a\n  several:\n    - b\n    - c\n");
  const lines = (details: object): number[] =>
    linesOf(file, ["one"], new TunnelError("unavailable", "no", details));
  expect(lines({ options: ["plain", "switch"], file: "c" })).toEqual([2]);
  expect(lines({ options: ["switch"], file: "c" })).toEqual([5]);
  expect(lines({})).toEqual([]);
});
