import { type FieldSet, headFields, hopByHop, isNamed } from "./field-names.js";

/**
 * Header fields as they stood in the message: `[name, value, name, value, ...]`, in order, repeats and
 * letter case kept. The same shape as Node's `rawHeaders`, so that neither end has to convert them.
 */
export type RawHeaders = string[];

/** The largest head that travels, in bytes, on either wire (PROTOCOL.md, section 2). */
export const maxHeadBytes = 262_144;
/** The most fields of a head or trailer section, on either wire: a field costs more than its bytes. */
export const maxFields = 2_048;

/** Says why a head may not travel, if it is too large. `before`: bytes that come before its fields. */
export function sizeFault(headers: RawHeaders, before: number): string | undefined {
  if (headers.length > 2 * maxFields) return `more than ${maxFields} header fields`;
  let bytes = before;
  // Each text counts as in a head of version 1, where it stands after an LF.
  for (const text of headers) bytes += 1 + text.length;
  return bytes > maxHeadBytes ? `a head of more than ${maxHeadBytes} bytes` : undefined;
}

/** RFC 9110 section 5.6.2. */
const token = /^[!#$%&'*+.^_`|~0-9a-z-]+$/i;
/**
 * RFC 9110 section 5.5: visible characters, space, tab and obs-text. CR, LF and NUL would start a new line.
 */
const fieldValue = /^[\t\x20-\x7e\x80-\xff]*$/;

/** Whether `text` can be a field name or a method. */
export const isToken = (text: string): boolean => token.test(text);

/** Whether `text`, one char for each byte, can be the value of a field. */
export const isFieldValue = (text: string): boolean => fieldValue.test(text);

/** The fields as pairs, the form in which Node takes trailers. */
export function fieldPairs(headers: RawHeaders): [name: string, value: string][] {
  const pairs: [string, string][] = [];
  for (let i = 0; i < headers.length; i += 2) pairs.push([headers[i] as string, headers[i + 1] as string]);
  return pairs;
}

/** Returns the value of the first field called `name` (given in lower case), or `undefined`. */
export function headerValue(headers: readonly string[], name: string): string | undefined {
  for (let i = 0; i < headers.length; i += 2) {
    if (isNamed(headers[i] as string, name)) return headers[i + 1];
  }
  return undefined;
}

/**
 * Returns the values of the list called `name` (given in lower case), over all its fields, in order (RFC 9110
 * section 5.6.1).
 */
export function listValues(headers: RawHeaders, name: string): string[] {
  const values: string[] = [];
  for (let i = 0; i < headers.length; i += 2) {
    if (!isNamed(headers[i] as string, name)) continue;
    for (const value of (headers[i + 1] as string).split(",")) {
      if (value.trim() !== "") values.push(value.trim());
    }
  }
  return values;
}

/** Whether a final response with the status has no body, whatever its fields say (RFC 9110 section 6.4.1). */
export function isBodylessStatus(status: number): boolean {
  return status === 204 || status === 304;
}

/**
 * Whether a response to a request with the method has no body, whatever its fields say (RFC 9110 section
 * 6.4.1).
 */
export function isBodyless(method: string, status: number): boolean {
  return method === "HEAD" || isBodylessStatus(status);
}

const eventStreamType = /^text\/event-stream\b/i;

/**
 * Whether a `Content-Type` is that of an event stream (WHATWG HTML, "Server-sent events"), which has no
 * bound.
 */
export function isEventStreamType(contentType: string): boolean {
  return eventStreamType.test(contentType);
}

/**
 * Returns a copy without the hop-by-hop fields and without the fields that `Connection` names (RFC 9110
 * section 7.6.1). `Connection` cannot take out fields that belong in a head, such as `Host`. `drop` lists
 * further names to leave out.
 */
export function endToEndHeaders(headers: RawHeaders, drop?: FieldSet): RawHeaders {
  // From an empty array: the relay puts fields of its own behind these, and V8 leaves room in an array that
  // grows, but none in a copy.
  return endToEndInto([], headers, drop);
}

/** The same for an array that nobody else has: the fields are taken out of it. Returns the array. */
export function keepEndToEnd(headers: RawHeaders, drop?: FieldSet): RawHeaders {
  return endToEndInto(headers, headers, drop);
}

/** `kept` may be `headers`, because it is never ahead. */
function endToEndInto(kept: RawHeaders, headers: RawHeaders, drop: FieldSet | undefined): RawHeaders {
  const named = connectionOptions(headers);
  let length = 0;
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string;
    if (hopByHop.has(name) || drop?.has(name) || named?.has(name.toLowerCase())) continue;
    kept[length] = name;
    kept[length + 1] = headers[i + 1] as string;
    length += 2;
  }
  kept.length = length;
  return kept;
}

/**
 * Returns the trailers of a message that may be passed on, without hop-by-hop fields and fields that belong
 * in the head. `drop` lists further names to leave out.
 */
export function endToEndTrailers(trailers: RawHeaders, drop?: FieldSet): RawHeaders {
  const kept = endToEndHeaders(trailers, headFields);
  return drop === undefined ? kept : endToEndHeaders(kept, drop);
}

/**
 * The most options that are read of one `Connection` field. An honest sender never lists as many, and a
 * longer list costs no more time.
 */
const maxConnectionOptions = 1_000;

/**
 * The field names, in lower case, that `Connection` takes out; `undefined` when there are none, which is
 * nearly always so.
 */
function connectionOptions(headers: RawHeaders): Set<string> | undefined {
  let named: Set<string> | undefined;
  for (let i = 0; i < headers.length; i += 2) {
    if (!isNamed(headers[i] as string, "connection")) continue;
    const value = (headers[i + 1] as string).toLowerCase();
    if (value === "keep-alive" || value === "close") continue;
    named ??= new Set();
    for (const option of value.split(",", maxConnectionOptions)) {
      const field = option.trim();
      if (!headFields.has(field)) named.add(field);
    }
  }
  return named;
}
