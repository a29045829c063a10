import { closestMatch } from "leven";
import { TunnelError, type TunnelErrorDetails } from "./errors.js";

/**
 * What relay and client have in common when they look at the options that a program gives; shapes.ts looks at
 * the values.
 */

/** The longest wait of a Node timer, about 24 days, in milliseconds; a longer one would end at once. */
export const maxTimerMs = 0x7fffffff;

/** For options, or values of them, that cannot be used. */
export function unusable(message: string, details?: TunnelErrorDetails): TunnelError {
  return new TunnelError("invalid_option", message, details);
}

/** What a wrong value is, for an error message. The value itself may be a secret. */
export function describeType(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (Array.isArray(value)) return "an array";
  // NaN and Infinity are of the right type, and wrong all the same.
  if (typeof value === "number" && !Number.isFinite(value)) return String(value);
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}

/** A wrong value, for an error message. A long text may be a key that should have been the path of one. */
export function describeValue(value: unknown): string {
  if (typeof value === "string") return /^.{0,100}$/.test(value) ? `the string '${value}'` : "a text";
  return typeof value === "number" ? String(value) : describeType(value);
}

/**
 * Refuses options that do not exist. `within`: the option that they belong to, if it is not the whole.
 * @throws TunnelError `invalid_option` that names the first of them and the known one that is nearest, or
 * says that `given` is no object.
 */
export function checkOptionNames(given: object, known: readonly string[], within?: string): void {
  if (typeof given !== "object" || given === null || Array.isArray(given)) {
    const message = `${within ?? "the options"} must be an object, not ${describeType(given)}`;
    throw unusable(message, within === undefined ? {} : { options: [within] });
  }
  const unknown = Object.keys(given).find((name) => !known.includes(name));
  if (unknown === undefined) return;
  const near = closestMatch(unknown, known, { maxDistance: Math.ceil(unknown.length / 2) });
  const hint = near === undefined ? "" : `; did you mean '${near}'?`;
  const of = within === undefined ? "" : ` in ${within}`;
  const option = within === undefined ? unknown : `${within}.${unknown}`;
  throw unusable(`there is no option '${unknown}'${of}${hint}`, { options: [option] });
}
