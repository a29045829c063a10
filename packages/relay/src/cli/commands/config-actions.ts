import type { Command, Option } from "commander";
import { printableJson, printableLines } from "mcp-tunnel-shared";
import { Document, isSeq, Scalar } from "yaml";
import { FileMistakes } from "mcp-tunnel-config";
import { version } from "../../version.js";
import { checkWhole } from "../check/check.js";
import { createCommand } from "../options/options.js";
import { lineOf, listOf, problemAt, told, type ToldProblem } from "../options/problems.js";
import { readOptions } from "../options/read-options.js";
import { CommandFailure, writeLine } from "../output/output.js";
import { ValueOption } from "../options/value-option.js";

/** The command, parsed as if it were started with the file. */
function commandWith(file: string | undefined): Command {
  return createCommand(version)
    .exitOverride()
    .configureOutput({ outputError: () => {} })
    .parse(file === undefined ? [] : ["--config", file], { from: "user" });
}

/**
 * Prints all that is wrong with a config file, or that nothing is. Warnings alone leave it well.
 * @throws CommandFailure with the mistakes; TunnelError `unavailable` when the file cannot be read.
 */
export async function check(file: string, isJson = false): Promise<void> {
  const problems = await problemsIn(file);
  const mistakes = problems.filter(({ verdict }) => verdict === "failed");
  if (isJson) {
    const verdict = mistakes.length > 0 ? "failed" : problems.length > 0 ? "warning" : "ok";
    writeLine(printableJson({ verdict, problems: problems.map(toJson) }, 2));
    if (mistakes.length > 0) process.exitCode = 1;
    return;
  }
  if (mistakes.length > 0) throw new CommandFailure(listOf(problems));
  for (const problem of problems) process.stderr.write(`${printableLines(lineOf(problem))}\n`);
  writeLine(`${file}: ok`);
}

async function problemsIn(file: string): Promise<readonly ToldProblem[]> {
  const command = commandWith(file);
  try {
    return (await checkWhole(command)).problems;
  } catch (error) {
    if (!(error instanceof FileMistakes)) throw error;
    const problems = error.problems.map((problem) => problemAt("config file", file, problem));
    return told(command, undefined, problems);
  }
}

function toJson({ verdict, file, line, options, message }: ToldProblem): object {
  return { verdict, file, line, options, message };
}

export async function show(file: string | undefined): Promise<void> {
  const command = commandWith(file);
  await readOptions(command);
  const document = new Document({});
  for (const option of command.options) {
    const key = option.attributeName();
    const value: unknown = command.getOptionValue(key);
    if (value === undefined || key === "config") continue;
    const source = command.getOptionValueSource(key) ?? "default";
    const node = document.createNode(shown(value, option));
    // The comment comes after the value, or before the first value of a list.
    node[isSeq(node) ? "commentBefore" : "comment"] = ` ${source}`;
    document.set(new Scalar(option.name()), node);
  }
  writeLine(document.toString({ lineWidth: 0 }).trimEnd());
}

/** A value as people write it, `10m` or `127.0.0.1:9090`, without secrets. */
function shown(value: unknown, option: Option): unknown {
  // The flag is on when the value is false.
  if (option.negate) return value === false;
  if (!(option instanceof ValueOption)) return value;
  const { write } = option as ValueOption<unknown>;
  return Array.isArray(value) ? value.map(write) : numeric(write(value));
}

/** Turns digits into a number, so that YAML does not quote them. */
function numeric(text: string): string | number {
  return /^[0-9]+$/.test(text) ? Number(text) : text;
}
