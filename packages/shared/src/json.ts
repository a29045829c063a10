/** A JSON object whose members are not known. */
export type JsonObject = Record<string, unknown>;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A string or a number inside JSON text that is replaced where it stands. */
export interface JsonEdit {
  /** The names of the members on the way to it, from the outermost. */
  readonly path: readonly string[];
  /** The JSON text that takes its place. */
  readonly to: string;
  /** Only this number is replaced, however it is written. Default: any string and any number. */
  readonly from?: number;
}

interface Spliced {
  readonly text: string;
  /** What stood at the path of each edit, as JSON text. The last one counts if a member is there twice. */
  readonly found: readonly (string | undefined)[];
}

/**
 * Replaces values inside JSON text. All else stays as it is: white space, the order of members, numbers that
 * no double can hold. A member that is there twice is replaced twice, because programs disagree about which
 * one counts.
 *
 * @param json JSON that has been parsed already: faults of its grammar are not looked for. It may be nested
 *   deeper than the stack of a recursive reader.
 */
export function splice(json: string, edits: readonly JsonEdit[]): Spliced {
  const deepest = Math.max(...edits.map((edit) => edit.path.length));
  const found: (string | undefined)[] = edits.map(() => undefined);
  let text = "";
  let copied = 0;
  walkJson(json, deepest, {
    onValue(members, depth, start, end, isNumber) {
      for (const [index, { path, from, to }] of edits.entries()) {
        if (path.length !== depth || path.some((member, level) => members[level] !== member)) continue;
        const value = json.slice(start, end);
        if (from !== undefined && !(isNumber && Number(value) === from)) continue;
        found[index] = value;
        text += json.slice(copied, start) + to;
        copied = end;
        break;
      }
    },
  });
  return { text: text + json.slice(copied), found };
}

/** The member that is being read in each open object, from the outermost. An array has none. */
type Members = readonly (string | undefined)[];

interface Visitor {
  /** A member begins. Its name is the last of the `depth` members that count. */
  onMember?(members: Members, depth: number): void;
  /** A member's value is a string or a number. */
  onValue?(members: Members, depth: number, start: number, end: number, isNumber: boolean): void;
}

/**
 * Reads the members of all objects that are nested in no more than `deepest - 1` others, as they are written.
 */
export function walkJson(json: string, deepest: number, visitor: Visitor): void {
  const members: (string | undefined)[] = [];
  let depth = 0;
  let name = "";
  let at = 0;
  while (at < json.length) {
    const start = at;
    const kind = json[at] as string;
    at = endOfToken(json, at, kind);
    if (kind === "{" || kind === "[") depth++;
    else if (kind === "}" || kind === "]") depth--;
    if (depth === 0 || depth > deepest) continue;
    switch (kind) {
      case "{":
      case "[":
      case ",":
        members[depth - 1] = undefined;
        break;
      case ":":
        members[depth - 1] = name;
        visitor.onMember?.(members, depth);
        break;
      case '"':
        if (members[depth - 1] === undefined) name = textOf(json.slice(start, at));
        else visitor.onValue?.(members, depth, start, at, false);
        break;
      default:
        if (numeric.test(kind) && members[depth - 1] !== undefined)
          visitor.onValue?.(members, depth, start, at, true);
    }
  }
}

/** What a number begins with, and what it goes on with. */
const numeric = /[-0-9]/;
const inNumber = /[-+.0-9eE]/;

/** Where the token that begins at `at` ends. A letter of `true`, `false` or `null` counts as a token. */
function endOfToken(json: string, at: number, kind: string): number {
  if (kind === '"') return endOfString(json, at);
  let end = at + 1;
  if (numeric.test(kind)) while (end < json.length && inNumber.test(json[end] as string)) end++;
  return end;
}

/** Strings can be most of a text: they are searched for their end, not read. */
function endOfString(json: string, at: number): number {
  for (let end = json.indexOf('"', at + 1); end !== -1; end = json.indexOf('"', end + 1)) {
    let before = end - 1;
    while (json[before] === "\\") before--;
    // An even number of backslashes: each pair stands for one, and none of them for the quotation mark.
    if ((end - before) % 2 === 1) return end + 1;
  }
  return json.length;
}

/** A string of JSON. Strings of an array are read as well, though nobody asks for them. */
function textOf(literal: string): string {
  return literal.includes("\\") ? (JSON.parse(literal) as string) : literal.slice(1, -1);
}
