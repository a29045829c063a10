const unitMs: Readonly<Record<string, number>> = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1_000, ms: 1 };

/** The form that {@link parseDuration} reads, for messages about texts that it does not read. */
export const durationForm =
  "a number with a unit, such as 500ms, 90s, 1.5m, 2h or 1d; without one it is seconds";

/**
 * Reads a duration as people write it, into whole milliseconds: `90s`, `1.5m`, `500ms`, `2h`, `1d`, or `90`
 * for seconds. A space may stand before the unit. Returns `undefined` for any other text.
 */
export function parseDuration(text: string): number | undefined {
  const match = /^([0-9]{1,10}(?:\.[0-9]{1,10})?)(?: ?(ms|s|m|h|d))?$/.exec(text.trim());
  if (match === null) return undefined;
  return Math.round(Number(match[1]) * (unitMs[match[2] ?? "s"] as number));
}

/**
 * A number of milliseconds as {@link parseDuration} reads it, in the largest unit that gives a whole number:
 * `90s`, `10m`.
 */
export function formatDuration(ms: number): string {
  const units = Object.entries(unitMs);
  const [unit, length] = units.find(([, size]) => ms >= size && ms % size === 0) ?? ["ms", 1];
  return `${ms / length}${unit}`;
}
