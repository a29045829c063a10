import { isUtf8 } from "node:buffer";
import { FieldNames } from "../field-names.js";
import { endToEndHeaders, type RawHeaders, sizeFault } from "../headers.js";

/** Header fields as this wire carries them: one string per name. */
export type WireHeaders = Record<string, string>;

/** Dropped in both directions: the body travels with its own length, or in pieces without one. */
const droppedInResponses = new FieldNames(["content-length"]);
/** `Expect` too: the request leaves only when its body is whole, so there is nothing left to wait for. */
const droppedInRequests = new FieldNames(["content-length", "expect"]);

/** How many spellings {@link setCookieName} knows: two for each of the nine letters. */
const maxSetCookies = 2 ** 9;

/** Like {@link responseHeadersToWire}. `before`: bytes of the head before its fields. */
export const requestHeadersToWire = (headers: RawHeaders, before: number): WireHeaders | string =>
  sizeFault(headers, before) ?? toWire(endToEndHeaders(headers, droppedInRequests));

/** Returns what is wrong with fields that cannot travel: too many or too long, or more `Set-Cookie` than the map can hold. */
export const responseHeadersToWire = (headers: RawHeaders): WireHeaders | string =>
  sizeFault(headers, statusBytes) ?? toWire(endToEndHeaders(headers, droppedInResponses));

/**
 * Folds repeated fields into a map with one value per name (JSON-WIRE.md, "Repeated header fields"): joined by a comma
 * (RFC 9110 section 5.3), `Cookie` by a semicolon (RFC 6265 section 5.4), and each `Set-Cookie`, which
 * cannot be joined (RFC 9110 section 5.3 again), under a spelling of its own.
 */
function toWire(headers: RawHeaders): WireHeaders | string {
  const fields = new Map<string, { name: string; value: string }>();
  let setCookies = 0;
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string;
    const value = toWireText(headers[i + 1] as string);
    const lower = name.toLowerCase();
    if (lower === "set-cookie") {
      if (setCookies === maxSetCookies) return `more than ${maxSetCookies} Set-Cookie fields`;
      const spelling = setCookieName(setCookies++);
      fields.set(spelling, { name: spelling, value });
      continue;
    }
    const earlier = fields.get(lower);
    if (earlier === undefined) fields.set(lower, { name, value });
    else earlier.value += (lower === "cookie" ? "; " : ", ") + value;
  }
  // fromEntries defines what it is given, so a field called `__proto__` stays a field.
  return Object.fromEntries(Array.from(fields.values(), ({ name, value }) => [name, value]));
}

/**
 * The `index`th spelling of `set-cookie`: the bits of `index` say which letters are capitals. Header names are
 * caseless but the keys of a JSON object are not, and the original adds every key it finds as a field.
 */
function setCookieName(index: number): string {
  let bit = 1;
  return "set-cookie".replace(/[a-z]/g, (letter) => {
    const spelled = (index & bit) === 0 ? letter : letter.toUpperCase();
    bit <<= 1;
    return spelled;
  });
}

/**
 * Reads a header map. Besides strings it takes arrays of strings, which some clients may send for a repeated
 * field. Hop-by-hop fields and `Content-Length` are dropped. Returns what is wrong with anything else, or with fields that are
 * too many or too long; `before` are the bytes of the head before them.
 */
export function headersFromWire(value: unknown, before: number): RawHeaders | string {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return noMap;
  const headers: RawHeaders = [];
  for (const [key, held] of Object.entries(value)) {
    // The many spellings were for the map's sake.
    const name = key.length === 10 && key.toLowerCase() === "set-cookie" ? "Set-Cookie" : key;
    for (const one of Array.isArray(held) ? (held as unknown[]) : [held]) {
      if (typeof one !== "string") return noMap;
      headers.push(name, fromWireText(one));
    }
  }
  return sizeFault(headers, before) ?? endToEndHeaders(headers, droppedInResponses);
}

/** A status, as it stands before the fields of a response's head. */
export const statusBytes = 3;

const noMap = "headers is not an object of strings";

const ascii = /^[^\u0080-\uffff]*$/;

/**
 * Turns bytes (one char each) into text for JSON. The original writes its strings out as UTF-8, so bytes that are UTF-8
 * arrive as they were; other bytes above 0x7f are taken for ISO 8859-1.
 */
export function toWireText(bytes: string): string {
  if (ascii.test(bytes)) return bytes;
  const buffer = Buffer.from(bytes, "latin1");
  return isUtf8(buffer) ? buffer.toString("utf8") : bytes;
}

/** The reverse: text from JSON as the bytes of its UTF-8, one char each. */
export function fromWireText(text: string): string {
  return ascii.test(text) ? text : Buffer.from(text, "utf8").toString("latin1");
}
