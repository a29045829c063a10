import { closestMatch } from "leven";
import { TunnelError } from "./errors.js";

/** What relay and client have in common when they look at the options that a program gives. */

/** The longest wait of a Node timer, about 24 days, in milliseconds; a longer one would end at once. */
export const maxTimerMs = 0x7fffffff;

/** What a wrong value is, for an error message. The value itself may be a secret. */
export function describeType(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (Array.isArray(value)) return "an array";
  // NaN and Infinity are of the right type, and wrong all the same.
  if (typeof value === "number" && !Number.isFinite(value)) return String(value);
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}

/**
 * Refuses options that do not exist. `within`: the option that they belong to, if it is not the whole.
 * @throws TunnelError `invalid_option` that names the first of them and the known one that is nearest, or says that `given` is no object.
 */
export function checkOptionNames(given: object, known: readonly string[], within?: string): void {
  if (typeof given !== "object" || given === null || Array.isArray(given)) {
    const what = within ?? "the options";
    throw new TunnelError("invalid_option", `${what} must be an object, not ${describeType(given)}`);
  }
  const unknown = Object.keys(given).find((name) => !known.includes(name));
  if (unknown === undefined) return;
  const near = closestMatch(unknown, known, { maxDistance: Math.ceil(unknown.length / 2) });
  const hint = near === undefined ? "" : `; did you mean '${near}'?`;
  const of = within === undefined ? "" : ` in ${within}`;
  throw new TunnelError("invalid_option", `there is no option '${unknown}'${of}${hint}`);
}
