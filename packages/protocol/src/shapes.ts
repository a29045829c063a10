import { z } from "zod";
import { checkOptionNames, describeType, describeValue, unusable } from "./options.js";

/**
 * Shapes of the values of options. TypeScript does not check programs in JavaScript, nor values from
 * elsewhere. The message of a shape says what is wanted: "a whole number from 1".
 */

/** What a value of an option has to be. */
export type OptionShape = z.ZodType;

/** A fault of a value. */
interface Problem {
  message: string;
  /** The place in the value, such as `tls.files.0`; empty if the whole value is wrong. */
  path: string;
}

/**
 * The first fault of a value, or `undefined`. `within`: the option that has the value, if it is part of an
 * option.
 */
export function firstProblem(shape: z.ZodType, value: unknown, within?: string): Problem | undefined {
  const issue = shape.safeParse(value, { reportInput: true }).error?.issues[0];
  if (issue === undefined) return undefined;
  const steps = [...(within === undefined ? [] : [within]), ...issue.path];
  const path = steps.join(".");
  if (issue.code === "unrecognized_keys") {
    const [key = ""] = issue.keys;
    const message = `there is no option '${key}'${path === "" ? "" : ` in ${path}`}`;
    return { message, path: [...steps, key].join(".") };
  }
  const given = issue.code === "invalid_type" ? describeType(issue.input) : describeValue(issue.input);
  return { message: `${path === "" ? "it" : path} is ${given}; it must be ${issue.message}`, path };
}

interface OptionRules {
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
  shapes: Readonly<Record<string, z.ZodType>>,
  { known = Object.keys(shapes), within }: OptionRules = {},
): void {
  checkOptionNames(given, known, within);
  const problem = firstProblem(z.object(shapes), given, within);
  if (problem !== undefined) throw unusable(problem.message, { options: [problem.path] });
}

/** A string. `what` describes it in the message. */
export function text(what = "a string"): z.ZodString {
  return z.string(what);
}

export const flag = z.boolean("a boolean");

/** A boolean, or this word. */
export function flagOr(word: string): z.ZodType {
  return z.custom((value) => typeof value === "boolean" || value === word, `a boolean or '${word}'`);
}

export const textOrUrl = z.custom(
  (value) => typeof value === "string" || value instanceof URL,
  "a string or a URL",
);

export function oneOf(values: readonly string[]): z.ZodType {
  return z.enum(values, `one of: ${values.join(", ")}`);
}

/** A function; `what` it is, for the message. */
export function callback(what = "a function"): z.ZodType {
  return z.custom((value) => typeof value === "function", what);
}

/** An object, which may be an array; `what` it is, for the message. */
export function someObject(what: string): z.ZodType {
  return z.custom((value) => typeof value === "object" && value !== null, what);
}

/** A whole number within a range. */
export function wholeNumber(min: number, max = Number.MAX_SAFE_INTEGER): z.ZodNumber {
  const what = `a whole number from ${min}${max === Number.MAX_SAFE_INTEGER ? "" : ` to ${max}`}`;
  return z.number(what).refine((value) => Number.isSafeInteger(value) && value >= min && value <= max, what);
}

/** A number of milliseconds within a range, whole or not. */
export function milliseconds(min: number, max = Infinity): z.ZodType {
  const what = `a number of milliseconds from ${min}${max === Infinity ? "" : ` to ${max}`}`;
  // `z.number` would refuse Infinity.
  return z.custom((value) => typeof value === "number" && value >= min && value <= max, what);
}

/** An object of the program with these methods. The instance of a class, and a function, fit as well. */
export function objectWith<T>(
  required: readonly (keyof T & string)[],
  optional: readonly (keyof T & string)[] = [],
): z.ZodType {
  const rest = optional.length === 0 ? "" : `, and perhaps ${optional.join(", ")}`;
  return z.custom(
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
