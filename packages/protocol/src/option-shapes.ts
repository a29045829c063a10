import { isSendableCode } from "./close-codes.js";
import { checkOptionNames, describeType, describeValue, unusable } from "./options.js";
import { Fault, number, objectOf, passing, type Shape } from "./shape.js";

/**
 * Shapes of the values of options. TypeScript does not check programs in JavaScript, nor values from
 * elsewhere. The message of a shape says what is wanted: "a whole number from 1".
 */

/** A fault of a value, for a person. */
export interface Problem {
  /** What the value is, and what it must be. */
  message: string;
  /** The place in the value, such as `tls.files.0`; empty if the whole value is wrong. */
  path: string;
}

/** Tells a person of a fault. `within`: the option that has the value, if it is part of an option. */
export function problemOf(fault: Fault, within?: string): Problem {
  const steps = [...(within === undefined ? [] : [within]), ...fault.path];
  const path = steps.join(".");
  if (fault.unknown !== undefined) {
    const message = `there is no option '${fault.unknown}'${path === "" ? "" : ` in ${path}`}`;
    return { message, path: [...steps, fault.unknown].join(".") };
  }
  const given = fault.isOfType ? describeType(fault.given) : describeValue(fault.given);
  return { message: `${path === "" ? "it" : path} is ${given}; it must be ${fault.expected}`, path };
}

/**
 * The first fault of a value, or `undefined`. `within`: the option that has the value, if it is part of an
 * option.
 */
export function firstProblem(shape: Shape<unknown>, value: unknown, within?: string): Problem | undefined {
  const read = shape.read(value);
  return read instanceof Fault ? problemOf(read, within) : undefined;
}

/** How {@link checkOptions} checks. */
export interface OptionRules {
  /** All names that exist, if some values are checked elsewhere. Default: the names of the shapes. */
  known?: readonly string[];
  /** The option that has the names, if they are parts of an option. */
  within?: string;
}

/**
 * Checks the names of options and their values.
 * @throws TunnelError `invalid_option` that names the first wrong option and says what it is and what it must
 * be.
 */
export function checkOptions(
  given: object,
  shapes: Readonly<Record<string, Shape<unknown>>>,
  { known = Object.keys(shapes), within }: OptionRules = {},
): void {
  checkOptionNames(given, known, within);
  const problem = firstProblem(objectOf(shapes), given, within);
  if (problem !== undefined) throw unusable(problem.message, { options: [problem.path] });
}

/** A boolean, or this word. */
export function flagOr(word: string): Shape<boolean | string> {
  return passing((value) => typeof value === "boolean" || value === word, `a boolean or '${word}'`);
}

/** A text, or a URL. */
export const textOrUrl: Shape<string | URL> = passing(
  (value) => typeof value === "string" || value instanceof URL,
  "a string or a URL",
);

/** A function; `what` it is, for the message. */
export function callback(what = "a function"): Shape<unknown> {
  return passing((value) => typeof value === "function", what);
}

/** An object, which may be an array; `what` it is, for the message. */
export function someObject(what: string): Shape<object> {
  return passing((value) => typeof value === "object" && value !== null, what);
}

/** A whole number within a range. */
export function wholeNumber(min: number, max = Number.MAX_SAFE_INTEGER): Shape<number> {
  const what = `a whole number from ${min}${max === Number.MAX_SAFE_INTEGER ? "" : ` to ${max}`}`;
  return number(what).refine((value) => Number.isSafeInteger(value) && value >= min && value <= max, what);
}

/** A close code of a WebSocket that an end may send: with any other one, a link cannot be closed. */
export const sendableCode: Shape<number> = wholeNumber(1_000, 4_999).refine(
  isSendableCode,
  "a close code that may be sent, such as 4002",
);

/** The signal of an AbortController, of whichever library. */
export const abortSignal: Shape<AbortSignal> = objectWith(["addEventListener", "removeEventListener"]);

/** A number of milliseconds within a range, whole or not. It may be Infinity, if `max` is. */
export function milliseconds(min: number, max = Infinity): Shape<number> {
  const what = `a number of milliseconds from ${min}${max === Infinity ? "" : ` to ${max}`}`;
  return passing((value) => typeof value === "number" && value >= min && value <= max, what);
}

/** An object of the program with these methods. The instance of a class, and a function, fit as well. */
export function objectWith<T>(
  required: readonly (keyof T & string)[],
  optional: readonly (keyof T & string)[] = [],
): Shape<T> {
  const rest = optional.length === 0 ? "" : `, and perhaps ${optional.join(", ")}`;
  return passing(
    (value) => {
      const methods = Object(value) as Record<string, unknown>;
      return (
        methods === value &&
        required.every((name) => typeof methods[name] === "function") &&
        optional.every((name) => ["function", "undefined"].includes(typeof methods[name]))
      );
    },
    `an object with the methods ${required.join(", ")}${rest}`,
  );
}
