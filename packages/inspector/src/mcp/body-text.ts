import type { RawHeaders } from "mcp-tunnel-protocol";
import type { CapturedBody } from "../captured.js";
import { decode } from "../encodings.js";
import { maxBodyBytes } from "../limits.js";

/** The text of a body. */
export interface BodyText {
  readonly text: string;
  /** This is the start of it: more passed than was kept. */
  readonly isCut: boolean;
}

/** A bomb of a few bytes may not become more than what is kept of any body, nor take the time of many. */
const bounds = { maxBytes: maxBodyBytes, inPart: false };

/**
 * The text of what is kept of a body, its Content-Encoding undone. Undefined if nothing is kept, or if the
 * encoding is not known, or if the text is longer than what is kept of a body.
 */
export function bodyText(body: CapturedBody, headers: RawHeaders): BodyText | undefined {
  if (body.missed || body.kept === 0) return undefined;
  const decoded = decode(body.bufferOf(), headers, bounds);
  return "why" in decoded ? undefined : { text: decoded.data.toString(), isCut: body.kept < body.bytes };
}
