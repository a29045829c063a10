import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

/** How an honest visitor fared. */
export interface HonestReport {
  sent: number;
  /** How many requests failed, by what was wrong. */
  failures: Record<string, number>;
  medianMs: number;
  p99Ms: number;
  slowestMs: number;
}

export interface HonestVisitor {
  /** Waits for open requests, and returns the report. */
  stop(): Promise<HonestReport>;
  close(): void;
}

const script = fileURLToPath(new URL("honest.mjs", import.meta.url));

/**
 * A visitor of `host` in a process of its own, from 127.0.0.2: attacks come from 127.0.0.1, so their limits
 * per address do not count for him.
 */
export async function startHonestVisitor(
  port: number,
  host: string,
  requestsPerSecond = 100,
): Promise<HonestVisitor> {
  const child = fork(script, [String(port), host, String(requestsPerSecond), "127.0.0.2"]);
  await once(child, "message");
  return {
    async stop() {
      child.send("stop");
      const [report] = (await once(child, "message")) as [HonestReport];
      return report;
    },
    close: () => child.kill("SIGKILL"),
  };
}
