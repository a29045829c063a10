import { InvalidArgumentError, Option } from "commander";
import { sizeReader } from "mcp-tunnel-shared/command";
import { type Limits, limitList, limitRange, limitText } from "../../limits.js";
import type { RelayOptions } from "../../options.js";
import { ValueOption } from "./value-option.js";
import { collect, readCount, readDurationMs, readPositiveDurationMs } from "./values.js";

/** The options about limits. The limits themselves are there too, as numbers under their long names. */
export interface LimitCliOptions {
  limitExempt?: string[];
}

const placeholders = { bytes: "BYTES", count: "N", ms: "DURATION" };

/** The limits that people do set. The help shows them apart from the others. */
const everyday = [
  "max-request-body",
  "max-response-body",
  "response-timeout",
  "hold-timeout",
  "startup-hold",
  "resume-timeout",
];

export const isEveryday = (option: Option): boolean => everyday.includes(option.name());

export const limitOptions: readonly Option[] = [
  ...limitList.map((limit) => {
    const { flag, unit, default: standard, derived, min, text } = limit;
    const write = (value: number): string => limitText(limit, value);
    const option = new ValueOption(`--${flag} <${placeholders[unit]}>`, text, write);
    if (derived === undefined) option.default(standard);
    else option.description += ` (default: ${derived})`;
    if (unit === "ms") return option.argParser(min === 0 ? readDurationMs : readPositiveDurationMs);
    const range = limitRange(limit);
    if (unit === "bytes") return option.argParser(sizeReader({ least: range.min, greatest: range.max }));
    return option.argParser((given: string) => within(range, readCount(given)));
  }),
  new Option(
    "--limit-exempt <CIDR>",
    "address or range to which no limit per address applies, or 'none'; may be repeated (default: loopback)",
  ).argParser(collect),
];

function within({ min, max }: { min: number; max: number }, value: number): number {
  if (value >= min && value <= max) return value;
  throw new InvalidArgumentError(
    max === Number.MAX_SAFE_INTEGER ? `Expected at least ${min}.` : `Expected ${min} to ${max}.`,
  );
}

export function limitOptionsOf(options: LimitCliOptions): Pick<RelayOptions, keyof Limits | "limitExempt"> {
  const limits: Pick<RelayOptions, keyof Limits | "limitExempt"> = {};
  for (const { key, flag } of limitList) {
    const value = (options as Record<string, unknown>)[new Option(`--${flag}`).attributeName()];
    if (typeof value === "number") limits[key] = value;
  }
  const { limitExempt } = options;
  if (limitExempt !== undefined) limits.limitExempt = limitExempt.filter((range) => range !== "none");
  return limits;
}
