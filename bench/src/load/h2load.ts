import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { requireProgram } from "../child.js";
import type { Endpoint } from "../endpoint.js";
import { quantile } from "../stats.js";

export interface H2loadOptions {
  readonly path: string;
  readonly connections: number;
  /** Requests at once on each connection. */
  readonly streams: number;
  readonly http: "1.1" | "2";
}

export interface H2loadResult {
  readonly requests: number;
  readonly requestsPerSecond: number;
  /** Bytes of heads and bodies. Those of bodies alone are also counted before the measurement. */
  readonly bytes: number;
  readonly p50Ms: number;
  /** As measured: not corrected for coordinated omission. */
  readonly p99Ms: number;
}

/** Time for handshakes and the first requests, which are not measured. */
const warmUpMs = 500;

/**
 * Runs h2load with one thread. `measured` wraps the part in which it measures.
 * @throws Error if any request failed, or if the protocol is another than wanted.
 */
export async function h2load(
  endpoint: Endpoint,
  { path, connections, streams, http }: H2loadOptions,
  seconds: number,
  folder: string,
  measured: <T>(action: () => Promise<T>) => Promise<T>,
): Promise<H2loadResult> {
  const log = join(folder, `h2load-${process.hrtime.bigint()}.log`);
  const scheme = endpoint.ca === undefined ? "http" : "https";
  const args = [
    ...(http === "1.1" ? ["--h1"] : []),
    ...["-t1", `-c${connections}`, `-m${streams}`, `-D${seconds}`, `--warm-up-time=${warmUpMs}ms`],
    ...[`--connect-to=127.0.0.1:${endpoint.port}`, `--log-file=${log}`],
    `${scheme}://${endpoint.host}${path}`,
  ];
  const child = spawn(requireProgram("h2load"), args, { stdio: ["ignore", "pipe", "ignore"] });
  const closed = once(child, "close");
  const timer = setTimeout(() => child.kill("SIGKILL"), (seconds + 20) * 1_000);
  const lines: string[] = [];
  const output = createInterface(child.stdout).on("line", (line) => lines.push(line));
  const said = async (words: string): Promise<void> => {
    while (!lines.some((line) => line.startsWith(words))) {
      if ((await Promise.race([once(output, "line"), closed.then(() => undefined)])) === undefined) return;
    }
  };
  try {
    await said("Main benchmark duration is started");
    await measured(() => said("Main benchmark duration is over"));
    await closed;
    const result = parseH2load(lines.join("\n"), http);
    return { ...result, ...latenciesOf(readFileSync(log, "latin1")) };
  } finally {
    clearTimeout(timer);
    child.kill("SIGKILL");
    rmSync(log, { force: true });
  }
}

/** What h2load says in the end. @throws Error as `h2load` does. */
export function parseH2load(
  text: string,
  http: H2loadOptions["http"],
): Pick<H2loadResult, "requests" | "requestsPerSecond" | "bytes"> {
  const rate = /^finished in \S+, ([\d.]+) req\/s/m.exec(text)?.[1];
  const counts = /(\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout/.exec(text);
  const bytes = /^traffic: \S+ \((\d+)\) total/m.exec(text)?.[1];
  if (rate === undefined || counts === null || bytes === undefined) {
    throw new Error(`h2load said something unexpected:\n${text}`);
  }
  const [, done, succeeded] = counts.map(Number) as [number, number, number];
  // None need be done: a large download outlasts a short measurement.
  if (succeeded < done) throw new Error(`h2load got no answer to some requests:\n${text}`);
  // Without TLS, h2load says nothing of a protocol that it speaks anyway.
  const protocol = /^Application protocol: (\S+)$/m.exec(text)?.[1];
  const wanted = http === "1.1" ? "http/1.1" : "h2";
  if (protocol !== undefined && protocol !== wanted) throw new Error(`${protocol} was spoken, not ${wanted}`);
  return { requests: done, requestsPerSecond: Number(rate), bytes: Number(bytes) };
}

/** The percentiles of a log whose lines are the start of a request, its status and its microseconds. */
export function latenciesOf(log: string): Pick<H2loadResult, "p50Ms" | "p99Ms"> {
  const lines = log.split("\n").filter((line) => line !== "");
  const sorted = lines.map((line) => Number(line.split("\t")[2]) / 1_000).toSorted((a, b) => a - b);
  if (sorted.length === 0) return { p50Ms: Number.NaN, p99Ms: Number.NaN };
  return { p50Ms: quantile(sorted, 0.5), p99Ms: quantile(sorted, 0.99) };
}
