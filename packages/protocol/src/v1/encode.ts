import { maxFields, maxHeadBytes, type RawHeaders } from "../headers.js";
import type { RequestHead, ResponseHead } from "../tunnel.js";
import { maxResetMessageBytes } from "./frame.js";

/** Writes a frame header of eight bytes at `at`. */
export function writeFrameHeader(
  target: Buffer,
  at: number,
  typeAndFlags: number,
  length: number,
  streamId: number,
): void {
  target[at] = typeAndFlags;
  target[at + 1] = length >>> 16;
  target[at + 2] = length >>> 8;
  target[at + 3] = length;
  target[at + 4] = streamId >>> 24;
  target[at + 5] = streamId >>> 16;
  target[at + 6] = streamId >>> 8;
  target[at + 7] = streamId;
}

/** The beginning of a request head. Its fields follow as {@link encodeFields} has them. */
export function encodeTarget({ method, path, headers }: RequestHead): string {
  return headers.length === 0 ? `${method}\n${path}` : `${method}\n${path}\n`;
}

/** The beginning of a response head. Its fields follow as {@link encodeFields} has them. */
export function encodeStatus({ status, headers }: ResponseHead): string {
  return headers.length === 0 ? String(status) : `${status}\n`;
}

/** Fields as they stand in a head behind what comes before them, and in a trailer section. */
export function encodeFields(headers: RawHeaders): string {
  return headers.join("\n");
}

/** The length of a status before fields. */
const statusBytes = 4;
const ofOneLine = /^[\0-\x09\x0b-\xff]+$/;
const beyondOneByte = /[^\0-\xff]/;

/**
 * Whether an encoded head or trailer section can travel: not too long, not too many fields, one byte per
 * char, and no line feed within a string, which the other end would read as two strings. `before`: number of
 * strings before those of the fields.
 */
export function canTravel(text: string, before: number, fields: RawHeaders, maxBytes: number): boolean {
  if (text.length > maxBytes || fields.length > 2 * maxFields) return false;
  if (fields.length % 2 !== 0 || beyondOneByte.test(text)) return false;
  let strings = 1;
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) strings += 1;
  return strings === before + fields.length;
}

/** The same for the encoded fields of a request head, whose method and path must be texts of a line, too. */
export function canTravelAsRequest(fields: string, { method, path, headers }: RequestHead): boolean {
  if (!ofOneLine.test(method) || !ofOneLine.test(path)) return false;
  return headers.length === 0 || canTravel(fields, 0, headers, maxHeadBytes);
}

/** The same for the encoded fields of a response head, whose status must have three digits as well. */
export function canTravelAsHead(fields: string, { status, headers }: ResponseHead): boolean {
  if (!Number.isInteger(status) || status < 100 || status > 999) return false;
  return headers.length === 0 || canTravel(fields, 0, headers, maxHeadBytes - statusBytes);
}

const utf8 = new TextEncoder();

/** The payload of a RESET; a message that is too long is cut between characters. */
export function encodeReset(code: number, message: string): Buffer {
  const payload = Buffer.allocUnsafe(2 + Math.min(message.length * 3, maxResetMessageBytes));
  payload.writeUInt16BE(code, 0);
  const { written } = utf8.encodeInto(message, payload.subarray(2));
  return payload.subarray(0, 2 + written);
}
