import type { Socket } from "node:net";
import type { RawHeaders } from "mcp-tunnel-protocol";
import { HeadBuffer } from "./head-buffer.js";
import type { HeadContext } from "./response-head.js";
import { splitHead } from "./split-head.js";
import {
  incomplete,
  invalidAnswer,
  readHead,
  refuseStrayCharacters,
  scanHead,
  UnusableAnswer,
} from "./response-head.js";

/** The longest head that the wire carries, in bytes (PROTOCOL.md, section 2). */
export const greatestHeadBytes = 262_144;
/** The least limit for heads, in bytes. Less would be too little for many services. */
export const leastHeadBytes = 1_024;

/** Options for a connection to the local service. */
export interface NormaliserOptions extends HeadContext {
  /** The longest head, in bytes. */
  readonly maxHeadBytes: number;
  /** The parser gets only the fields that it needs; see {@link ResponseNormaliser.fields}. Default false. */
  readonly sparesFields?: boolean;
}

/**
 * The limit that parsers are told. The normaliser itself keeps to `maxHeadBytes`, and adds a field of its own
 * to some heads.
 */
export const parserMaxHeadBytes = (maxHeadBytes: number): number => maxHeadBytes + 64;

/**
 * Stands between a connection to the local service and the parser of its responses. The parsers of undici and
 * Node are made for the public, and refuse much that curl and nginx understand. A clean head passes as it is.
 * An odd head is rewritten (`response-head.ts`), and the connection is closed after the response. A head that
 * cannot be understood, or in two ways, is refused.
 *
 * The normaliser knows where a head begins without knowing where a body ends, because nothing is pipelined.
 * The first byte after a request or an interim head begins a head. Everything behind the final head belongs
 * to that response.
 */
export class ResponseNormaliser {
  /** The Content-Length of the 304 that was read last, if the parser must not see it. */
  withheldLength: string | undefined;
  /**
   * The fields of the final head that was read last, if the parser was spared them. undici's parser makes a
   * buffer of each name and each value, of which a string is made then: a seventh of what a client allocates
   * for a small request (measured).
   */
  fields: RawHeaders | undefined;
  /** Bytes have come since the last request was written, though the parser may not have got them. */
  isAnswering = false;
  /**
   * Bytes that come while no request is under way go to the parser at once, which refuses them: no answer may
   * wait for its request.
   */
  #state: "idle" | "head" | "rest";
  readonly #socket: Socket;
  readonly #options: NormaliserOptions;
  readonly #pass: (chunk: Buffer | null) => boolean;
  #held: HeadBuffer | undefined;
  #isOdd = false;

  /** `isAsked`: a request is under way. Every other request is announced by {@link requested}. */
  constructor(socket: Socket, options: NormaliserOptions, isAsked: boolean) {
    this.#socket = socket;
    this.#options = options;
    this.#state = isAsked ? "head" : "idle";
    this.#pass = socket.push.bind(socket);
    // Node hands over the bytes that it has read here, with TLS too. A stream in between would cost more than
    // all the rest.
    socket.push = (chunk: Buffer | null) => {
      return this.#state === "head" ? this.#receive(chunk) : this.#pass(chunk);
    };
  }

  /** A request is being written. */
  requested(): void {
    this.isAnswering = false;
    this.#state = "head";
  }

  /** The parser has seen the end of the response. */
  answered(): void {
    this.#state = "idle";
    this.fields = undefined;
  }

  #receive(chunk: Buffer | null): boolean {
    if (chunk === null) return this.#end();
    this.isAnswering = true;
    if (this.#held === undefined) {
      const end = scanHead(chunk);
      if (end > incomplete && end <= this.#options.maxHeadBytes) return this.#passClean(chunk, end);
      this.#held = new HeadBuffer();
    }
    this.#held.append(chunk);
    try {
      return this.#readHeld(this.#held);
    } catch (error) {
      this.#socket.destroy(error as Error);
      return false;
    }
  }

  #end(): boolean {
    const rest = this.#held?.bytes.toString("latin1") ?? "";
    if (rest === "") return this.#pass(null);
    try {
      // If a service ends its lines with CR alone, no line has come.
      refuseStrayCharacters(rest.replace(/\r$/, ""));
      throw new Error("the connection ended within the head of its answer");
    } catch (error) {
      this.#socket.destroy(error as Error);
      return false;
    }
  }

  /** Passes on the heads that have come in full. */
  #readHeld(held: HeadBuffer): boolean {
    for (;;) {
      const { bytes } = held;
      if (!beginsWithHttp(bytes)) throw invalidAnswer("it does not begin with HTTP/");
      const length = held.headLength();
      if ((length ?? bytes.length) > this.#options.maxHeadBytes) throw tooLarge(this.#options.maxHeadBytes);
      if (length === undefined) return true;
      this.#isOdd ||= held.hasBlankLines;
      // A clean head is treated the same, whether it came in pieces or not.
      if (!this.#isOdd && scanHead(bytes) > incomplete) return this.#passFinal(bytes, undefined);
      const head = readHead(bytes.toString("latin1", 0, length), this.#options);
      this.#isOdd ||= head.isOdd;
      held.skip(length);
      if (!head.isInterim) {
        const close = this.#isOdd && head.status !== 101 ? "Connection: close\r\n" : "";
        const plain = Buffer.from(`${head.text}${close}\r\n`, "latin1");
        return this.#passFinal(Buffer.concat([plain, bytes.subarray(length)]), head.withheldLength);
      }
      if (head.text !== undefined) this.#pass(Buffer.from(`${head.text}\r\n`, "latin1"));
    }
  }

  /** `chunk` begins with a clean head of `end` bytes. */
  #passClean(chunk: Buffer, end: number): boolean {
    if (this.#options.sparesFields !== true) return this.#passFinal(chunk, undefined);
    const { fields, rest } = splitHead(chunk, end);
    return this.#passFinal(rest, undefined, fields);
  }

  #passFinal(bytes: Buffer, withheldLength: string | undefined, fields?: RawHeaders): boolean {
    this.#state = "rest";
    this.withheldLength = withheldLength;
    this.fields = fields;
    this.#held = undefined;
    this.#isOdd = false;
    return this.#pass(bytes);
  }
}

/** Looks only at the bytes that have come, because a banner of another protocol may never end a line. */
function beginsWithHttp(bytes: Buffer): boolean {
  const begun = bytes.toString("latin1", 0, 5);
  return "HTTP/".startsWith(begun) || begun === "\r";
}

function tooLarge(maxHeadBytes: number): UnusableAnswer {
  const more =
    maxHeadBytes < greatestHeadBytes ? `; --max-response-head takes up to ${greatestHeadBytes}` : "";
  return new UnusableAnswer(
    `answered, but the head of its answer is longer than ${maxHeadBytes} bytes${more}`,
  );
}
