import { text, wholeNumber } from "mcp-tunnel-protocol";
import { z } from "zod";

/** What the relay's options have to be, besides what both ends know (shapes.ts of the protocol package). */

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

/** The path of a file, where its text may be given by mistake. */
export const filePath = text().regex(/^[^\r\n]+$/, "the path of a file, not what is in it");
export const texts = z.array(text(), "an array of strings");
export const portNumber = wholeNumber(0, 65_535);
export const fileNumber = wholeNumber(0, 0x7fffffff);
