import { messageOf } from "../errors.js";
import { wrapped } from "./wrap.js";

/**
 * The form of a `doctor` command, which both ends have: examinations run one after the other, and each
 * becomes a step with a verdict, a reason and what to do about it.
 */

/**
 * What an examination found. `warning`: it works, or may work, but somebody should know. `skipped`: it was
 * not tried, because it would say nothing.
 */
export type Verdict = "ok" | "warning" | "failed" | "skipped";

export interface Finding {
  readonly verdict: Verdict;
  /** What was tried, with what, and what came of it. One line without a full stop at its end. */
  readonly reason: string;
  /** What to do about it: whole sentences. */
  readonly advice?: string;
}

/** One thing to look at. */
export interface Examination {
  /** The name for programs that read the JSON, such as `dns-wildcard`. It never changes. */
  readonly id: string;
  /** What is looked at, in a few words, such as `wildcard DNS`. */
  readonly title: string;
  /**
   * Ids of earlier examinations. If one of them failed or was skipped, this one is skipped. Ids that are not
   * in the list are no obstacle.
   */
  readonly needs?: readonly string[];
  /** How long it may take, in milliseconds. Default 10,000. */
  readonly limitMs?: number;
  /**
   * Looks. An error means `failed`, with the error's message for a reason. `signal` is aborted when the time
   * is over, and then nobody waits for the result.
   */
  examine(signal: AbortSignal): Finding | Promise<Finding>;
}

/** An examination that is over. */
export interface Step extends Finding {
  readonly id: string;
  readonly title: string;
  readonly durationMs: number;
}

/** All steps, as `--json` prints them. */
export interface DoctorReport {
  /** The worst verdict of all steps. Skipped ones do not count. */
  readonly verdict: "ok" | "warning" | "failed";
  readonly steps: readonly Step[];
}

const defaultLimitMs = 10_000;

export function ok(reason: string): Finding {
  return { verdict: "ok", reason };
}

export function warning(reason: string, advice?: string): Finding {
  return { verdict: "warning", reason, ...(advice === undefined ? {} : { advice }) };
}

export function failed(reason: string, advice?: string): Finding {
  return { verdict: "failed", reason, ...(advice === undefined ? {} : { advice }) };
}

export function skipped(reason: string): Finding {
  return { verdict: "skipped", reason };
}

/**
 * Runs the examinations in order, one at a time, so that none disturbs another. `onStep` is called after
 * each.
 */
export async function examineAll(
  examinations: readonly Examination[],
  onStep: (step: Step) => void = () => {},
): Promise<DoctorReport> {
  const steps: Step[] = [];
  /** The title of the step because of which others were not tried, by their ids. */
  const reasons = new Map<string, string>();
  for (const examination of examinations) {
    const { id, title, needs = [] } = examination;
    const started = performance.now();
    const obstacle = steps.find((step) => needs.includes(step.id) && isObstacle(step));
    // Where one thing stands in the way of many, all of them name that one.
    const reason = obstacle && (reasons.get(obstacle.id) ?? obstacle.title);
    if (reason !== undefined) reasons.set(id, reason);
    const finding =
      reason === undefined ? await findingOf(examination) : skipped(`not tried, because of '${reason}'`);
    const step = { id, title, ...finding, durationMs: Math.round(performance.now() - started) };
    steps.push(step);
    onStep(step);
  }
  return { verdict: worst(steps), steps };
}

function isObstacle({ verdict }: Step): boolean {
  return verdict === "failed" || verdict === "skipped";
}

function worst(steps: readonly Step[]): DoctorReport["verdict"] {
  const verdicts = steps.map((step) => step.verdict);
  if (verdicts.includes("failed")) return "failed";
  return verdicts.includes("warning") ? "warning" : "ok";
}

async function findingOf(examination: Examination): Promise<Finding> {
  const { limitMs = defaultLimitMs } = examination;
  const stop = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  // Some of what an examination waits for, such as the system's resolver, heeds no signal.
  const late = new Promise<Finding>((resolve) => {
    timer = setTimeout(() => {
      resolve(failed(`no result within ${limitMs / 1_000} s`));
      stop.abort();
    }, limitMs);
  });
  try {
    return await Promise.race([(async () => examination.examine(stop.signal))(), late]);
  } catch (error) {
    return failed(messageOf(error));
  } finally {
    clearTimeout(timer);
  }
}

/** How the steps are shown to people. */
export interface StepLook {
  /** Columns of the terminal. Default 80. */
  readonly width?: number;
  /** Colours the word of a verdict. Default: it stays as it is. */
  readonly paint?: (verdict: Verdict, word: string) => string;
}

/** Columns of the verdicts, of which the longest has seven letters. */
const verdictWidth = 9;

/** A step for people to read. All texts are escaped, because strangers may have chosen parts of them. */
export function stepLines(step: Step, { width = 80, paint = (_, word) => word }: StepLook = {}): string[] {
  const { verdict, title, reason, advice } = step;
  const room = Math.max(40, width) - verdictWidth;
  const [first = "", ...others] = wrapped(`${title}: ${reason}`, room);
  const rest = advice === undefined ? others : [...others, ...wrapped(`To do: ${advice}`, room)];
  const gap = " ".repeat(verdictWidth - verdict.length);
  return [paint(verdict, verdict) + gap + first, ...rest.map((line) => " ".repeat(verdictWidth) + line)];
}

/** The last line of a report, such as `2 failed, 1 warning, 9 ok, 1 skipped`. */
export function summaryLine({ steps }: DoctorReport): string {
  const count = (verdict: Verdict): number => steps.filter((step) => step.verdict === verdict).length;
  const counts = (["failed", "warning", "ok", "skipped"] as const).map((verdict) => {
    const n = count(verdict);
    return n === 0 ? "" : `${n} ${verdict === "warning" && n > 1 ? "warnings" : verdict}`;
  });
  return counts.filter((text) => text !== "").join(", ");
}
