import { isUtf8 } from "node:buffer";
import { FieldNames } from "../field-names.js";
import { endToEndHeaders, type RawHeaders, sizeFault } from "../headers.js";

/** Header fields as this wire carries them: one string per name. */
export type WireHeaders = Record<string, string>;

/**
 * `Content-Length` is dropped in both directions: the body travels with its own length, or in pieces without
 * one.
 */
const droppedInResponses = new FieldNames(["content-length"]);
/**
 * A request also drops `Expect`: it leaves only when its body is complete, so there is nothing left to wait
 * for.
 */
const droppedInRequests = new FieldNames(["content-length", "expect"]);

/** Number of spellings that {@link setCookieName} knows: each of the nine letters has two. */
const maxSetCookies = 2 ** 9;

/** Like {@link responseHeadersToWire}. `before`: bytes of the head before its fields. */
export const requestHeadersToWire = (headers: RawHeaders, before: number): WireHeaders | string =>
  sizeFault(headers, before) ?? toWire(endToEndHeaders(headers, droppedInRequests));

/**
 * Returns the fields as a map, or a text that says why they cannot travel: too many or too long, or more
 * `Set-Cookie` fields than the map can hold.
 */
export const responseHeadersToWire = (headers: RawHeaders): WireHeaders | string =>
  sizeFault(headers, statusBytes) ?? toWire(endToEndHeaders(headers, droppedInResponses));

/**
 * Turns fields into a map with one value per name (JSON-WIRE.md, "Repeated header fields"). The values of a
 * repeated field are joined by a comma (RFC 9110 section 5.3), those of `Cookie` by a semicolon (RFC 6265
 * section 5.4). The values of `Set-Cookie` cannot be joined (RFC 9110 section 5.3), so each of them gets a
 * spelling of its own.
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
  // `fromEntries` defines properties, so a field called `__proto__` stays a field.
  return Object.fromEntries(Array.from(fields.values(), ({ name, value }) => [name, value]));
}

/**
 * The `index`th spelling of `set-cookie`: the bits of `index` say which letters are capitals. Case does not
 * matter in field names, but it does in the keys of a JSON object. The original adds every key that it finds
 * as a field.
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
 * Reads a header map. A value is a string, or an array of strings, which some clients may send for a repeated
 * field. Hop-by-hop fields and `Content-Length` are dropped. Returns a text that says what is wrong if a
 * value is anything else, or if the fields are too many or too long. `before`: bytes of the head before its
 * fields.
 */
export function headersFromWire(value: unknown, before: number): RawHeaders | string {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return noMap;
  const headers: RawHeaders = [];
  for (const [key, held] of Object.entries(value)) {
    // The many spellings only kept the keys of the map apart.
    const name = key.length === 10 && key.toLowerCase() === "set-cookie" ? "Set-Cookie" : key;
    for (const one of Array.isArray(held) ? (held as unknown[]) : [held]) {
      if (typeof one !== "string") return noMap;
      headers.push(name, fromWireText(one));
    }
  }
  return sizeFault(headers, before) ?? endToEndHeaders(headers, droppedInResponses);
}

/** Length of the status, which stands before the fields of a response's head. */
export const statusBytes = 3;

const noMap = "headers is not an object of strings";

const ascii = /^[^\u0080-\uffff]*$/;

/**
 * Turns bytes (one char each) into text for JSON. The original writes its strings out as UTF-8, so bytes that
 * are UTF-8 arrive as they were; other bytes above 0x7f are taken for ISO 8859-1.
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
