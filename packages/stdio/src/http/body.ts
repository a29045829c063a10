import { TextDecoder } from "node:util";
import { errorResponse, unavailable } from "./answers.js";
import { errorCodes } from "../message.js";
import type { ResolvedStdioOptions } from "../options.js";

/** After how long a visitor may try again when there was no room for the message, in milliseconds. */
const retryMs = 1_000;

/**
 * Messages up to this length get room beyond the budget, in bytes: a few visitors with long messages that
 * they never complete, or that wait for a slow server, would keep all others out.
 */
const shortBytes = 65_536;
/** How much there is of that room, as a part of the budget. */
const roomForShort = 1 / 8;

/** Reads the bodies of requests, within one budget for all of them. */
export class BodyReader {
  readonly #options: Pick<ResolvedStdioOptions, "maxMessageBytes" | "maxReceivingBytes">;
  #heldBytes = 0;

  constructor(options: Pick<ResolvedStdioOptions, "maxMessageBytes" | "maxReceivingBytes">) {
    this.#options = options;
  }

  /**
   * Reads a body and gives its text to `use`. The bytes count until the promise of `use` is settled, because
   * a message may have to wait for its server. Resolves with the answer of `use`, or with an error for the
   * visitor.
   */
  async read(request: Request, use: (text: string) => Promise<Response>): Promise<Response> {
    const { maxMessageBytes, maxReceivingBytes } = this.#options;
    if (Number(request.headers.get("Content-Length") ?? 0) > maxMessageBytes) {
      return refuse(request, tooLong(maxMessageBytes));
    }
    let ownBytes = 0;
    try {
      const decoder = new TextDecoder("utf-8", { fatal: true });
      const parts: string[] = [];
      for await (const chunk of (request.body ?? []) as AsyncIterable<Uint8Array>) {
        ownBytes += chunk.byteLength;
        this.#heldBytes += chunk.byteLength;
        // The loop's end cancels the body: the rest is not read.
        if (ownBytes > maxMessageBytes) return tooLong(maxMessageBytes);
        const room = ownBytes > shortBytes ? 1 : 1 + roomForShort;
        if (this.#heldBytes > room * maxReceivingBytes) {
          return unavailable("The server is receiving too many messages", retryMs);
        }
        const part = decode(decoder, chunk);
        if (part === undefined) return noJson();
        parts.push(part);
      }
      const rest = decode(decoder);
      if (rest === undefined) return noJson();
      parts.push(rest);
      const text = parts.join("");
      // The parts would be kept beside the whole, as long as the message waits.
      parts.length = 0;
      return await use(text);
    } finally {
      this.#heldBytes -= ownBytes;
    }
  }
}

/** An answer to a request whose body is not wanted. */
export async function refuse(request: Request, answer: Response): Promise<Response> {
  // The body may have failed already: the answer stands all the same.
  await request.body?.cancel().catch(() => {});
  return answer;
}

export function noJson(): Response {
  return errorResponse(400, errorCodes.parseError, "Parse error: Invalid JSON");
}

function tooLong(maxBytes: number): Response {
  return errorResponse(413, errorCodes.badRequest, `Payload Too Large: more than ${maxBytes} bytes`);
}

/**
 * The text of bytes; without any, what is left at the end. `undefined`: it is not UTF-8 (RFC 8259 section
 * 8.1).
 */
function decode(decoder: TextDecoder, bytes?: Uint8Array): string | undefined {
  try {
    return bytes === undefined ? decoder.decode() : decoder.decode(bytes, { stream: true });
  } catch {
    return undefined;
  }
}
