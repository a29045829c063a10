import type { RawHeaders } from "mcp-tunnel-protocol";
import type { CapturedBody } from "../captured.js";
import { decode } from "../encodings.js";
import { maxBodyBytes } from "../limits.js";
import type { Room } from "./room.js";

/** The text of a body. */
export interface BodyText {
  readonly text: string;
  /** This is the start of it: more passed than was kept. */
  readonly isCut: boolean;
}

/** A bomb of a few bytes may not become more than what is kept of any body, nor take the time of many. */
const bounds = { maxBytes: maxBodyBytes, inPart: false };

/** Of a text that somebody wants to see. */
const unlimited: Room["unpacked"] = { take: () => true };

/**
 * The text of what is kept of a body, its Content-Encoding undone. Undefined if nothing is kept, or if the
 * encoding is not known, or if the text is longer than what is kept of a body, or than what `unpacked`
 * allows.
 */
export function bodyText(
  body: CapturedBody,
  headers: RawHeaders,
  unpacked = unlimited,
): BodyText | undefined {
  if (body.missed || body.kept === 0) return undefined;
  const decoded = decode(body.bufferOf(), headers, bounds);
  if ("why" in decoded) return undefined;
  const { data, encoding } = decoded;
  if (encoding !== undefined && !unpacked.take(data.length)) return undefined;
  return { text: data.toString(), isCut: body.kept < body.bytes };
}
