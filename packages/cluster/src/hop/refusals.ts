import {
  Fault,
  listOf,
  objectOf,
  oneOf,
  passing,
  type Refusal,
  type RefusalCode,
  type RefusalLimit,
  text,
  wholeNumber,
} from "mcp-tunnel-protocol";
import type { FindHopRoute } from "./acceptor.js";

/** What another relay tells as the question of this name: it has refused requests in a tunnel's name. */
export const refusalsQuestion = "refusals";

export interface RefusalsReport {
  readonly name: string;
  readonly gen: number;
  readonly refusals: Refusal[];
}

/** Codes and names of options: a client would take anything else for a broken message. */
const isWord = (value: unknown): boolean => typeof value === "string" && /^[a-z][a-z_-]{0,47}$/.test(value);

const limit = objectOf<RefusalLimit>({
  option: passing(isWord, "the name of an option"),
  value: wholeNumber(0, 999_999_999_999_999),
  unit: oneOf(["bytes", "count", "ms"] as const),
});

/** A code of a newer relay passes: the client knows it, or counts it as another one. */
const refusal = objectOf<Refusal>({
  code: passing<RefusalCode>(isWord, "a code"),
  status: wholeNumber(100, 999).optional(),
  count: wholeNumber(1, 999_999_999),
  method: text(),
  path: text(),
  limit: limit.optional(),
});

const report = objectOf<RefusalsReport>({ name: text(), gen: wholeNumber(1), refusals: listOf(refusal) });

/** Tells the client of a tunnel what another relay has refused in its name. Other reports mean nothing. */
export function takeRefusals(find: FindHopRoute, body: unknown): void {
  const read = report.read(body);
  if (read instanceof Fault) return;
  find(read.name, read.gen)?.tellRefusals(read.refusals);
}
