import type { RawHeaders } from "mcp-tunnel-protocol";
import { maxMetadataBytes, ofOwnBytes } from "./metadata.js";

/** An answer that is held back until it is complete, so that its body can be replaced. */
export class HeldAnswer {
  readonly status: number;
  readonly headers: RawHeaders;
  #chunks: Buffer[] = [];
  #bytes = 0;

  constructor(status: number, headers: RawHeaders) {
    this.status = status;
    this.headers = headers;
  }

  /** Takes more of the body; false says that it is too long to be held. */
  push(chunk: Buffer): boolean {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    return this.#bytes <= maxMetadataBytes;
  }

  /** The part of the body that has come. */
  get body(): Buffer {
    return Buffer.concat(this.#chunks, this.#bytes);
  }
}

/** The fields of an answer, or its trailers, without those that are true of the service's own bytes only. */
export function withoutOwnBytes(headers: RawHeaders): RawHeaders {
  return headers.filter((_, i) => !ofOwnBytes.has(headers[i - (i % 2)] as string));
}
