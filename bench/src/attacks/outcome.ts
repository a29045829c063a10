import type { Attack } from "./attack.js";
import type { HonestReport } from "./honest-main.js";
import { type Ending, maxAdminMs, maxEndMs } from "./processes.js";

/** The victim's memory may not go beyond this in any attack. */
const maxPeakBytes = 512 * 1_048_576;
/**
 * The most that an honest visitor has to put up with, on two cores that the attacker and all the others
 * share.
 */
const maxP99Ms = 1_000;

/** The bounds in words. */
export const bounds =
  `${maxPeakBytes / 1_048_576} MiB, no failure, a p99 of ${maxP99Ms.toLocaleString("en")} ms, no socket left, ` +
  `${maxEndMs / 1_000} s from SIGTERM to the end`;

/** The measurements of one attack. */
export interface Outcome {
  /** Undefined: measured without an attack. */
  readonly attack: Attack | undefined;
  readonly seconds: number;
  readonly attempts: number;
  /** Failures that the attacker found. */
  readonly failures: Record<string, number>;
  /** Undefined: the relay did not answer its operator. */
  readonly limits: ReadonlyMap<string, number> | undefined;
  readonly idleBytes: number;
  readonly peakBytes: number;
  readonly honest: HonestReport;
  readonly ending: Ending;
}

/** The bounds that an outcome passed, each in words. Empty: it kept to all. */
export function passed(outcome: Outcome): string[] {
  const { attack, seconds, honest, ending } = outcome;
  const found: string[] = [];
  if (outcome.peakBytes > maxPeakBytes) {
    found.push(`the ${attack?.victim ?? "relay"} used ${megabytes(outcome.peakBytes)} MB`);
  }
  const failures = Object.entries(failuresOf(outcome)).map(([why, count]) => `${count} x ${why}`);
  if (failures.length > 0) found.push(`honest requests failed: ${failures.join("; ")}`);
  if (honest.p99Ms > maxP99Ms) found.push(`an honest p99 of ${honest.p99Ms.toFixed(0)} ms`);
  // 60 of the 100 due each second: a busy machine's timers are late.
  if (honest.answered < seconds * 60) found.push(`only ${honest.answered} honest requests`);
  if (outcome.limits === undefined) found.push(`the relay gave no metrics within ${maxAdminMs / 1_000} s`);
  const left = leftOf(outcome);
  if (left > 0 && attack?.leavesSockets !== true) found.push(`${left} sockets were left`);
  if (ending.endedAfterMs === undefined) found.push(`SIGTERM did not end it within ${maxEndMs / 1_000} s`);
  return found.map((what) => `${attack?.name ?? "undisturbed"}: ${what}`);
}

/** The outcome's row of the table. */
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
