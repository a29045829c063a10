import { describeType, TunnelError } from "mcp-tunnel-protocol";
import { z } from "zod";

/**
 * What is wrong first with a value that a program gave, or `undefined`. The messages of `schema` say what a value has to be:
 * "a whole number from 1".
 */
export function firstProblem(schema: z.ZodType, value: unknown): string | undefined {
  const issue = schema.safeParse(value, { reportInput: true }).error?.issues[0];
  if (issue === undefined) return undefined;
  const path = issue.path.join(".");
  if (issue.code === "unrecognized_keys") {
    return `there is no option '${issue.keys[0]}'${path === "" ? "" : ` in ${path}`}`;
  }
  const given = issue.code === "invalid_type" ? describeType(issue.input) : describeValue(issue.input);
  return `${path === "" ? "it" : path} is ${given}; it must be ${issue.message}`;
}

/** For an option, or a value of one, that cannot be used. */
export function unusable(message: string): TunnelError {
  return new TunnelError("invalid_option", message);
}

/** @throws TunnelError `invalid_option`: see {@link firstProblem}. */
export function checkShape(schema: z.ZodType, value: unknown): void {
  const problem = firstProblem(schema, value);
  if (problem !== undefined) throw unusable(problem);
}

/** A wrong value, for an error message. A long text may be a key that should have been the path of one. */
export function describeValue(value: unknown): string {
  if (typeof value === "string") return /^.{0,100}$/.test(value) ? `the string '${value}'` : "a text";
  return typeof value === "number" ? String(value) : describeType(value);
}

/** An object of a program's own with these methods; the instance of a class, or a function, is one as well. */
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

export const text = z.string("a string");
/** The path of a file, where its text may be given by mistake. */
export const filePath = text.regex(/^[^\r\n]+$/, "the path of a file, not what is in it");
export const texts = z.array(text, "an array of strings");

/** A whole number within a range. */
export function wholeNumber(min: number, max: number): z.ZodNumber {
  const what = `a whole number from ${min} to ${max}`;
  return z.number(what).refine((value) => Number.isInteger(value) && value >= min && value <= max, what);
}

export const portNumber = wholeNumber(0, 65_535);
export const fileNumber = wholeNumber(0, 0x7fffffff);
