import { nearestName, TunnelError } from "mcp-tunnel-protocol";
import { isSwitch } from "mcp-tunnel-shared/command";
import { isScalar, isSeq, type Node, type Scalar } from "yaml";
import type { Problem, YamlFile } from "./yaml.js";

/**
 * The part of a commander `Option` that reads its value. Each command may have its own copy of commander, so
 * this package knows commander's objects by their shape.
 */
export interface FileOption {
  name(): string;
  isBoolean(): boolean;
  readonly negate: boolean;
  parseArg?: ((text: string, previous: never) => unknown) | undefined;
}

export interface ConfigRules<Known extends FileOption> {
  /** Every option that may stand in the map, under its long name. */
  readonly options: readonly Known[];
  /** Whether an option takes several values, which are a list in the file. */
  isRepeatable(option: Known): boolean;
  /** Further checks of a value, by the option's long name. They throw a TunnelError. */
  readonly checks?: Readonly<Record<string, (text: string) => unknown>>;
  /** What to say of keys that people try and that are no options, by key. */
  readonly hints?: Readonly<Record<string, string>>;
  /** Keys that are no options are another reader's business, and no mistakes here. Default: false. */
  readonly isPart?: boolean;
}

/** The options that a map holds, and all mistakes in it. */
export interface ReadOptions<Known> {
  readonly values: ReadonlyMap<Known, unknown>;
  readonly problems: Problem[];
  /** The long names of the options that are there, but whose values cannot be read. */
  readonly unread: readonly string[];
}

/**
 * Reads the options in the map at `path`. Its keys are the flags without their dashes, and its values are
 * those that the flags take. The options' own readers read the values, so that a flag and a key can never
 * mean different things.
 */
export function readOptionMap<Known extends FileOption>(
  file: YamlFile,
  path: readonly string[],
  rules: ConfigRules<Known>,
): ReadOptions<Known> {
  const values = new Map<Known, unknown>();
  const unread: string[] = [];
  const entries = file.entriesAt(path);
  if (entries === undefined) {
    const what = path.length === 0 ? "the file" : path.join(".");
    const problem = { line: file.lineAt(path), message: `${what} has to be a list of 'name: value' lines` };
    return { values, problems: [problem], unread };
  }
  const problems: Problem[] = [];
  const start = path.map((part) => `${part}.`).join("");
  for (const { name, line, value } of entries) {
    const option = rules.options.find((candidate) => candidate.name() === name);
    if (option === undefined && rules.isPart === true) continue;
    if (option === undefined) {
      problems.push({ line, message: `unknown key '${start}${name}'${hint(name, rules)}` });
      continue;
    }
    const read = readValue(value, option, rules);
    if ("value" in read) {
      values.set(option, read.value);
      continue;
    }
    unread.push(name);
    for (const { problem, node } of read.faults)
      problems.push({ line: file.lineOf(node) ?? line, message: `${start}${name}: ${problem}` });
  }
  return { values, problems, unread };
}

/** What an error is about. */
interface Concern {
  readonly options?: readonly string[] | undefined;
  readonly file?: string | undefined;
}

/**
 * The lines in the map at `path` that an error is about: those of the keys that are its options or, if there
 * are none, of the values that are its file. If a value of these keys is the file, it is meant alone.
 */
export function linesOf(
  file: YamlFile,
  path: readonly string[],
  { options = [], file: concerned }: Concern,
): number[] {
  const entries = file.entriesAt(path) ?? [];
  const named = entries.filter(({ name }) => options.includes(name));
  const ofFile = (named.length > 0 ? named : entries).flatMap(({ line, value }) => {
    const items = isSeq(value) ? (value.items as Node[]) : [value];
    const paths = items.filter((item) => isScalar(item) && textOf(item) === concerned);
    return paths.map((item) => file.lineOf(item) ?? line);
  });
  return ofFile.length > 0 ? ofFile : named.map(({ line }) => line);
}

interface ValueFault {
  readonly problem: string;
  readonly node: Node | null;
}

type ReadValue = { value: unknown } | { faults: readonly ValueFault[] };

function readValue<Known extends FileOption>(
  node: Node | null,
  option: Known,
  rules: ConfigRules<Known>,
): ReadValue {
  const items = isSeq(node) ? (node.items as Node[]) : [node];
  const fault = (problem: string): ReadValue => ({ faults: [{ problem, node }] });
  if (isSeq(node) && !rules.isRepeatable(option)) return fault("takes one value, not a list");
  if (items.length === 0) return fault("the list is empty; leave the key out instead");
  let value: unknown;
  const faults: ValueFault[] = [];
  for (const item of items) {
    const text = isScalar(item) ? textOf(item) : undefined;
    if (text === undefined) faults.push({ problem: "has to be a plain value", node: item });
    else if (text === "") faults.push({ problem: "has no value", node: item });
    else {
      try {
        rules.checks?.[option.name()]?.(text);
        value = parseValue(option, text, value);
      } catch (error) {
        if (!isMistake(error)) throw error;
        faults.push({ problem: error.message, node: item });
      }
    }
  }
  return faults.length > 0 ? { faults } : { value };
}

/** The text as it is in the file, because `0123` and `1.50` are names and tokens as often as numbers. */
function textOf(scalar: Scalar): string {
  return scalar.source ?? "";
}

function parseValue(option: FileOption, text: string, previous: unknown): unknown {
  if (isSwitch(option)) {
    if (text === "true" || text === "false") return (text === "true") !== option.negate;
    throw new TunnelError("invalid_option", "has to be true or false");
  }
  return option.parseArg === undefined ? text : option.parseArg(text, previous as never);
}

/** What a reader says of a value that it does not take: an error of this project, or one of commander. */
function isMistake(error: unknown): error is Error {
  if (error instanceof TunnelError) return true;
  return error instanceof Error && "code" in error && error.code === "commander.invalidArgument";
}

/** Suggests the right key, also if somebody wrote the flag or the variable instead. */
function hint<Known extends FileOption>(name: string, { options, hints }: ConfigRules<Known>): string {
  const said = hints !== undefined && Object.hasOwn(hints, name) ? hints[name] : undefined;
  if (said !== undefined) return `; ${said}`;
  const likely = name
    .replace(/^-+|^MCP_TUNNEL_(?:CLIENT_)?/g, "")
    .toLowerCase()
    .replaceAll("_", "-");
  const plain = likely.replaceAll("-", "");
  const names = options.map((option) => option.name());
  const meant = names.find((known) => known.replaceAll("-", "") === plain) ?? nearestName(likely, names);
  return meant === undefined ? "" : `; did you mean '${meant}'?`;
}
