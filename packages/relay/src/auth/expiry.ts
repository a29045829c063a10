const date = /^\d{4}-\d\d-\d\d$/;
const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:\d\d)$/;
const dayMs = 24 * 60 * 60 * 1000;

/**
 * Reads a date or a time with its zone, as milliseconds since 1970. A date stands for its end in UTC.
 * `undefined` when the text is neither.
 */
export function parseExpiry(text: string): number | undefined {
  const isDate = date.test(text);
  if (!isDate && !time.test(text)) return undefined;
  const day = Date.parse(text.slice(0, 10));
  // The 30th of February is the 2nd of March to `Date`.
  if (Number.isNaN(day) || new Date(day).toISOString().slice(0, 10) !== text.slice(0, 10)) return undefined;
  const at = isDate ? day + dayMs : Date.parse(text);
  return Number.isNaN(at) ? undefined : at;
}

/** A time, in milliseconds since 1970, as {@link parseExpiry} reads it: to the second. */
export function expiryText(time: number): string {
  return new Date(time).toISOString().replace(/\.\d+Z$/, "Z");
}
