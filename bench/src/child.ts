import { spawn } from "node:child_process";
import { accessSync, closeSync, constants, openSync, readFileSync } from "node:fs";
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { delimiter, join } from "node:path";

/** A process that the bench started and will stop. */
export interface Child {
  /** The name in the table, for example `relay`. */
  readonly name: string;
  readonly pid: number;
  /** Rejects when the process ends before `stop` was called. */
  readonly failed: Promise<never>;
  isRunning(): boolean;
  /**
   * Sends SIGTERM. Resolves to false if the process did not end within `limitMs` (default 3,000) and was
   * killed.
   */
  stop(limitMs?: number): Promise<boolean>;
}

const running = new Set<{ kill(signal: NodeJS.Signals): boolean }>();

// No process may be left behind when the bench ends by an error or by Ctrl-C.
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => process.exit(130));
}

/**
 * Starts a program. Its standard output goes to the null device: the cost of writing logs is part of the
 * measurement, the cost of keeping them is not. Its errors go to a file in `folder`, which is shown if the
 * program fails.
 */
export function startChild(
  name: string,
  command: string,
  args: readonly (string | number)[],
  folder: string,
  env: Record<string, string> = {},
): Child {
  const errorFile = join(folder, `${name}-${process.hrtime.bigint()}.log`);
  const errors = openSync(errorFile, "a");
  const child = spawn(command, args.map(String), {
    stdio: ["ignore", "ignore", errors],
    env: { ...process.env, ...env },
  });
  closeSync(errors);
  running.add(child);
  const ended = new Promise<string>((resolve) => {
    child.on("error", (error) => resolve(String(error)));
    child.on("exit", (code, signal) => resolve(`ended with ${signal ?? `status ${code}`}`));
  });
  void ended.then(() => running.delete(child));
  let stopping = false;
  const failed = ended.then((how): never => {
    // Never settles once the process is being stopped: nobody waits for it any more.
    if (stopping) return new Promise<never>(() => {}) as never;
    throw new Error(`${name} ${how}: ${command} ${args.join(" ")}\n${tail(errorFile)}`);
  });
  failed.catch(() => {});
  return {
    name,
    pid: child.pid ?? 0,
    failed,
    isRunning: () => running.has(child),
    async stop(limitMs = 3_000) {
      stopping = true;
      if (!running.has(child)) return true;
      let isKilled = false;
      child.kill("SIGTERM");
      const timer = setTimeout(() => {
        isKilled = true;
        child.kill("SIGKILL");
      }, limitMs);
      await ended;
      clearTimeout(timer);
      return !isKilled;
    },
  };
}

function tail(file: string): string {
  return readFileSync(file, "utf8").trimEnd().split("\n").slice(-12).join("\n");
}

/** The path of a program, or undefined. */
export function findProgram(name: string): string | undefined {
  // Debian puts nginx into /usr/sbin, which is not on every user's PATH.
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin", "/usr/local/sbin"];
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}

/** The same. @throws Error if there is none. */
export function requireProgram(name: string): string {
  const path = findProgram(name);
  if (path === undefined) throw new Error(`${name} is not on the PATH`);
  return path;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** A port of loopback that was free a moment ago, for programs that cannot be told to choose one. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
