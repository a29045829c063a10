import { readFileSync } from "node:fs";
import { InvalidArgumentError, type Option } from "commander";
import { TunnelError } from "mcp-tunnel-protocol";
import { isMap, isScalar, isSeq, type Node, type Scalar } from "yaml";
import { formatProblems, type Problem, YamlFile } from "./yaml.js";

export interface ConfigRules {
  /** Every option that may stand in the file, under its long name. */
  options: readonly Option[];
  /** Whether an option takes several values, which are a list in the file. */
  isRepeatable(option: Option): boolean;
  /** Further checks of a value, by the option's long name. They throw a TunnelError. */
  checks: Readonly<Record<string, (text: string) => unknown>>;
}

/**
 * Reads a config file. Its keys are the flags without their dashes, and its values are those that the flags
 * take. The options' own readers read the values, so that a flag and a key can never mean different things.
 * @throws TunnelError `invalid_option` with all problems and their lines; `unavailable` when it cannot be
 * read.
 */
export function readConfigFile(path: string, rules: ConfigRules): Map<Option, unknown> {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw new TunnelError("unavailable", `cannot read the config file: ${(error as Error).message}`, {
      cause: error,
      file: path,
    });
  }
  const { values, problems } = parseConfig(text, rules);
  if (problems.length === 0) return values;
  const message = `the config file has mistakes\n${formatProblems(path, problems)}`;
  throw new TunnelError("invalid_option", message, { file: path });
}

/**
 * The lines of the keys that an error is about: the keys that are its options or, if there are none, the keys
 * whose value is its file. `path` is the config file, which has been read without mistakes before.
 */
export function linesConcerned(path: string, { options = [], file: concerned }: TunnelError): number[] {
  const file = new YamlFile(readFileSync(path, "utf8"));
  const { contents } = file.document;
  if (!isMap(contents)) return [];
  const keys = contents.items.flatMap(({ key, value }) =>
    isScalar(key) ? [{ name: String(key.value), value }] : [],
  );
  const named = keys.filter(({ name }) => options.includes(name));
  if (named.length > 0) return named.map(({ name }) => file.lineOfKey([], name));
  return keys.flatMap(({ value }) => {
    const items = isSeq(value) ? (value.items as Node[]) : [value];
    const paths = items.filter((item) => isScalar(item) && textOf(item) === concerned);
    return paths.map((item) => file.lineOf(item) ?? 1);
  });
}

function parseConfig(
  text: string,
  rules: ConfigRules,
): { values: Map<Option, unknown>; problems: Problem[] } {
  const file = new YamlFile(text);
  const values = new Map<Option, unknown>();
  const problems = file.syntaxProblems;
  const { contents } = file.document;
  if (problems.length > 0 || contents === null) return { values, problems };
  if (!isMap(contents)) {
    problems.push({ line: 1, message: "the file has to be a list of 'name: value' lines" });
    return { values, problems };
  }
  for (const { key, value } of contents.items) {
    const name = isScalar(key) ? String(key.value) : "";
    const option = rules.options.find((candidate) => candidate.name() === name);
    if (option === undefined) {
      problems.push({
        line: file.lineOfKey([], name),
        message: `unknown key '${name}'${hint(name, rules.options)}`,
      });
      continue;
    }
    const read = readValue(value, option, rules);
    if ("value" in read) values.set(option, read.value);
    else
      problems.push({
        line: file.lineOf(read.node) ?? file.lineOfKey([], name),
        message: `${name}: ${read.problem}`,
      });
  }
  return { values, problems };
}

type ReadValue = { value: unknown } | { problem: string; node: Node | null };

function readValue(node: Node | null, option: Option, rules: ConfigRules): ReadValue {
  const items = isSeq(node) ? (node.items as Node[]) : [node];
  if (isSeq(node) && !rules.isRepeatable(option)) return { problem: "takes one value, not a list", node };
  if (items.length === 0) return { problem: "the list is empty; leave the key out instead", node };
  let value: unknown;
  for (const item of items) {
    if (!isScalar(item)) return { problem: "has to be a plain value", node: item };
    const text = textOf(item);
    if (text === "") return { problem: "has no value", node: item };
    try {
      rules.checks[option.name()]?.(text);
      value = parseValue(option, text, value);
    } catch (error) {
      if (!(error instanceof InvalidArgumentError) && !(error instanceof TunnelError)) throw error;
      return { problem: error.message, node: item };
    }
  }
  return { value };
}

/** The text as it is in the file, because `0123` and `1.50` are names and tokens as often as numbers. */
function textOf(scalar: Scalar): string {
  return scalar.source ?? "";
}

function parseValue(option: Option, text: string, previous: unknown): unknown {
  if (isSwitch(option)) {
    if (text === "true" || text === "false") return (text === "true") !== option.negate;
    throw new InvalidArgumentError("has to be true or false");
  }
  return option.parseArg === undefined ? text : option.parseArg(text, previous);
}

/** Whether an option is on or off. One that begins with `no-` sets the value `false` when it is on. */
export function isSwitch(option: Option): boolean {
  return option.isBoolean() || option.negate;
}

/** Suggests the right key if somebody wrote the flag or the variable instead. */
function hint(name: string, options: readonly Option[]): string {
  const likely = name
    .replace(/^-+|^MCP_TUNNEL_/g, "")
    .toLowerCase()
    .replaceAll("_", "-");
  const plain = likely.replaceAll("-", "");
  const meant = options.find((option) => option.name().replaceAll("-", "") === plain);
  return meant === undefined ? "" : `; did you mean '${meant.name()}'?`;
}
