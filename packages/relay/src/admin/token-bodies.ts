import { isPattern } from "mcp-tunnel-protocol";
import { z } from "zod";
import { parseExpiry } from "../auth/expiry.js";
import type { TokenChanges } from "../auth/token-changes.js";
import type { NewToken } from "../auth/token-file-edit.js";
import { ToldProblem } from "./problem.js";

const count = z.int("has to be a whole number above 0").min(1, "has to be a whole number above 0");

/** The token file has sizes of up to 15 digits. */
const size = count.max(999_999_999_999_999, "has more than 15 digits");

const subdomains = z
  .array(
    z
      .string("has to be a list of texts")
      .refine(
        isPattern,
        "has a pattern that is not letters, digits, hyphens and at most one '*', 63 at most",
      ),
    "has to be a list of subdomain patterns",
  )
  .min(1, "needs a subdomain pattern at least");

const expires = z
  .string("has to be a text")
  .refine(
    (text) => parseExpiry(text) !== undefined,
    "has to be a date such as 2027-01-31 or a time such as 2027-01-31T18:00:00Z",
  )
  .refine((text) => (parseExpiry(text) ?? Infinity) > Date.now(), "is in the past");

const note = z.string("has to be a text").max(256, "has more than 256 characters");

const newToken = z.strictObject({
  subdomains,
  note: note.optional(),
  expires: expires.optional(),
  maxTunnels: count.optional(),
  maxRequestsPerSecond: count.optional(),
  maxBytesPerSecond: size.optional(),
});

const tokenChanges = z.strictObject({
  subdomains: subdomains.optional(),
  note: note.nullish(),
  expires: expires.nullish(),
  maxTunnels: count.nullish(),
  maxRequestsPerSecond: count.nullish(),
  maxBytesPerSecond: size.nullish(),
});

/**
 * Reads the body of `POST /api/tokens`.
 * @throws ToldProblem `invalid_option`, with the `field` that is wrong.
 */
export function readNewToken(body: unknown): NewToken {
  return read(newToken, body);
}

/**
 * Reads the body of `PATCH /api/tokens/ID`. `null` takes a field away.
 * @throws ToldProblem as {@link readNewToken}.
 */
export function readTokenChanges(body: unknown): TokenChanges {
  return read(tokenChanges, body);
}

function read<T>(shape: z.ZodType<T>, body: unknown): T {
  const { data, error } = shape.safeParse(body);
  if (error === undefined) return data;
  const [issue] = error.issues;
  const field = issue?.code === "unrecognized_keys" ? issue.keys[0] : issue?.path[0];
  if (typeof field !== "string") {
    throw new ToldProblem(422, "invalid_option", "the body has to be an object with the token's fields", {});
  }
  const why = issue?.code === "unrecognized_keys" ? "is no field of a token" : (issue?.message ?? "");
  throw new ToldProblem(422, "invalid_option", `'${field}' ${why}`, { field });
}
