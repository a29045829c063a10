import type { RawHeaders } from "../headers.js";
import type { RequestHead, ResponseHead } from "../tunnel.js";

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

/** A head as one string with one char per byte, so that it is written to the wire in one go. */
export function encodeRequestHead(head: RequestHead): string {
  return fields(`${head.method}\n${head.path}`, head.headers);
}

export function encodeResponseHead(head: ResponseHead): string {
  return fields(String(head.status), head.headers);
}

export function encodeTrailers(trailers: RawHeaders): string {
  return trailers.join("\n");
}

function fields(start: string, headers: RawHeaders): string {
  return headers.length === 0 ? start : `${start}\n${headers.join("\n")}`;
}
