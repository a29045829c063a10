import type { Attack } from "./attack.js";
import type { HonestReport } from "./honest-main.js";
import { type Ending, maxAdminMs, maxEndMs } from "./processes.js";

/** What no attack may drive the victim's memory beyond. */
const maxPeakBytes = 512 * 1_048_576;
/** What an honest visitor has to put up with at most, on two cores that the attacker and all the others share. */
const maxP99Ms = 1_000;

/** The bounds in words. */
export const bounds =
  `${maxPeakBytes / 1_048_576} MiB, no failure, a p99 of ${maxP99Ms.toLocaleString("en")} ms, no socket left, ` +
  `${maxEndMs / 1_000} s from SIGTERM to the end`;

/** How one attack went. */
export interface Outcome {
  /** Undefined: what was measured without one. */
  readonly attack: Attack | undefined;
  readonly seconds: number;
  readonly attempts: number;
  /** What the attacker found out of order. */
  readonly failures: Record<string, number>;
  /** Undefined: the relay did not answer. */
  readonly limits: ReadonlyMap<string, number> | undefined;
  readonly idleBytes: number;
  readonly peakBytes: number;
  readonly honest: HonestReport;
  readonly ending: Ending;
}

/** Which bounds an outcome is beyond. */
export function passed(outcome: Outcome): string[] {
  const { attack, seconds, honest, ending } = outcome;
  const found: string[] = [];
  if (outcome.peakBytes > maxPeakBytes) {
    found.push(`the ${attack?.victim ?? "relay"} used ${megabytes(outcome.peakBytes)} MB`);
  }
  const failures = Object.entries(failuresOf(outcome)).map(([why, count]) => `${count} x ${why}`);
  if (failures.length > 0) found.push(`honest requests failed: ${failures.join("; ")}`);
  if (honest.p99Ms > maxP99Ms) found.push(`an honest p99 of ${honest.p99Ms.toFixed(0)} ms`);
  // As many as were due, within what a busy machine's timers make of it.
  if (honest.answered < seconds * 60) found.push(`only ${honest.answered} honest requests`);
  if (outcome.limits === undefined) found.push(`the relay gave no metrics within ${maxAdminMs / 1_000} s`);
  const left = leftOf(outcome);
  if (left > 0 && attack?.leavesSockets !== true) found.push(`${left} sockets were left`);
  if (ending.endedAfterMs === undefined) found.push(`SIGTERM did not end it within ${maxEndMs / 1_000} s`);
  return found.map((what) => `${attack?.name ?? "undisturbed"}: ${what}`);
}

/** Its row of the table. */
export function cells(outcome: Outcome): string[] {
  const { attack, attempts, honest, ending } = outcome;
  const limits = [...(outcome.limits ?? [])]
    .filter(([, count]) => count > 0)
    .map(([limit, count]) => `\`${limit}\` ${count.toLocaleString("en")}`);
  const failures = Object.values(failuresOf(outcome)).reduce((sum, count) => sum + count, 0);
  const whose = attack?.victim === undefined ? "" : `${attack.victim}: `;
  return [
    attack === undefined ? "none" : `**${attack.name}**: ${attack.what}`,
    attack === undefined ? "–" : attempts.toLocaleString("en"),
    limits.join(", ") || "–",
    `${whose}${megabytes(outcome.idleBytes)} → ${megabytes(outcome.peakBytes)}`,
    `${honest.answered.toLocaleString("en")}, ${failures} failed`,
    `${honest.p50Ms.toFixed(1)}, ${honest.p99Ms.toFixed(0)}`,
    leftOf(outcome) > 0 && attack?.leavesSockets === true
      ? `${leftOf(outcome)} unread`
      : `${leftOf(outcome)}`,
    ending.endedAfterMs === undefined ? "killed" : (ending.endedAfterMs / 1_000).toFixed(1),
  ];
}

function failuresOf({ honest, failures }: Outcome): Record<string, number> {
  return { ...honest.failures, ...failures };
}

function leftOf({ ending }: Outcome): number {
  return Math.max(0, ending.socketsLeft - ending.socketsBefore);
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(0);
}
