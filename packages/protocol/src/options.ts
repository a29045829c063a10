import { closestMatch } from "leven";
import { TunnelError, type TunnelErrorDetails } from "./errors.js";

/**
 * Checks of the options that a program gives, shared by relay and client. option-shapes.ts checks the values.
 */

/** The longest wait of a Node timer, about 24 days, in milliseconds; a longer one would end at once. */
export const maxTimerMs = 0x7fffffff;

/** The error for an option, or a value of an option, that cannot be used. */
export function unusable(message: string, details?: TunnelErrorDetails): TunnelError {
  return new TunnelError("invalid_option", message, details);
}

/** The type of a wrong value, for an error message. The value itself may be a secret. */
export function describeType(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (Array.isArray(value)) return "an array";
  // NaN and Infinity have the right type and are wrong all the same.
  if (typeof value === "number" && !Number.isFinite(value)) return String(value);
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}

/**
 * A wrong value, for an error message. A long text is left out: it may be a key that was given in place of
 * its path.
 */
export function describeValue(value: unknown): string {
  if (typeof value === "string") return /^.{0,100}$/.test(value) ? `the string '${value}'` : "a text";
  return typeof value === "number" ? String(value) : describeType(value);
}

/**
 * The known name that was probably meant by `word`; `undefined` if none is near enough. `maxChanges`: how
 * many letters may differ. Default: two, one in four of a longer word, and fewer of a word of two or three
 * letters, which is two changes away from almost everything. Two letters in the wrong order are two changes.
 */
export function nearestName(
  word: string,
  known: readonly string[],
  maxChanges = Math.min(Math.max(2, Math.ceil(word.length / 4)), Math.max(1, word.length - 2)),
): string | undefined {
  return closestMatch(word, known, { maxDistance: maxChanges });
}

/**
 * Refuses options that do not exist. `within`: the option that has them, if they are parts of an option.
 * @throws TunnelError `invalid_option` that names the first unknown option and the nearest known one, or says
 * that `given` is no object.
 */
export function checkOptionNames(given: object, known: readonly string[], within?: string): void {
  if (typeof given !== "object" || given === null || Array.isArray(given)) {
    const message = `${within ?? "the options"} must be an object, not ${describeType(given)}`;
    throw unusable(message, within === undefined ? {} : { options: [within] });
  }
  const unknown = Object.keys(given).find((name) => !known.includes(name));
  if (unknown === undefined) return;
  const near = nearestName(unknown, known, Math.ceil(unknown.length / 2));
  const hint = near === undefined ? "" : `; did you mean '${near}'?`;
  const of = within === undefined ? "" : ` in ${within}`;
  const option = within === undefined ? unknown : `${within}.${unknown}`;
  throw unusable(`there is no option '${unknown}'${of}${hint}`, { options: [option] });
}
