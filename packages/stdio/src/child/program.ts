import { accessSync, constants, statSync } from "node:fs";
import { delimiter, join, resolve } from "node:path";
import { messageOf } from "mcp-tunnel-shared";
import type { PipeEnd } from "../pipe.js";
import type { Environment } from "./environment.js";

/** Where programs are looked for without a PATH. */
const defaultPath = "/usr/bin:/bin";

/**
 * Finds the program of a command before it is started, as execvp(3) would: a name without a slash on the PATH
 * of the server, everything else from its working directory. The person is told more clearly by this than by
 * a shell.
 */
export function findProgram(command: string, cwd: string, environment: Environment): string | PipeEnd {
  const noDirectory = unusableDirectory(cwd);
  if (noDirectory !== undefined) {
    return {
      code: "not_started",
      message: `The command '${command}' was not started: its working directory '${cwd}' ${noDirectory}.`,
    };
  }
  if (command.includes("/")) {
    const path = resolve(cwd, command);
    const problem = unusableProgram(path);
    if (problem?.code !== "not_found") return problem ?? path;
    return { ...problem, message: `${problem.message}${argumentsInside(command) ?? ""}` };
  }
  const searched = environment["PATH"] ?? defaultPath;
  let unusable: PipeEnd | undefined;
  for (const directory of searched.split(delimiter)) {
    const path = join(resolve(cwd, directory), command);
    const problem = unusableProgram(path);
    if (problem === undefined) return path;
    if (problem.code === "not_started") unusable ??= problem;
  }
  const advice =
    argumentsInside(command) ??
    ` Install it, or write its whole path. The PATH is ${searched === "" ? "empty." : searched}`;
  return (
    unusable ?? {
      code: "not_found",
      message: `The command '${command}' was not found on the PATH.${advice}`,
    }
  );
}

/** Advice for a whole command line in the place of the command, which a shell would have taken apart. */
function argumentsInside(command: string): string | undefined {
  if (!/\s/.test(command)) return undefined;
  return " If the words after its first are arguments, write them as such: each by itself.";
}

function unusableDirectory(path: string): string | undefined {
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
