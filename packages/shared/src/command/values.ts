import { durationForm, formatDuration, parseDuration } from "../duration.js";
import { exactBytes, parseBytes, sizeForm } from "../size.js";

/**
 * Durations and sizes as values of options: one reader and one text for all options of both commands, so that
 * what one of them takes, every other takes too.
 */

/** Timers of Node wait 24.8 days at most. A longer one would end at once. */
const longestMs = 24 * 86_400_000;

/** The form of every duration and size, for the end of a help text of 80 columns. */
export const valueForms = `Durations have a unit, as in 500ms, 90s, 1.5m, 2h or 1d; without one they are
seconds. Sizes too, as in 64KiB, 1.5MiB or 5MB; without one they are bytes.`;

/**
 * A reader of durations, into whole milliseconds. `leastMs`: the shortest one that it takes. Default 0.
 * The reader throws the error by which commander knows a value that is not valid.
 */
export function durationReader({ leastMs = 0 }: { leastMs?: number } = {}): (text: string) => number {
  return (text) => {
    const ms = parseDuration(text);
    if (ms !== undefined && ms >= leastMs && ms <= longestMs) return ms;
    const least = leastMs === 0 ? undefined : formatDuration(leastMs);
    throw invalid(durationForm, least, formatDuration(longestMs));
  };
}

/**
 * A reader of sizes, into bytes. `least` and `greatest`: the sizes that it takes, in bytes. Default: all.
 * The reader throws the error by which commander knows a value that is not valid.
 */
export function sizeReader({ least = 0, greatest = Number.MAX_SAFE_INTEGER } = {}): (text: string) => number {
  return (text) => {
    const bytes = parseBytes(text);
    if (bytes !== undefined && bytes >= least && bytes <= greatest) return bytes;
    throw invalid(
      sizeForm,
      least === 0 ? undefined : exactBytes(least),
      greatest === Number.MAX_SAFE_INTEGER ? undefined : exactBytes(greatest),
    );
  };
}

/** commander knows the error by its code. */
function invalid(form: string, least: string | undefined, greatest: string | undefined): Error {
  const bounds = [
    ...(least === undefined ? [] : [`at least ${least}`]),
    ...(greatest === undefined ? [] : [`at most ${greatest}`]),
  ];
  const range = bounds.length === 0 ? "" : ` (${bounds.join(", ")})`;
  const message = `It takes ${form}${range}.`;
  return Object.assign(new Error(message), { code: "commander.invalidArgument", exitCode: 1 });
}
