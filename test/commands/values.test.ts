import { describe, expect, it } from "vitest";
import { buildServeCommand } from "../../packages/cli/src/options/command-line.js";
import { doctor } from "../../packages/cli/src/commands/doctor.js";
import { createProgram } from "../../packages/relay/src/cli/program.js";

// Durations and sizes have the same forms wherever they are values of options, in both commands: whoever has
// learned them at one option knows them at all others.

const output = { out() {}, err() {}, colors: false, columns: undefined } as never;

/** The part of commander's options that this is about: each command has its own copy of commander. */
interface Option {
  readonly flags: string;
  readonly parseArg?: unknown;
}

/** All options of both commands whose value is of this kind, as their help calls it. */
function optionsOf(kind: "duration" | "bytes"): [name: string, option: Option][] {
  const relay = createProgram();
  const commands = [relay, ...relay.commands, buildServeCommand(), doctor.build(output, {})];
  return commands.flatMap((command) =>
    command.options
      .filter((option) => option.flags.toLowerCase().includes(`<${kind}>`))
      .map((option): [string, Option] => [`${command.name()} ${option.flags}`, option]),
  );
}

/** What the option makes of a text: its value, or the words for a person. */
function read(option: Option, text: string): unknown {
  try {
    return (option.parseArg as (text: string, previous: undefined) => unknown)(text, undefined);
  } catch (error) {
    expect(error).toMatchObject({ code: "commander.invalidArgument", exitCode: 1 });
    return (error as Error).message;
  }
}

describe.each(optionsOf("duration"))("the duration %s", (_, option) => {
  it("has a unit, or is in seconds", () => {
    const texts = ["30", "30s", "1.5m", "500ms", "2h", "1d", "0.5 h"];
    expect(texts.map((text) => read(option, text))).toEqual([
      ...[30_000, 30_000, 90_000, 500, 7_200_000, 86_400_000, 1_800_000],
    ]);
  });

  it("is refused in one text", () => {
    for (const text of ["", "soon", "-1s", "1h30m", "5 MiB", "25d", "1e3", "5S"]) {
      expect(read(option, text), text).toMatch(
        /^It takes a number with a unit, such as 500ms, 90s, 1\.5m, 2h or 1d; without one it is seconds \((at least 1ms, )?at most 24d\)\.$/,
      );
    }
  });
});

describe.each(optionsOf("bytes"))("the size %s", (_, option) => {
  // Each has its own range.
  const inRange = (value: unknown): boolean => typeof value === "number";

  it("has a unit, or is in bytes", () => {
    const forms: [text: string, bytes: number][] = [
      ["131072", 131_072],
      ["128KiB", 131_072],
      ["128 KiB", 131_072],
      ["0.125MiB", 131_072],
      ["131.072kB", 131_072],
      ["131.072KB", 131_072],
    ];
    const values = forms.map(([text]) => read(option, text));
    if (!values.every(inRange)) expect(new Set(values).size).toBe(1);
    else expect(values).toEqual(forms.map(([, bytes]) => bytes));
  });

  it("is refused in one text", () => {
    for (const text of ["", "big", "-5", "5 apples", "1m", "5mib", "1.5", "9GiB9"]) {
      expect(read(option, text), text).toMatch(
        /^It takes a number with a unit, such as 64KiB, 1\.5MiB or 5MB; without one it is bytes( \((at least \w+)?(, )?(at most \w+)?\))?\.$/,
      );
    }
  });
});

it("there are such options in both commands", () => {
  for (const kind of ["duration", "bytes"] as const) {
    const names = optionsOf(kind).map(([name]) => name.split(" ")[0]);
    expect(names).toEqual(expect.arrayContaining(["mcp-tunnel", "mcp-tunnel-client"]));
  }
});
