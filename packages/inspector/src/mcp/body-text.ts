import { brotliDecompressSync, constants, gunzipSync, inflateSync } from "node:zlib";
import { headerValue, type RawHeaders } from "mcp-tunnel-protocol";
import type { CapturedBody } from "../captured.js";
import { maxBodyBytes } from "../limits.js";

/** The text of a body. */
export interface BodyText {
  readonly text: string;
  /** This is the start of it: more passed than was kept. */
  readonly isCut: boolean;
}

type Decoder = (bytes: Buffer) => Buffer;

/** A bomb of a few bytes may not become more than what is kept of any body. */
const bounds = { maxOutputLength: maxBodyBytes };
/** What was kept of a body may end within a block. */
const partial = { ...bounds, finishFlush: constants.Z_SYNC_FLUSH };

const decoders = new Map<string, Decoder>([
  ["identity", (bytes) => bytes],
  ["gzip", (bytes) => gunzipSync(bytes, partial)],
  ["x-gzip", (bytes) => gunzipSync(bytes, partial)],
  ["deflate", (bytes) => inflateSync(bytes, partial)],
  ["br", (bytes) => brotliDecompressSync(bytes, bounds)],
]);

/**
 * The text of what is kept of a body, its Content-Encoding undone. Undefined if nothing is kept, or if the
 * encoding is not known, or if the text is longer than what is kept of a body.
 */
export function bodyText(body: CapturedBody, headers: RawHeaders): BodyText | undefined {
  if (body.missed || body.kept === 0) return undefined;
  const encoding = headerValue(headers, "content-encoding")?.trim().toLowerCase() ?? "identity";
  try {
    const bytes = decoders.get(encoding)?.(body.bufferOf());
    return bytes === undefined ? undefined : { text: bytes.toString(), isCut: body.kept < body.bytes };
  } catch {
    return undefined;
  }
}
