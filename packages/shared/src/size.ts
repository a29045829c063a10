const units: Record<string, number> = {
  "": 1,
  B: 1,
  kB: 1e3,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
};

/** The form that {@link parseBytes} reads, for messages about texts that it does not read. */
export const sizeForm = "a number with a unit, such as 64KiB, 1.5MiB or 5MB; without one it is bytes";

/**
 * Reads a size as people write it, into whole bytes: `5MiB`, `1.5 GB`, or `5242880`. A space may stand before
 * the unit. Returns `undefined` for any other text, and for half a byte.
 */
export function parseBytes(text: string): number | undefined {
  const match = /^([0-9]{1,15}(?:\.[0-9]{1,10})?)(?: ?([kKMG]B|[KMG]iB|B))?$/.exec(text.trim());
  if (match === null) return undefined;
  const unit = units[match[2] ?? ""] ?? Number.NaN;
  const bytes = Number(match[1]) * unit;
  const whole = unit === 1 ? bytes : Math.round(bytes);
  return Number.isSafeInteger(whole) ? whole : undefined;
}

/** A number of bytes, to the byte, as {@link parseBytes} reads it: `5MiB`, `1000`. */
export function exactBytes(count: number): string {
  const unit = ["GiB", "MiB", "KiB"].find((one) => count > 0 && count % (units[one] as number) === 0) ?? "";
  return `${count / (units[unit] as number)}${unit}`;
}

const shownUnits = ["B", "KiB", "MiB", "GiB", "TiB"];

/** A number of bytes for people to read, to three digits or so: `512 B`, `5 MiB`, `1.5 GiB`. */
export function formatBytes(count: number): string {
  let value = count;
  let unit = 0;
  for (; value >= 1_024 && unit < shownUnits.length - 1; unit += 1) value /= 1_024;
  const isShort = Number.isInteger(value) || value >= 100;
  return `${isShort ? Math.round(value) : value.toFixed(1)} ${shownUnits[unit]}`;
}
