import type { Secret } from "./marks.js";
import { isSecretMember, isSecretOnlyAsText } from "./names.js";

/** Longer names are not looked at. */
const maxNameLength = 128;
const doubleQuote = 0x22;
const singleQuote = 0x27;
const backslash = 0x5c;
const number = /-?\d[\d.eE+-]*/y;
/** Of a header field in JSON: the scheme stays visible. */
const scheme = /(?:basic|bearer|digest|dpop|negotiate|token) +/iy;

/** A quotation mark, and how many backslashes stand before it. */
interface Quote {
  readonly mark: string;
  readonly escapes: number;
}

/**
 * Finds the values of members with secret names, in JSON at any depth, and in JSON that is a string of
 * another JSON text, at any depth as well. The text need not be complete, and need not be JSON: Python's
 * quotation marks are read too.
 *
 * Each quotation mark is taken for the start of a name. What follows it is read at most once, so the time is
 * in proportion to the text.
 */
export function findMembers(text: string, found: (secret: Secret) => void): void {
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code !== doubleQuote && code !== singleQuote) continue;
    const quote = { mark: code === doubleQuote ? '"' : "'", escapes: escapesBefore(text, at) };
    const value = valueAfterName(text, at + 1, quote) ?? valueOfPair(text, at + 1, quote);
    // What follows a value is looked at again, because it may be the quotation mark of the next name.
    if (value !== undefined) at = Math.max(at, readValue(text, value, quote, found) - 1);
  }
}

/** Where the value begins, if what begins at `start` is a secret name. */
function valueAfterName(text: string, start: number, quote: Quote): number | undefined {
  const nameEnd = endOfName(text, start);
  const value = nameEnd === start ? undefined : afterSign(text, afterQuote(text, nameEnd, quote), ":");
  if (value === undefined) return undefined;
  const name = text.slice(start, nameEnd);
  if (!isSecretMember(name)) return undefined;
  return /[\d-]/.test(text[value] ?? "") && isSecretOnlyAsText(name) ? undefined : value;
}

/**
 * Where the value of `{"name":"API_KEY","value":` begins. Lists of header fields and of variables have such.
 */
function valueOfPair(text: string, start: number, quote: Quote): number | undefined {
  const key = ["name", "key"].find((given) => text.startsWith(given, start));
  if (key === undefined) return undefined;
  const given = afterSign(text, afterQuote(text, start + key.length, quote), ":");
  const name = given && afterQuote(text, given, quote);
  if (name === undefined) return undefined;
  const nameEnd = endOfName(text, name);
  const next = afterSign(text, afterQuote(text, nameEnd, quote), ",");
  const member = next && afterQuote(text, next, quote);
  if (member === undefined || !text.startsWith("value", member)) return undefined;
  if (!isSecretMember(text.slice(name, nameEnd))) return undefined;
  return afterSign(text, afterQuote(text, member + "value".length, quote), ":");
}

/** Where to go on after a sign with white space around it, if it comes next. */
function afterSign(text: string, start: number | undefined, sign: string): number | undefined {
  if (start === undefined) return undefined;
  const at = afterSpace(text, start);
  return text[at] === sign ? afterSpace(text, at + 1) : undefined;
}

function endOfName(text: string, start: number): number {
  const last = Math.min(start + maxNameLength, text.length);
  for (let at = start; at < last; at += 1) {
    const code = text.charCodeAt(at);
    if (code === doubleQuote || code === singleQuote || code === backslash || code < 0x20) return at;
  }
  return last;
}

/** Tells the value that begins at `start`, or the values of a list. Returns where to go on. */
function readValue(text: string, start: number, quote: Quote, found: (secret: Secret) => void): number {
  if (text[start] !== "[") return readScalar(text, start, quote, found) ?? start;
  let at = start + 1;
  for (;;) {
    const end = readScalar(text, afterSpace(text, at), quote, found);
    if (end === undefined) return at;
    const comma = afterSpace(text, end);
    if (text[comma] !== ",") return comma;
    at = comma + 1;
  }
}

/** Returns the end of a string or a number that begins at `start`. Undefined: it is something else. */
function readScalar(
  text: string,
  start: number,
  quote: Quote,
  found: (secret: Secret) => void,
): number | undefined {
  for (const mark of ['"', "'"]) {
    const inside = afterQuote(text, start, { mark, escapes: quote.escapes });
    if (inside === undefined || (mark !== quote.mark && isAfterString(text, inside))) continue;
    const end = stringEnd(text, inside, { mark, escapes: quote.escapes });
    found({ start: Math.min(endOf(scheme, text, inside) ?? inside, end), end });
    return afterQuote(text, end, { mark, escapes: quote.escapes }) ?? end;
  }
  const end = endOf(number, text, start);
  if (end !== undefined) found({ start, end, quote: "\\".repeat(quote.escapes) + quote.mark });
  return end;
}

/**
 * Where a string ends, without the backslashes of its last quotation mark. In a text that was quoted n times,
 * its own marks have b = 2^n - 1 backslashes. A mark inside the string has b more and one, and each backslash
 * inside is 2 (b + 1) of them.
 */
export function stringEnd(text: string, start: number, { mark, escapes }: Quote): number {
  const unit = 2 * (escapes + 1);
  for (let at = start; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code !== doubleQuote && code !== singleQuote) continue;
    const before = Math.min(escapesBefore(text, at), at - start);
    if (text[at] === mark) {
      if (before % unit !== unit - 1) return at - Math.min(before, escapes);
    } else if (mark === "'" && isAfterString(text, at + 1)) {
      // The end of the JSON string in which this stands. Its quotation mark may be escaped.
      return at - before;
    }
  }
  return text.length;
}

/** Whether what begins at `start` follows a string in JSON, and does not begin one. */
export function isAfterString(text: string, start: number): boolean {
  const at = afterSpace(text, start);
  return at === text.length || ",:]}".includes(text[at] as string);
}

export function escapesBefore(text: string, at: number): number {
  let start = at;
  while (start > 0 && text.charCodeAt(start - 1) === backslash) start -= 1;
  return at - start;
}

/** White space of JSON, also as it stands in a JSON text that is itself a JSON string. */
function afterSpace(text: string, start: number): number {
  let at = start;
  for (;;) {
    while (isSpace(text.charCodeAt(at))) at += 1;
    let escape = at;
    while (text.charCodeAt(escape) === backslash) escape += 1;
    if (escape === at || !/[nrt]/.test(text[escape] ?? "")) return at;
    at = escape + 1;
  }
}

function isSpace(code: number): boolean {
  return code === 0x20 || (code >= 0x09 && code <= 0x0d);
}

function afterQuote(text: string, at: number, { mark, escapes }: Quote): number | undefined {
  for (let i = 0; i < escapes; i += 1) if (text[at + i] !== "\\") return undefined;
  return text[at + escapes] === mark ? at + escapes + 1 : undefined;
}

function endOf(sticky: RegExp, text: string, at: number): number | undefined {
  sticky.lastIndex = at;
  return sticky.test(text) ? sticky.lastIndex : undefined;
}
