import { Redirection } from "./references.js";
import type { References } from "./references.js";

// These scans find the references in the values of fields. Each scan goes over a value once, whatever the
// value holds.

const [tab, space, quote, apostrophe, comma] = [0x09, 0x20, 0x22, 0x27, 0x2c];
const [openParenthesis, closeParenthesis, dot, zero, nine] = [0x28, 0x29, 0x2e, 0x30, 0x39];
const [semicolon, lessThan, equals, backslash] = [0x3b, 0x3c, 0x3d, 0x5c];

/** Returns `value` with its references to the origins `from` led to the origin `to`. */
export type RedirectValue = (value: string, from: References, to: string) => string;

/** The whole value is one reference: `Location`, `Destination`. */
export const redirectReference: RedirectValue = (value, from, to) => {
  const redirection = new Redirection(value, from, to);
  redirection.reference(0, value.length);
  return redirection.result;
};

/** `Refresh: 5; url=http://...`, read as the HTML standard does ("shared declarative refresh steps"). */
export const redirectRefresh: RedirectValue = (value, from, to) => {
  let at = skipBlanks(value, 0);
  while (isTime(value.charCodeAt(at))) at += 1;
  at = skipBlanks(value, at);
  const separator = value.charCodeAt(at);
  if (separator === semicolon || separator === comma) at = skipBlanks(value, at + 1);
  if (value.slice(at, at + 3).toLowerCase() === "url") {
    const sign = skipBlanks(value, at + 3);
    if (value.charCodeAt(sign) === equals) at = skipBlanks(value, sign + 1);
  }
  let end = value.length;
  const mark = value.charCodeAt(at);
  if (mark === quote || mark === apostrophe) {
    at += 1;
    const closing = value.indexOf(String.fromCharCode(mark), at);
    if (closing !== -1) end = closing;
  }
  const redirection = new Redirection(value, from, to);
  redirection.reference(at, end);
  return redirection.result;
};

/**
 * The references in `<...>`, but not in a quoted parameter. `inParentheses`: whether `<...>` in `(...)` are
 * references too.
 */
function redirectBracketed(inParentheses: boolean): RedirectValue {
  return (value, from, to) => {
    const redirection = new Redirection(value, from, to);
    let isReference = true;
    for (let at = 0; at < value.length; at++) {
      const code = value.charCodeAt(at);
      if (code === quote) at = endOfQuoted(value, at);
      else if (code === openParenthesis) isReference = inParentheses;
      else if (code === closeParenthesis) isReference = true;
      else if (code === lessThan) {
        const end = value.indexOf(">", at);
        if (end === -1) break;
        if (isReference) redirection.reference(at + 1, end);
        at = end;
      }
    }
    return redirection.result;
  };
}

/** The targets of `Link` (RFC 8288 section 3). */
export const redirectLinks = redirectBracketed(true);

/**
 * The resources that lists of `If` apply to (RFC 4918 section 10.4.2). The parentheses of a list hold state
 * tokens, which are names and not places.
 */
export const redirectTaggedLists = redirectBracketed(false);

/**
 * The parameter `resource_metadata` of each challenge (RFC 9728 section 5.1), with a quoted or bare value.
 */
export const redirectChallenges: RedirectValue = (value, from, to) => {
  const redirection = new Redirection(value, from, to);
  for (let at = 0; at < value.length; ) {
    const code = value.charCodeAt(at);
    if (code === quote) {
      at = endOfQuoted(value, at) + 1;
      continue;
    }
    const name = at;
    at = endOfWord(value, at);
    if (at === name) {
      at += 1;
      continue;
    }
    const isMetadata = value.slice(name, at).toLowerCase() === "resource_metadata";
    at = skipBlanks(value, at);
    if (value.charCodeAt(at) !== equals) continue;
    at = skipBlanks(value, at + 1);
    const isQuoted = value.charCodeAt(at) === quote;
    const start = isQuoted ? at + 1 : at;
    at = isQuoted ? endOfQuoted(value, at) : endOfBareValue(value, at);
    if (isMetadata) redirection.reference(start, at);
    if (isQuoted) at += 1;
  }
  return redirection.result;
};

/**
 * `Set-Cookie` without `Domain` if its last `Domain`, which counts (RFC 6265 section 5.3), is `host`. `host`
 * is in lower case.
 */
export function withoutDomain(cookie: string, host: string): string {
  if (!/domain/i.test(cookie)) return cookie;
  const [pair = "", ...attributes] = cookie.split(";");
  const domain = attributes.findLast(isDomain);
  if (domain === undefined) return cookie;
  const said = domain
    .slice(domain.indexOf("=") + 1)
    .trim()
    .toLowerCase();
  if ((said.startsWith(".") ? said.slice(1) : said) !== host) return cookie;
  return [pair, ...attributes.filter((attribute) => !isDomain(attribute))].join(";");
}

function isDomain(attribute: string): boolean {
  const end = attribute.indexOf("=");
  return end !== -1 && attribute.slice(0, end).trim().toLowerCase() === "domain";
}

/** The index of the quotation mark that ends the string that begins at `at`, or of the end of the text. */
function endOfQuoted(text: string, at: number): number {
  for (let end = at + 1; end < text.length; end++) {
    const code = text.charCodeAt(end);
    if (code === quote) return end;
    if (code === backslash) end += 1;
  }
  return text.length;
}

function endOfWord(text: string, at: number): number {
  let end = at;
  while (end < text.length && !isBlank(text.charCodeAt(end)) && !isMark(text.charCodeAt(end))) end += 1;
  return end;
}

function isMark(code: number): boolean {
  return code === comma || code === equals || code === quote;
}

/** A URL that should have been quoted, and may hold `=`. */
function endOfBareValue(text: string, at: number): number {
  let end = at;
  while (end < text.length && !isBlank(text.charCodeAt(end)) && text.charCodeAt(end) !== comma) end += 1;
  return end;
}

function skipBlanks(text: string, at: number): number {
  let end = at;
  while (isBlank(text.charCodeAt(end))) end += 1;
  return end;
}

const isBlank = (code: number): boolean => code === space || code === tab;

const isTime = (code: number): boolean => (code >= zero && code <= nine) || code === dot;
