/** Where a value stands in a JSON text. The text may be cut off, and need not be JSON at all. */
export interface Span {
  readonly from: number;
  /** The first place after it. */
  readonly to: number;
  /** False: the text ends within the value. */
  readonly isWhole: boolean;
}

const quote = 0x22;
const backslash = 0x5c;

/** The value that stands first in a text. Undefined if there is only space. */
export function wholeSpan(text: string): Span | undefined {
  const from = skipSpace(text, 0);
  return from === text.length ? undefined : valueAt(text, from);
}

/**
 * The members of an object, in order. Nothing if the span is no object. A name that is there twice comes
 * twice. It takes as long as the text is long.
 */
export function* membersOf(text: string, object: Span): Generator<readonly [name: string, value: Span]> {
  if (text[object.from] !== "{") return;
  let at = skipSpace(text, object.from + 1);
  while (at < object.to && text[at] === '"') {
    const nameEnd = stringEnd(text, at);
    if (nameEnd === undefined) return;
    const name = nameOf(text.slice(at, nameEnd));
    const colon = skipSpace(text, nameEnd);
    const from = skipSpace(text, colon + 1);
    if (text[colon] !== ":" || from >= object.to) return;
    const value = valueAt(text, from);
    yield [name, value];
    const comma = skipSpace(text, value.to);
    if (text[comma] !== ",") return;
    at = skipSpace(text, comma + 1);
  }
}

/** The elements of an array, in order. Nothing if the span is no array. */
export function* elementsOf(text: string, array: Span): Generator<Span> {
  if (text[array.from] !== "[") return;
  let at = skipSpace(text, array.from + 1);
  while (at < array.to && text[at] !== "]") {
    const value = valueAt(text, at);
    yield value;
    const comma = skipSpace(text, value.to);
    if (text[comma] !== ",") return;
    at = skipSpace(text, comma + 1);
  }
}

/** The messages of a text: its value, or the elements of its value if that is a batch. */
export function messageSpans(text: string): Span[] {
  const whole = wholeSpan(text);
  if (whole === undefined) return [];
  return text[whole.from] === "[" ? [...elementsOf(text, whole)] : [whole];
}

function valueAt(text: string, from: number): Span {
  const to = valueEnd(text, from);
  return { from, to: to ?? text.length, isWhole: to !== undefined };
}

function valueEnd(text: string, from: number): number | undefined {
  const first = text[from];
  if (first === '"') return stringEnd(text, from);
  if (first === "{" || first === "[") return nestedEnd(text, from);
  let at = from;
  while (at < text.length && !",]} \t\r\n".includes(text[at] as string)) at += 1;
  // A number at the very end may go on in what was cut off. A value that has no characters is none.
  return at === text.length ? undefined : Math.max(at, from + 1);
}

/** No recursion: a body may be nested a hundred thousand deep. */
function nestedEnd(text: string, from: number): number | undefined {
  let depth = 0;
  for (let at = from; at < text.length; at += 1) {
    switch (text[at]) {
      case '"': {
        const end = stringEnd(text, at);
        if (end === undefined) return undefined;
        at = end - 1;
        break;
      }
      case "{":
      case "[":
        depth += 1;
        break;
      case "}":
      case "]":
        depth -= 1;
        if (depth === 0) return at + 1;
        break;
      default:
    }
  }
  return undefined;
}

function stringEnd(text: string, from: number): number | undefined {
  for (let at = from + 1; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === backslash) at += 1;
    else if (code === quote) return at + 1;
  }
  return undefined;
}

function nameOf(literal: string): string {
  if (!literal.includes("\\")) return literal.slice(1, -1);
  try {
    return String(JSON.parse(literal));
  } catch {
    return "";
  }
}

function skipSpace(text: string, from: number): number {
  let at = from;
  while (at < text.length && " \t\r\n".includes(text[at] as string)) at += 1;
  return at;
}
