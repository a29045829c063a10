import { accessSync, constants, statSync } from "node:fs";
import { join, resolve, win32 } from "node:path";
import { messageOf } from "mcp-tunnel-shared";
import type { PipeEnd } from "../pipe.js";
import type { StdioOptions } from "../options.js";
import { serverEnvironment, type Environment } from "./environment.js";

/** Where programs are looked for without a PATH. */
const defaultPath = "/usr/bin:/bin";
/** The extensions of programs on Windows, unless PATHEXT says others. */
const defaultExtensions = ".COM;.EXE;.BAT;.CMD";

/**
 * Why a server cannot be started, as far as it shows beforehand: its program is not there, or may not be run,
 * or its working directory is not there. `undefined` if nothing is wrong. `env`: variables on top of the
 * environment; `undefined` takes one out.
 */
export function programFault({
  command,
  cwd = process.cwd(),
  env = {},
}: Pick<StdioOptions, "command" | "cwd" | "env">): string | undefined {
  const find = process.platform === "win32" ? findProgramOnWindows : findProgram;
  const found = find(command, cwd, serverEnvironment(env));
  return typeof found === "string" ? undefined : found.message;
}

/**
 * Finds the program of a command before it is started, as execvp(3) would: a name without a slash on the PATH
 * of the server, everything else from its working directory. The person is told more clearly by this than by
 * a shell.
 */
export function findProgram(command: string, cwd: string, environment: Environment): string | PipeEnd {
  const noDirectory = unusableDirectory(command, cwd);
  if (noDirectory !== undefined) return noDirectory;
  if (command.includes("/")) {
    const path = resolve(cwd, command);
    const problem = unusableProgram(path);
    if (problem?.code !== "not_found") return problem ?? path;
    return { ...problem, message: `${problem.message}${argumentsInside(command) ?? ""}` };
  }
  const searched = environment["PATH"] ?? defaultPath;
  let unusable: PipeEnd | undefined;
  for (const directory of searched.split(":")) {
    const path = join(resolve(cwd, directory), command);
    const problem = unusableProgram(path);
    if (problem === undefined) return path;
    if (problem.code === "not_started") unusable ??= problem;
  }
  return unusable ?? notOnPath(command, searched);
}

/**
 * The same on Windows. Its whole path is what is started: cross-spawn looks for a name by itself, and of one
 * that it does not find it tells no end.
 */
export function findProgramOnWindows(
  command: string,
  cwd: string,
  environment: Environment,
): string | PipeEnd {
  const noDirectory = unusableDirectory(command, cwd);
  if (noDirectory !== undefined) return noDirectory;
  const found = windowsCandidates(command, cwd, environment).find(
    (path) => statSync(path, { throwIfNoEntry: false })?.isFile() === true,
  );
  if (found !== undefined) return found;
  if (!isWindowsPath(command)) return notOnPath(command, windowsVariable(environment, "PATH") ?? "");
  return {
    code: "not_found",
    message: `There is no program '${win32.resolve(cwd, command)}'.${argumentsInside(command) ?? ""}`,
  };
}

/**
 * Where a program may be on Windows, in the order of cmd: with each of the extensions, and last a script
 * without one, whose first line cross-spawn reads. The working directory is not looked at before the PATH, as
 * cmd would, because others may have put a program there.
 */
export function windowsCandidates(command: string, cwd: string, environment: Environment): string[] {
  const extensions = (windowsVariable(environment, "PATHEXT") || defaultExtensions).split(";");
  const named = extensions.filter((extension) => extension !== "").map((extension) => command + extension);
  const names = win32.extname(command) === "" ? named : [command, ...named];
  // A folder with a semicolon in its name stands in quotes.
  const searched = (windowsVariable(environment, "PATH") ?? "").match(/"[^"]*"|[^;]+/g) ?? [];
  const folders = isWindowsPath(command) ? [""] : searched.map((folder) => folder.replaceAll('"', ""));
  return [names, [command]].flatMap((tried) =>
    folders.flatMap((folder) => tried.map((name) => win32.resolve(cwd, folder, name))),
  );
}

function isWindowsPath(command: string): boolean {
  return /[\\/]/.test(command);
}

/** Names of variables have no case on Windows, where the usual one is `Path`. */
function windowsVariable(environment: Environment, name: string): string | undefined {
  return Object.entries(environment).find(([other]) => other.toUpperCase() === name)?.[1];
}

function notOnPath(command: string, searched: string): PipeEnd {
  const advice =
    argumentsInside(command) ??
    ` Install it, or write its whole path. The PATH is ${searched === "" ? "empty." : searched}`;
  return { code: "not_found", message: `The command '${command}' was not found on the PATH.${advice}` };
}

/** Advice for a whole command line in the place of the command, which a shell would have taken apart. */
function argumentsInside(command: string): string | undefined {
  if (!/\s/.test(command)) return undefined;
  return " If the words after its first are arguments, write them as such: each by itself.";
}

function unusableDirectory(command: string, cwd: string): PipeEnd | undefined {
  const fault = directoryFault(cwd);
  if (fault === undefined) return undefined;
  const message = `The command '${command}' was not started: its working directory '${cwd}' ${fault}.`;
  return { code: "not_started", message };
}

function directoryFault(path: string): string | undefined {
  try {
    return statSync(path).isDirectory() ? undefined : "is no directory";
  } catch (error) {
    return isMissing(error) ? "does not exist" : `cannot be used (${messageOf(error)})`;
  }
}

function unusableProgram(path: string): PipeEnd | undefined {
  try {
    if (!statSync(path).isFile()) return { code: "not_started", message: `'${path}' is no program.` };
    accessSync(path, constants.X_OK);
    return undefined;
  } catch (error) {
    if (isMissing(error)) return { code: "not_found", message: `There is no program '${path}'.` };
    return {
      code: "not_started",
      message: `'${path}' may not be run by this user (${messageOf(error)}). chmod +x would allow it.`,
    };
  }
}

function isMissing(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code;
  return code === "ENOENT" || code === "ENOTDIR";
}
