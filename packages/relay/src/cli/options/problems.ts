import type { Command } from "commander";
import type { Problem, YamlFile } from "mcp-tunnel-config";
import { TunnelError } from "mcp-tunnel-protocol";
import { type Finding, optionKey, optionMistakes, sourceName } from "mcp-tunnel-shared/command";

/** The files whose lines problems are in. */
type FileKind = "config file" | "token file";

/** A line of a file. */
interface Place {
  readonly kind: FileKind;
  readonly path: string;
  /** Counted from 1. */
  readonly line: number;
}

/** Something that is wrong with the options of a relay. */
export interface OptionProblem {
  readonly verdict: "failed" | "warning";
  /** What is wrong. One thought without a full stop at its end. */
  readonly reason: string;
  /** What to do about it: whole sentences. Default: the reason says it. */
  readonly advice?: string | undefined;
  /** The options that it is about, by their long names. */
  readonly options: readonly string[];
  /** The path that it is about, as an option has it. */
  readonly file?: string | undefined;
  /** Where it is. Default: where the options stand. */
  readonly place?: Place;
  /**
   * A relay serves all the same what it can: the problem is in a file that is read again when it changes, or
   * in the clock. Default false.
   */
  readonly mayPass?: boolean;
  /** The relay itself logs it when it starts. Default false. */
  readonly isLogged?: boolean;
}

/** A problem as people and programs are told of it. */
export interface ToldProblem {
  readonly verdict: OptionProblem["verdict"];
  readonly options: readonly string[];
  readonly file: string | undefined;
  readonly line: number | undefined;
  readonly message: string;
  readonly kind: FileKind | undefined;
  readonly problem: OptionProblem;
}

/** The problem that an error is. */
export function problemOf({ message, options = [], file }: TunnelError): OptionProblem {
  return { verdict: "failed", reason: message, options, file };
}

/** The problem that a mistake in a file is. */
export function problemAt(kind: FileKind, path: string, { line, message }: Problem): OptionProblem {
  return { verdict: "failed", reason: message, options: [], place: { kind, path, line } };
}

/** The problem that a finding is; none if all is well. */
export function problemsFrom(
  { verdict, reason, advice }: Finding,
  about: Pick<OptionProblem, "options" | "file" | "mayPass" | "isLogged">,
): OptionProblem[] {
  return verdict === "failed" || verdict === "warning" ? [{ verdict, reason, advice, ...about }] : [];
}

/**
 * The problems with their places: those in the config file first, in the order of its lines. `file`: the
 * config file, if there is one.
 */
export async function told(
  command: Command,
  file: YamlFile | undefined,
  problems: readonly OptionProblem[],
): Promise<ToldProblem[]> {
  const all: ToldProblem[] = [];
  for (const problem of problems) all.push(await tell(command, file, problem));
  const inConfig = all.filter(({ kind }) => kind === "config file");
  return [
    ...inConfig.toSorted((a, b) => (a.line ?? 0) - (b.line ?? 0)),
    ...all.filter(({ kind }) => kind !== "config file"),
  ];
}

async function tell(
  command: Command,
  file: YamlFile | undefined,
  problem: OptionProblem,
): Promise<ToldProblem> {
  const { verdict, reason, advice, options } = problem;
  const path = command.getOptionValue("config") as string;
  const lines =
    problem.place === undefined && file !== undefined ? await linesIn(command, file, problem) : [];
  // With several options the last is the one too many.
  const [line, ...others] = lines.toSorted((a, b) => b - a);
  const place: Place | undefined =
    problem.place ?? (line === undefined ? undefined : { kind: "config file", path, line });
  const also = others.length === 0 ? "" : ` (see line ${others.toReversed().join(", ")})`;
  const said = `${nameFor(command, problem, place)}${reason}${also}`;
  return {
    verdict,
    options,
    file: place?.path,
    line: place?.line,
    message: advice === undefined ? said : `${said}. ${advice}`,
    kind: place?.kind,
    problem,
  };
}

/** The option that a reason is about, unless the reason says it. */
function nameFor(
  command: Command,
  { options, reason, place: known }: OptionProblem,
  place: Place | undefined,
): string {
  const given = options.find((name) => command.getOptionValue(optionKey(name)) !== undefined);
  const option = given ?? options[0];
  if (option === undefined || known !== undefined) return "";
  const source = sourceName(command, option);
  if (reason.includes(`--${option}`) || reason.includes(source)) return "";
  return place === undefined ? `${source}: ` : `${option}: `;
}

/** Flags and variables win over the file, and are in no line. */
async function linesIn(
  command: Command,
  file: YamlFile,
  { options, file: concerned }: OptionProblem,
): Promise<number[]> {
  const ofFile = options.filter((name) => command.getOptionValueSource(optionKey(name)) === "config");
  if (ofFile.length === 0) return [];
  const { linesOf } = await import("mcp-tunnel-config");
  return linesOf(file, [], { options: ofFile, file: concerned });
}

/** A line of the list, as compilers write it: `file:line: message`. */
export function lineOf({ file, line, verdict, message }: ToldProblem): string {
  const place = file === undefined ? "" : `${file}:${line}: `;
  return `${place}${verdict === "warning" ? "warning: " : ""}${message}`;
}

/** The text that tells all of it, under one headline. */
export function listOf(problems: readonly ToldProblem[]): string {
  const lines = problems.map(lineOf);
  const kinds = [...new Set(problems.map(({ kind }) => kind))];
  const [kind] = kinds;
  if (kind === undefined && lines.length === 1) return lines.join("\n");
  const headline = kinds.length === 1 && kind !== undefined ? `the ${kind} has mistakes` : optionMistakes;
  return [headline, ...lines].join("\n");
}

/** The error that tells all of it. */
export function refusalOf(problems: readonly ToldProblem[]): TunnelError {
  const options = [...new Set(problems.flatMap((problem) => problem.options))];
  const file = problems.find((problem) => problem.file !== undefined)?.file;
  return new TunnelError("invalid_option", listOf(problems), {
    options,
    ...(file === undefined ? {} : { file }),
  });
}
