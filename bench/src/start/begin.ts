import { spawn, spawnSync } from "node:child_process";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { type Child, freePort, startChild } from "../child.js";
import { isListening } from "../endpoint.js";
import { residentBytes, threadsMilliseconds } from "../proc.js";

/** After so long a program that has started is idle, in milliseconds. */
const settleMs = 500;

/** What the start of a program that stays has cost. */
export interface Start {
  /** From the start of the process until it listens, or is connected. */
  readonly ms: number;
  /** CPU time of all threads until then, in milliseconds. */
  readonly cpuMs: number;
  /** Resident memory half a second later. */
  readonly bytes: number;
}

/** A program that listens. `argsFor`: its arguments, for a port that is free. */
export interface Server {
  readonly name: string;
  readonly command: string;
  readonly argsFor: (
    port: number,
    folder: string,
  ) => readonly (string | number)[] | Promise<readonly string[]>;
}

/** Starts a server, waits until its port takes connections, and stops it. */
export async function beginServer({ name, command, argsFor }: Server, folder: string): Promise<Start> {
  const port = await freePort();
  const args = await argsFor(port, folder);
  const startedAt = performance.now();
  const child = startChild(name, command, args, folder);
  while (!(await Promise.race([isListening(port), child.failed]))) await delay(1);
  const ms = performance.now() - startedAt;
  const cpuMs = threadsMilliseconds(child.pid);
  await delay(settleMs);
  const bytes = residentBytes(child.pid);
  await child.stop();
  return { ms, cpuMs, bytes };
}

/** Starts a client that prints lines of JSON, waits until it is connected, and stops it. */
export async function beginClient(args: readonly (string | number)[], relay: Child): Promise<Start> {
  const startedAt = performance.now();
  const child = spawn(process.execPath, args.map(String), { stdio: ["ignore", "pipe", "inherit"] });
  const kill = (): void => void child.kill("SIGKILL");
  process.once("exit", kill);
  const ended = new Promise<void>((resolve) => {
    child.on("exit", () => resolve());
  });
  const connected = new Promise<void>((resolve) => {
    createInterface(child.stdout).on("line", (line) => {
      if (line.includes('"connected"')) resolve();
    });
  });
  const failed = ended.then((): never => {
    throw new Error("the client ended before it was connected");
  });
  await Promise.race([connected, failed, relay.failed]);
  failed.catch(() => {});
  const ms = performance.now() - startedAt;
  const pid = child.pid ?? 0;
  const cpuMs = threadsMilliseconds(pid);
  await delay(settleMs);
  const bytes = residentBytes(pid);
  child.kill("SIGTERM");
  await ended;
  process.off("exit", kill);
  return { ms, cpuMs, bytes };
}

/** Runs a command to its end. @returns milliseconds. @throws Error if it fails. */
export function runCommand(args: readonly string[]): number {
  const startedAt = performance.now();
  const { status } = spawnSync(process.execPath, args, { stdio: "ignore" });
  if (status !== 0) throw new Error(`status ${status}: ${args.join(" ")}`);
  return performance.now() - startedAt;
}
