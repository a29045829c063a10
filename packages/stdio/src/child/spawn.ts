import { spawn, type ChildProcess } from "node:child_process";
import type { Socket } from "node:net";
import type { Readable, Writable } from "node:stream";
import spawnOnWindows from "cross-spawn";
import { messageOf } from "mcp-tunnel-shared";
import type { ResolvedStdioOptions } from "../options.js";
import type { PipeEnd } from "../pipe.js";
import { commandLine } from "./describe.js";
import { serverEnvironment, type Environment } from "./environment.js";
import { findProgram, findProgramOnWindows } from "./program.js";
import { supervisorArguments } from "./supervisor.js";

/** POSIX's shell. Linux and the BSDs have it here. On macOS it is bash. */
const shell = "/bin/sh";

/** A process that was started, with its streams. */
export interface Started {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** The way to the watcher of its group. `undefined` on Windows, which has no groups. */
  readonly watcher: Socket | undefined;
}

/**
 * Starts the server. No argument is read by a shell: on POSIX the shell's script has them as its own
 * arguments, on Windows cross-spawn escapes them for the `.cmd` files that npx and others are.
 */
export function startServer(options: ResolvedStdioOptions): Started | PipeEnd {
  const environment = serverEnvironment(options.env);
  try {
    return process.platform === "win32" ? onWindows(options, environment) : onPosix(options, environment);
  } catch (error) {
    // Such as a NUL in an argument, or arguments that are too long together (E2BIG).
    return notStarted(options, error);
  }
}

function onPosix(options: ResolvedStdioOptions, environment: Environment): Started | PipeEnd {
  const program = findProgram(options.command, options.cwd, environment);
  if (typeof program !== "string") return program;
  const args = supervisorArguments(shell, program, options.args, environment, options.killGraceMs);
  const child = spawn(shell, args, {
    cwd: options.cwd,
    env: environment,
    // A session and a process group of its own, whose leader the server becomes.
    detached: true,
    stdio: ["pipe", "pipe", "pipe", "pipe"],
  });
  return startedOf(options, child);
}

/**
 * Windows has no process groups. `taskkill` ends the tree of processes. When this process is killed, Windows
 * ends the one that it has started (libuv puts it into a job), and those below end by their closed stdin
 * only. The server has a console of its own, without a window, so that Ctrl-C does not reach it.
 */
function onWindows(options: ResolvedStdioOptions, environment: Environment): Started | PipeEnd {
  const program = findProgramOnWindows(options.command, options.cwd, environment);
  if (typeof program !== "string") return program;
  const child = spawnOnWindows(program, [...options.args], {
    cwd: options.cwd,
    env: environment,
    stdio: ["pipe", "pipe", "pipe"],
    windowsHide: true,
  });
  return startedOf(options, child);
}

function startedOf(options: ResolvedStdioOptions, child: ChildProcess): Started | PipeEnd {
  // Node reports what has no number here once more, in a later turn. It also reports signals that fail.
  child.on("error", () => {});
  const { pid, stdin, stdout, stderr } = child;
  if (pid === undefined || stdin === null || stdout === null || stderr === null) {
    return notStarted(
      options,
      "the operating system has no more processes or files for it, or has not found it",
    );
  }
  return { child, pid, stdin, stdout, stderr, watcher: child.stdio[3] as Socket | undefined };
}

function notStarted(options: ResolvedStdioOptions, error: unknown): PipeEnd {
  return { code: "not_started", message: `${commandLine(options)} was not started: ${messageOf(error)}` };
}
