import { setTimeout as delay } from "node:timers/promises";
import type { RunningRelay } from "../systems/mcp-tunnel.js";

const limitMs = 30_000;

/** Waits until a metric of the relay has a value. `line`: its name with its labels. */
export async function untilMetric(relay: RunningRelay, line: string, value: number): Promise<void> {
  const deadline = performance.now() + limitMs;
  let last: number | undefined;
  while (performance.now() < deadline) {
    last = await Promise.race([metricOf(relay, line), relay.child.failed]);
    if (last === value) return;
    await delay(50);
  }
  throw new Error(`${line} of ${relay.child.name} is ${last} after ${limitMs / 1_000} s, and not ${value}`);
}

async function metricOf({ admin }: RunningRelay, line: string): Promise<number | undefined> {
  const response = await fetch(`http://127.0.0.1:${admin}/metrics`);
  return parseMetric(await response.text(), line);
}

/** The value of a metric in Prometheus' text; `undefined` if it is not there. */
export function parseMetric(text: string, line: string): number | undefined {
  const found = text.split("\n").find((one) => one.startsWith(`${line} `));
  return found === undefined ? undefined : Number(found.slice(line.length + 1));
}
