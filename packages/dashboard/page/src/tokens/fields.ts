import type { TokenChange, TokenFields } from "../../../src/model.ts";
import { writtenExpiry } from "./expiry.ts";

/** What the form has, as it is typed. */
export interface TokenDraft {
  readonly subdomains: string;
  readonly note: string;
  readonly expires: string;
  readonly maxTunnels: string;
  readonly maxRequestsPerSecond: string;
  readonly maxBytesPerSecond: string;
  /** Of the last one: how many bytes its number counts. */
  readonly unit: number;
}

export type DraftField = Exclude<keyof TokenDraft, "unit">;

export const units: readonly (readonly [name: string, bytes: number])[] = [
  ["B/s", 1],
  ["KiB/s", 1_024],
  ["MiB/s", 1_048_576],
];

export function draftOf(token: Partial<TokenFields>): TokenDraft {
  const { subdomains = [], note = "", expires, maxTunnels, maxRequestsPerSecond, maxBytesPerSecond } = token;
  const bytes = maxBytesPerSecond ?? 0;
  // The largest unit in which the number stays whole.
  const [, unit] = units.findLast(([, each]) => bytes >= each && bytes % each === 0) ?? units[2]!;
  return {
    subdomains: subdomains.join(" "),
    note,
    expires: expires === undefined ? "" : writtenExpiry(expires),
    maxTunnels: textOf(maxTunnels),
    maxRequestsPerSecond: textOf(maxRequestsPerSecond),
    maxBytesPerSecond: textOf(maxBytesPerSecond === undefined ? undefined : bytes / unit),
    unit,
  };
}

const textOf = (value: number | undefined): string => (value === undefined ? "" : String(value));

/** The first field that cannot be what it has to be, and why. The relay looks at all of them once more. */
export function faultOf(draft: TokenDraft): readonly [DraftField, string] | undefined {
  if (namesOf(draft).length === 0) return ["subdomains", "Give a name at least, such as demo or ann-*."];
  for (const name of ["maxTunnels", "maxRequestsPerSecond"] as const) {
    if (!/^\s*(?:[1-9]\d{0,14}\s*)?$/.test(draft[name]))
      return [name, "A whole number above zero, or nothing."];
  }
  const { maxBytesPerSecond: bytes, unit } = draft;
  if (bytes.trim() !== "" && !(Number(bytes) * unit >= 1)) {
    return ["maxBytesPerSecond", "A number above zero, or nothing."];
  }
  return undefined;
}

export function fieldsOf(draft: TokenDraft): TokenFields {
  const number = (text: string): number | undefined => (text.trim() === "" ? undefined : Number(text));
  const bytes = number(draft.maxBytesPerSecond);
  const note = draft.note.trim();
  const expires = draft.expires.trim();
  const maxTunnels = number(draft.maxTunnels);
  const maxRequestsPerSecond = number(draft.maxRequestsPerSecond);
  return {
    subdomains: namesOf(draft),
    ...(note !== "" && { note }),
    ...(expires !== "" && { expires }),
    ...(maxTunnels !== undefined && { maxTunnels }),
    ...(maxRequestsPerSecond !== undefined && { maxRequestsPerSecond }),
    ...(bytes !== undefined && { maxBytesPerSecond: Math.round(bytes * draft.unit) }),
  };
}

/** What differs. What is there no more is taken away. */
export function changeOf(before: TokenDraft, after: TokenDraft): TokenChange {
  const from = fieldsOf(before);
  const to = fieldsOf(after);
  const names = [
    "subdomains",
    "note",
    "expires",
    "maxTunnels",
    "maxRequestsPerSecond",
    "maxBytesPerSecond",
  ] as const;
  const changed = names.filter((name) => JSON.stringify(from[name]) !== JSON.stringify(to[name]));
  return Object.fromEntries(changed.map((name) => [name, to[name] ?? null]));
}

function namesOf({ subdomains }: TokenDraft): string[] {
  return subdomains.split(/[\s,]+/).filter((name) => name !== "");
}
