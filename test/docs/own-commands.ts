import { TunnelError } from "mcp-tunnel-protocol";
import { splitArguments } from "../../packages/cli/src/options/mcp-options.js";
import type { CliCommand } from "../../packages/cli/src/commands/command.js";
import { createProgram } from "../../packages/relay/src/cli/program.js";
import { parseCommandLine as parseStdio } from "../../packages/stdio/src/command/options.js";

// Our own commands in a text of the documents, and whether they take its options. Nothing is run.

/**
 * The lines of a shell script: continued lines are one, comments are gone, and variables have the values that
 * the script gives them.
 */
export function lines(script: string): string[] {
  const values = new Map(
    [...script.matchAll(/^([A-Z]+)=([^\s$]+)$/gm)].map(([, name, value]) => [name, value]),
  );
  return script
    .replaceAll(/\$([A-Z]+)\b/g, (written, name: string) => values.get(name) ?? written)
    .replaceAll(/\\\n\s*/g, "")
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"));
}

/** A shell's words, as far as the documents use its language. */
function words(line: string): string[] {
  const found = line.match(/(?:'[^']*'|"[^"]*"|[^\s'";|&<>]|>\S*$)+|[;|&<>]+/g) ?? [];
  const comment = found.findIndex((word) => word.startsWith("#"));
  return (comment === -1 ? found : found.slice(0, comment)).map((word) => word.replaceAll(/['"]/g, ""));
}

export interface OwnCommand {
  program: "mcp-tunnel" | "mcp-tunnel-client" | "mcp-tunnel-stdio";
  args: string[];
}

/** What stands before a command: users, containers, variables, loops, and what the client is fetched by. */
const before =
  /^(?:\S+=(?:'[^']*'|\S*) |sudo (?:-u \S+ )?|exec |until |\$ |npx (?:-y )?|docker compose (?:run --rm|exec) \S+ )*/;

/** The own command that a line runs, if it runs one. */
export function ownCommand(line: string): OwnCommand | undefined {
  const rest = line.replace(before, "");
  const isInRelayImage = line.startsWith("docker compose run --rm relay ");
  const all = words(isInRelayImage ? `mcp-tunnel ${rest}` : rest);
  const end = all.findIndex((word) => /^[;|&<>]/.test(word));
  const [program = "", ...args] = end === -1 ? all : all.slice(0, end);
  if (/^https:\/\/.*\/client-[^/]*\.tgz$/.test(program)) return { program: "mcp-tunnel-client", args };
  if (program === "mcp-tunnel" || program === "mcp-tunnel-client" || program === "mcp-tunnel-stdio")
    return { program, args };
  return undefined;
}

const clientCommands: Readonly<Record<string, () => Promise<CliCommand>>> = {
  auth: async () => (await import("../../packages/cli/src/commands/auth.js")).auth,
  completion: async () => (await import("../../packages/cli/src/commands/completion.js")).completion,
  config: async () => (await import("../../packages/cli/src/commands/config.js")).config,
  doctor: async () => (await import("../../packages/cli/src/commands/doctor.js")).doctor,
  http: async () => (await import("../../packages/cli/src/commands/serve.js")).http,
  login: async () => (await import("../../packages/cli/src/commands/login.js")).login,
  logout: async () => (await import("../../packages/cli/src/commands/logout.js")).logout,
  start: async () => (await import("../../packages/cli/src/commands/start.js")).start,
  whoami: async () => (await import("../../packages/cli/src/commands/whoami.js")).whoami,
};

/** Whether the command goes on until a signal. */
export function stays({ program, args }: OwnCommand): boolean {
  const [word = ""] = args;
  if (args.some((arg) => /^(--help|-h|--version)$/.test(arg))) return false;
  if (program === "mcp-tunnel") return word === "" || word.startsWith("-");
  return program === "mcp-tunnel-stdio" || word === "start" || !Object.hasOwn(clientCommands, word);
}

/** What a mention of a command may leave out, or have a placeholder for. */
const leftOut = [
  "commander.missingArgument",
  "commander.missingMandatoryOptionValue",
  "commander.optionMissingArgument",
  "commander.invalidArgument",
  "commander.help",
];

/**
 * What the command has against its words; `undefined`: nothing. `isMention`: the words are part of a text,
 * where they need not be all.
 */
export async function mistakeIn(command: OwnCommand, isMention = false): Promise<string | undefined> {
  try {
    await parse(command);
    return undefined;
  } catch (error) {
    if (isOfCommander(error)) {
      const isFine = error.exitCode === 0 || (isMention && leftOut.includes(error.code));
      return isFine ? undefined : error.message;
    }
    // The files of the documents are not here.
    if (error instanceof TunnelError) return error.code === "unavailable" ? undefined : error.message;
    throw error;
  }
}

/** Whether it is commander's: each package may have a copy of its own, with a class of its own. */
function isOfCommander(error: unknown): error is Error & { code: string; exitCode: number } {
  return error instanceof Error && error.name === "CommanderError";
}

async function parse({ program, args }: OwnCommand): Promise<void> {
  if (program === "mcp-tunnel-stdio") {
    parseStdio(args);
    return;
  }
  if (program === "mcp-tunnel") {
    await idle(createProgram()).parseAsync(args, { from: "user" });
    return;
  }
  const [word = ""] = args;
  const isCommand = Object.hasOwn(clientCommands, word);
  const silent = { out() {}, err() {} } as unknown as Parameters<CliCommand["build"]>[0];
  const load = clientCommands[isCommand ? word : "http"] as () => Promise<CliCommand>;
  const { own } = splitArguments(isCommand ? args.slice(1) : args);
  // The doctor takes the name of a tunnel too, in the place of a service.
  const given = word === "doctor" ? own.map((one) => (/^[a-z]+$/i.test(one) ? "3000" : one)) : own;
  await idle((await load()).build(silent, {})).parseAsync(given, { from: "user" });
}

type Command = ReturnType<typeof createProgram>;

/** The same command, which reads its words and does nothing. */
function idle(command: Command): Command {
  const quiet = { writeOut() {}, writeErr() {}, outputError() {} };
  const visit = (one: Command): void => {
    one.exitOverride().configureOutput(quiet).allowExcessArguments(false);
    // One that only groups others prints their help.
    if (one.commands.length === 0 || one === command) one.action(() => {});
    for (const part of one.commands) visit(part);
  };
  visit(command);
  return command;
}
