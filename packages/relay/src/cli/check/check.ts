import type { Command } from "commander";
import type { YamlFile } from "mcp-tunnel-config";
import type { CliOptions } from "../options/options.js";
import { type OptionProblem, problemsFrom, refusalOf, told, type ToldProblem } from "../options/problems.js";
import { readAll, type Reading } from "../options/read-options.js";
import { expectedFiles, fileFinding, isReadOnce } from "./files.js";
import { relayProblems, togetherProblems } from "./together.js";

/** The options of a relay, and all that is wrong with them. */
export interface Checked {
  readonly options: CliOptions;
  /** The config file, if there is one. */
  readonly file: YamlFile | undefined;
  readonly problems: readonly ToldProblem[];
}

/**
 * Reads and checks the options of a parsed command in one pass, so that a person is told of everything at
 * once. Nothing is started and nobody is asked: files are read, and that is all.
 * @throws FileMistakes when the config file is no YAML; TunnelError `unavailable` when it cannot be read.
 */
export async function checkOptions(command: Command): Promise<Checked> {
  const reading = await readAll(command);
  const problems = [...reading.problems, ...(await problemsBeyond(command, reading))];
  const { options, file } = reading;
  return { options, file, problems: await told(command, file, problems) };
}

/**
 * The same, and if nothing is wrong a relay is made of the options besides, which does not listen: what no
 * examination knows shows there.
 * @throws TunnelError as {@link checkOptions}.
 */
export async function checkWhole(command: Command): Promise<Checked> {
  const checked = await checkOptions(command);
  const isMade = checked.problems.every(({ verdict, problem }) => verdict === "warning" || problem.mayPass);
  if (!isMade || expectedFiles(command).some(isReadOnce)) return checked;
  const others = await told(command, checked.file, await relayProblems(command));
  return { ...checked, problems: [...checked.problems, ...others] };
}

/**
 * The options for a relay that is to start now.
 * @throws TunnelError `invalid_option` with everything that keeps it from starting.
 */
export async function startableOptions(command: Command): Promise<Checked> {
  const checked = await checkOptions(command);
  const failed = checked.problems.filter(({ verdict }) => verdict === "failed");
  if (failed.some(({ problem }) => problem.mayPass !== true)) throw refusalOf(failed);
  return checked;
}

/** What is wrong with options that can be read. Those that cannot be read bring no further complaints. */
async function problemsBeyond(
  command: Command,
  { options, unread }: Pick<Reading, "options" | "unread">,
): Promise<OptionProblem[]> {
  const expected = expectedFiles(command);
  const files = expected.flatMap((file) => {
    const about = { options: [file.option], file: file.path };
    return problemsFrom(fileFinding(file, process.getuid?.()), about);
  });
  const missing = files.filter(({ verdict }) => verdict === "failed").map(({ file = "" }) => file);
  // To look into a pipe would leave nothing for the relay.
  const together = expected.some(isReadOnce) ? [] : await togetherProblems(command);
  const others = [...together];
  // What only some relays need is loaded when they do.
  if (options.tlsCert !== undefined) {
    const { certificateProblems } = await import("./certificate-problems.js");
    others.push(...certificateProblems(options, missing, unread.includes("domain")));
  }
  const hasTokens = options.staticToken !== undefined || options.tokenFile !== undefined;
  if (hasTokens && !unread.includes("static-token")) {
    const { tokenProblems } = await import("./tokens.js");
    others.push(...(await tokenProblems(command, !missing.includes(options.tokenFile ?? ""))));
  }
  const isConsequence = ({ options: about, file }: OptionProblem): boolean =>
    about.some((name) => unread.includes(name)) || (file !== undefined && missing.includes(file));
  return [...files, ...others.filter((problem) => !isConsequence(problem))];
}
