import type { Secret } from "./marks.js";
import { escapesBefore, isAfterString, stringEnd } from "./members.js";
import { isSecretMember, isSecretParameter } from "./names.js";

const maxNameLength = 128;
/** A place for a value, as in the template of a URI. */
const placeholder = /^\$?\{[^{}]*\}$/;
/** In a text, `/` may be written `\/` (as PHP does in JSON). Any other backslash ends a value. */
const queryValueEnd = /[&#\s"'<>`]|\\(?!\/)/g;
const encodedValueEnd = /[&#\s"'<>`\\]|%2[0236]/g;
const textValueEnd = /[\s"'<>`&;,)\]}\\]/g;
const encodedSeparator = /%(?:3F|26|23)/gi;

/**
 * Finds values of secret parameters in a query or a form, from `start` to `end`. `all`: every value is a
 * secret.
 */
export function findInQuery(
  text: string,
  [start, end]: readonly [start: number, end: number],
  all: boolean,
  found: (secret: Secret) => void,
): void {
  let at = start;
  for (const part of text.slice(start, end).split("&")) {
    const equals = part.indexOf("=");
    const name = decoded(part.slice(0, Math.min(equals, 4 * maxNameLength)));
    const value = part.slice(equals + 1);
    const isSecret = all || (equals > 0 && isSecretParameter(name));
    const isPlaceholder = placeholder.test(value);
    if (isSecret && value !== "" && !isPlaceholder) found({ start: at + equals + 1, end: at + part.length });
    at += part.length + 1;
  }
}

/**
 * Finds `name=value` of secret names in a text: in the queries and fragments of URLs, also of one that is
 * itself a value of a query, and elsewhere. Each sign is looked at a bounded number of times.
 */
export function findInText(text: string, found: (secret: Secret) => void): void {
  const equals = /=|%3D/gi;
  let done = 0;
  for (let match = equals.exec(text); match !== null; match = equals.exec(text)) {
    const { name, isQuery } = nameBefore(text, match.index, done);
    done = equals.lastIndex;
    if (name === "" || !(isQuery ? isSecretParameter(name) : isSecretMember(name))) continue;
    const value = valueAfter(text, done, match[0] !== "=", isQuery);
    if (value.end === value.start || placeholder.test(text.slice(value.start, value.end))) continue;
    found(value);
    done = value.end;
    equals.lastIndex = done;
  }
}

/** The name that ends at `end`, and whether it stands in a query. */
function nameBefore(text: string, end: number, from: number): { name: string; isQuery: boolean } {
  const first = Math.max(from, end - maxNameLength);
  let start = end;
  while (start > first && /[\w.\-%[\]]/.test(text[start - 1] as string)) start -= 1;
  const raw = text.slice(start, end);
  const last = /%[23]/.test(raw) ? [...raw.matchAll(encodedSeparator)].at(-1) : undefined;
  if (last !== undefined) return { name: decoded(raw.slice(last.index + 3)), isQuery: true };
  const before = text.slice(Math.max(start - 5, 0), start);
  // `&` and `?` as some write them in JSON.
  if (before.endsWith("\\") && /^u00(?:26|3f|23)/i.test(raw)) {
    return { name: decoded(raw.slice(5)), isQuery: true };
  }
  // The end of an escape, as in `\nTOKEN=`.
  const escaped = before.endsWith("\\") ? raw.slice(1) : raw;
  return { name: decoded(escaped), isQuery: /[?&#]$|&amp;$/.test(before) };
}

function valueAfter(text: string, start: number, isEncoded: boolean, isQuery: boolean): Secret {
  if (isEncoded) return { start, end: endBy(encodedValueEnd, text, start) };
  if (isQuery) return { start, end: endBy(queryValueEnd, text, start) };
  // A value in quotation marks, as of an attribute or a variable.
  let quoteAt = start;
  while (text[quoteAt] === "\\") quoteAt += 1;
  const mark = text[quoteAt];
  if (mark === '"' || mark === "'") {
    if (isAfterString(text, quoteAt + 1)) return { start, end: start };
    const escapes = Math.min(escapesBefore(text, quoteAt), quoteAt - start);
    return { start: quoteAt + 1, end: stringEnd(text, quoteAt + 1, { mark, escapes }) };
  }
  // `==` compares.
  return { start, end: mark === "=" ? start : endBy(textValueEnd, text, start) };
}

/** Finds the queries of URLs in a text, whose path is private. */
export function findPrivateQueries(
  text: string,
  isPrivate: (path: string) => boolean,
  found: (secret: Secret) => void,
): void {
  let done = 0;
  for (let mark = text.indexOf("?"); mark !== -1; mark = text.indexOf("?", done)) {
    let start = mark;
    while (start > done && /[^\s"'<>=?()]/.test(text[start - 1] as string)) start -= 1;
    const url = text.slice(start, mark).replaceAll("\\/", "/");
    const path = /^[a-z][a-z\d+.-]*:\/\/[^/]*(\/.*)?$/i.exec(url)?.[1] ?? url;
    done = mark + 1;
    if (!isPrivate(path)) continue;
    const end = endBy(/[#\s"'<>`]|\\(?!\/)/g, text, done);
    findInQuery(text, [done, end], true, found);
    done = end;
  }
}

/** A part of a form, of the type `multipart/form-data` (RFC 7578). */
export function findInMultipart(text: string, all: boolean, found: (secret: Secret) => void): void {
  const marker = "form-data;";
  for (let at = text.indexOf(marker); at !== -1; at = text.indexOf(marker, at + 1)) {
    const head = text.slice(at, at + 1_024);
    const headEnd = head.indexOf("\r\n\r\n");
    const name = /[\s;]name="([^"\r\n]*)"/.exec(headEnd === -1 ? head : head.slice(0, headEnd))?.[1];
    if (headEnd === -1 || name === undefined || !(all || isSecretParameter(name))) continue;
    const start = at + headEnd + 4;
    const next = text.indexOf("\r\n--", start);
    const end = next === -1 ? text.length : next;
    if (end > start) found({ start, end });
    at = end;
  }
}

function endBy(pattern: RegExp, text: string, start: number): number {
  pattern.lastIndex = start;
  return pattern.exec(text)?.index ?? text.length;
}

/**
 * A name as it was before it was put into a URL or a form, as far as it is ASCII. All names of secrets are.
 */
function decoded(name: string): string {
  return name.includes("%") || name.includes("+") ? unescaped(name.replaceAll("+", " ")) : name;
}

/**
 * Undoes the escapes of ASCII, and writes the others in one way. `decodeURIComponent` throws at the first
 * escape that is none. An error costs microseconds, and a stranger's text may have one at every second sign.
 */
export function unescaped(text: string): string {
  return text.replaceAll(/%[\da-f]{2}/gi, (escape) => {
    const code = Number.parseInt(escape.slice(1), 16);
    return code < 0x80 ? String.fromCharCode(code) : escape.toUpperCase();
  });
}
