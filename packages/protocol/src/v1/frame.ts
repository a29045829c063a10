import { maxHeadBytes } from "../headers.js";

/**
 * The frame layout of version 1 (PROTOCOL.md, section 2): a header of eight bytes (type and flags, 24-bit
 * length, stream id), then the payload.
 */

export const headerBytes = 8;

export const frameTypes = {
  ack: 0x01,
  request: 0x02,
  interim: 0x03,
  response: 0x04,
  data: 0x05,
  end: 0x06,
  reset: 0x07,
  credit: 0x08,
  blocked: 0x09,
  goaway: 0x0a,
  refused: 0x0b,
} as const;

export const typeMask = 0x1f;
/** The sender's direction of the stream ends with this frame. */
export const endFlag = 0x80;
/** The request asks to leave HTTP. */
export const upgradeFlag = 0x40;

export const maxDataBytes = 262_144;
export const maxTrailerBytes = 65_536;
export const maxResetMessageBytes = 1_024;
export const maxRefusedBytes = 16_384;

interface FrameRule {
  maxBytes: number;
  /** Exact payload length, if the type has one. */
  exactBytes?: number;
  flags: number;
  /** Whether the stream id must be 0 (`session`) or must not be (`stream`). */
  scope: "session" | "stream";
}

/** Rules by type, which a receiver checks before it keeps any of a frame's payload. */
export const frameRules: ReadonlyArray<FrameRule | undefined> = [
  undefined,
  { maxBytes: 8, exactBytes: 8, flags: 0, scope: "session" },
  { maxBytes: maxHeadBytes, flags: endFlag | upgradeFlag, scope: "stream" },
  { maxBytes: maxHeadBytes, flags: 0, scope: "stream" },
  { maxBytes: maxHeadBytes, flags: endFlag, scope: "stream" },
  { maxBytes: maxDataBytes, flags: endFlag, scope: "stream" },
  { maxBytes: maxTrailerBytes, flags: 0, scope: "stream" },
  { maxBytes: 2 + maxResetMessageBytes, flags: 0, scope: "stream" },
  { maxBytes: 4, exactBytes: 4, flags: 0, scope: "stream" },
  { maxBytes: 0, exactBytes: 0, flags: 0, scope: "stream" },
  { maxBytes: 0, exactBytes: 0, flags: 0, scope: "session" },
  { maxBytes: maxRefusedBytes, flags: 0, scope: "session" },
];

const names = Object.fromEntries(Object.entries(frameTypes).map(([name, type]) => [type, name]));

/** A frame in words, for errors and logs: `DATA+END stream 7, 120 bytes`. */
export function describeFrame(type: number, flags: number, streamId: number, length: number): string {
  const name = names[type]?.toUpperCase() ?? `type 0x${type.toString(16)}`;
  const end = (flags & endFlag) !== 0 ? "+END" : "";
  return `${name}${end} stream ${streamId}, ${length} bytes`;
}
