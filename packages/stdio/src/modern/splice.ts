import { createScanner } from "jsonc-parser";

/** A string or a number inside JSON text that is replaced where it stands. */
export interface Edit {
  /** The names of the members on the way to it, from the outermost. */
  readonly path: readonly string[];
  /** The JSON text that takes its place. */
  readonly to: string;
  /** Only this number is replaced, however it is written. Default: any string and any number. */
  readonly from?: number;
}

export interface Spliced {
  readonly text: string;
  /** What stood at the path of each edit, as JSON text. The last one counts if a member is there twice. */
  readonly found: readonly (string | undefined)[];
}

// The kinds of tokens (jsonc-parser, enum SyntaxKind). The types of the package declare them as a
// `const enum`, which a module that is compiled by itself cannot read.
const openBrace = 1;
const closeBrace = 2;
const openBracket = 3;
const closeBracket = 4;
const comma = 5;
const colon = 6;
const stringLiteral = 10;
const numericLiteral = 11;
const endOfText = 17;

/**
 * Replaces values inside JSON text. All else stays as it is: white space, the order of members, numbers that
 * no double can hold. A member that is there twice is replaced twice, because programs disagree about which
 * one counts.
 *
 * @param json JSON that has been parsed already: faults of its grammar are not looked for. It may be nested
 *   deeper than the stack of a recursive reader.
 */
export function splice(json: string, edits: readonly Edit[]): Spliced {
  const deepest = Math.max(...edits.map((edit) => edit.path.length));
  const found: (string | undefined)[] = edits.map(() => undefined);
  let text = "";
  let copied = 0;
  walk(json, deepest, {
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
export function walk(json: string, deepest: number, visitor: Visitor): void {
  const members: (string | undefined)[] = [];
  const scanner = createScanner(json, true);
  let depth = 0;
  let name = "";
  for (let kind: number = scanner.scan(); kind !== endOfText; kind = scanner.scan()) {
    if (kind === openBrace || kind === openBracket) depth++;
    else if (kind === closeBrace || kind === closeBracket) depth--;
    if (depth === 0 || depth > deepest) continue;
    switch (kind) {
      case openBrace:
      case openBracket:
      case comma:
        members[depth - 1] = undefined;
        break;
      case colon:
        members[depth - 1] = name;
        visitor.onMember?.(members, depth);
        break;
      case stringLiteral:
      case numericLiteral: {
        if (members[depth - 1] === undefined) {
          name = scanner.getTokenValue();
          break;
        }
        const start = scanner.getTokenOffset();
        const end = start + scanner.getTokenLength();
        visitor.onValue?.(members, depth, start, end, kind === numericLiteral);
        break;
      }
    }
  }
}
