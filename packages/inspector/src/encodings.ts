import * as zlib from "node:zlib";
import { listValues, type RawHeaders } from "mcp-tunnel-protocol";
import { messageOf } from "mcp-tunnel-shared";
import { maxBodyBytes } from "./limits.js";

/** Bytes that a body may grow to. All of them are searched for secrets while nothing else goes on. */
const maxDecodedBytes = 2 * maxBodyBytes;

interface DecodeOptions {
  /** Bytes that the data may grow to. Default: 512 KiB. */
  readonly maxBytes?: number;
  /** Data that grows beyond that is decoded in part, which takes more time. Default: true. */
  readonly inPart?: boolean;
}

interface DecoderOptions {
  readonly maxOutputLength: number;
}

type Decoder = (data: Buffer, options: DecoderOptions) => Buffer;

/** Node has no Zstandard before 22.15. */
interface MaybeZstd {
  zstdDecompressSync?(this: void, data: Buffer, options: object): Buffer;
  constants: { ZSTD_e_flush?: number };
}

const { zstdDecompressSync, constants: zstdConstants } = zlib as unknown as MaybeZstd;
const { Z_SYNC_FLUSH, BROTLI_OPERATION_FLUSH } = zlib.constants;

/** A flush in the place of the end: a body that is not whole is decoded as far as it goes. */
const partial = { finishFlush: Z_SYNC_FLUSH };
const decoders: Readonly<Record<string, Decoder>> = {
  br: (data, options) => {
    return zlib.brotliDecompressSync(data, { ...options, finishFlush: BROTLI_OPERATION_FLUSH });
  },
  deflate: (data, options) => {
    // RFC 9110 section 8.4.1.2 means zlib's format, and some send the bare data.
    const isZlib = ((data[0] ?? 0) & 0x0f) === 8 && (((data[0] ?? 0) << 8) | (data[1] ?? 0)) % 31 === 0;
    return (isZlib ? zlib.inflateSync : zlib.inflateRawSync)(data, { ...options, ...partial });
  },
  gzip: (data, options) => zlib.gunzipSync(data, { ...options, ...partial }),
  ...(zstdDecompressSync && {
    zstd: (data, options) => {
      return zstdDecompressSync(data, { ...options, finishFlush: zstdConstants.ZSTD_e_flush });
    },
  }),
};

/** `used`: how many of the given bytes have become `data`. */
type Decoded =
  | { readonly data: Buffer; readonly used: number; readonly encoding: string | undefined }
  | { readonly why: string };

/** Undoes the Content-Encoding of a body of which only the beginning may be there. */
export function decode(
  data: Buffer,
  headers: RawHeaders,
  { maxBytes = maxDecodedBytes, inPart = true }: DecodeOptions = {},
): Decoded {
  const codings = listValues(headers, "content-encoding")
    .map((coding) => coding.toLowerCase())
    .filter((coding) => coding !== "identity");
  const [encoding] = codings;
  if (encoding === undefined) return { data, used: data.length, encoding };
  // Hardly anybody puts one coding into another.
  if (codings.length > 1) return { why: "it has more than one Content-Encoding" };
  const name = encoding === "x-gzip" ? "gzip" : encoding;
  const decoder = Object.hasOwn(decoders, name) ? decoders[name] : undefined;
  if (decoder === undefined) return { why: `its Content-Encoding ${encoding} is not known here` };
  try {
    return inPart
      ? { ...decodeWithin(decoder, data, maxBytes), encoding }
      : { data: decoder(data, { maxOutputLength: maxBytes }), used: data.length, encoding };
  } catch (error) {
    return { why: `its Content-Encoding ${encoding} cannot be undone: ${messageOf(error)}` };
  }
}

/** Of a body that grows beyond the bound, so much is decoded that it stays within. */
function decodeWithin(decoder: Decoder, data: Buffer, maxBytes: number): { data: Buffer; used: number } {
  // A decoder stops at the bound, and its output is lost. So each of the 18 steps costs no more than the
  // bound.
  for (let used = data.length; ; used = Math.floor(used / 2)) {
    try {
      return { data: decoder(data.subarray(0, used), { maxOutputLength: maxBytes }), used };
    } catch (error) {
      if (used <= 1 || !isTooLong(error)) throw error;
    }
  }
}

function isTooLong(error: unknown): boolean {
  return error instanceof RangeError && (error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE";
}
