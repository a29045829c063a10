import { maxFields, type RawHeaders } from "../headers.js";
import { nameAt } from "../known-names.js";
import type { RequestHead, ResponseHead } from "../tunnel.js";
import { describeFrame, frameRules, headerBytes, typeMask } from "./frame.js";
import { Violation } from "./violation.js";

export type OnFrame = (type: number, flags: number, streamId: number, payload: Buffer) => void;

/** How long many frames of one message may keep the rest of the process waiting, in milliseconds. */
const turnMs = 5;
/**
 * Bytes that are decoded between two looks at the clock, and bytes that a frame counts beside its payload.
 * Most messages are decoded without such a look.
 */
const clockBytes = 65_536;
const frameOverheadBytes = 256;

/**
 * Turns the bytes of one direction back into frames, however they were split. A payload that lies in one
 * message is handed over as a slice of it. Only a payload that crosses messages is copied. The decoder keeps
 * at most one frame, and the bytes for which a turn had no time: two million frames fit into one message.
 */
export class Decoder {
  /** The beginning of a header that has turned out to cross messages. */
  #header: Buffer | undefined;
  #headerHave = 0;
  #type = 0;
  #flags = 0;
  #streamId = 0;
  #length = -1;
  /** The beginning of a payload that has turned out to cross messages. */
  #payload: Buffer | undefined;
  #payloadHave = 0;
  #stopped = false;
  /** Bytes that are to be decoded in a later turn. */
  #behind: Buffer[] = [];
  #sinceClock = 0;
  /** When the time of this turn is over; 0 before the first look at the clock. */
  #until = 0;
  readonly #onFrame: OnFrame;

  constructor(onFrame: OnFrame) {
    this.#onFrame = onFrame;
  }

  /** No frame is reported any more, not even from the bytes being decoded right now. */
  stop(): void {
    this.#stopped = true;
    this.#payload = undefined;
    this.#behind = [];
  }

  /** Whether some of the bytes have to wait for a call of `proceed` in a later turn. */
  get isBehind(): boolean {
    return this.#behind.length > 0;
  }

  /** Takes the next bytes. @throws Violation */
  push(bytes: Buffer): void {
    if (this.#behind.length > 0) {
      this.#behind.push(bytes);
      return;
    }
    this.#beginTurn();
    this.#decode(bytes);
  }

  /**
   * Decodes the bytes that wait, as far as the time of another turn goes.
   * @throws Violation
   */
  proceed(): void {
    const behind = this.#behind;
    this.#behind = [];
    this.#beginTurn();
    for (const [at, bytes] of behind.entries()) {
      if (this.#behind.length > 0) {
        this.#behind = this.#behind.concat(behind.slice(at));
        return;
      }
      this.#decode(bytes);
    }
  }

  #beginTurn(): void {
    this.#sinceClock = 0;
    this.#until = 0;
  }

  /** Whether decoding has taken so long in this turn that the rest of the process should have its turn. */
  #isTurnOver(): boolean {
    this.#sinceClock = 0;
    const now = performance.now();
    if (this.#until !== 0) return now >= this.#until;
    this.#until = now + turnMs;
    return false;
  }

  #decode(bytes: Buffer): void {
    let at = 0;
    while (!this.#stopped) {
      if (this.#sinceClock >= clockBytes && at < bytes.length && this.#isTurnOver()) {
        this.#behind.push(bytes.subarray(at));
        return;
      }
      if (this.#length < 0) {
        at = this.#readHeader(bytes, at);
        if (this.#length < 0) return;
      }
      const missing = this.#length - this.#payloadHave;
      const available = bytes.length - at;
      if (this.#payloadHave === 0 && available >= missing) {
        this.#emit(bytes.subarray(at, at + missing));
        at += missing;
        continue;
      }
      if (available === 0) return;
      // The length is at most `maxBytes` of the frame's type: the header was checked against it.
      this.#payload ??= Buffer.allocUnsafe(this.#length);
      const taken = Math.min(missing, available);
      bytes.copy(this.#payload, this.#payloadHave, at, at + taken);
      this.#payloadHave += taken;
      at += taken;
      if (this.#payloadHave < this.#length) return;
      this.#emit(this.#payload);
    }
  }

  #emit(payload: Buffer): void {
    this.#sinceClock += frameOverheadBytes + payload.length;
    this.#length = -1;
    this.#payload = undefined;
    this.#payloadHave = 0;
    this.#onFrame(this.#type, this.#flags, this.#streamId, payload);
  }

  /**
   * Reads as much of a header as there is; `#length` tells whether it is complete. Returns the new position.
   */
  #readHeader(bytes: Buffer, at: number): number {
    if (this.#headerHave === 0 && bytes.length - at >= headerBytes) {
      this.#parseHeader(bytes, at);
      return at + headerBytes;
    }
    const taken = Math.min(headerBytes - this.#headerHave, bytes.length - at);
    if (taken === 0) return at;
    // Not from Node's pool: the header would keep the whole pool in memory.
    this.#header ??= Buffer.alloc(headerBytes);
    bytes.copy(this.#header, this.#headerHave, at, at + taken);
    this.#headerHave += taken;
    if (this.#headerHave === headerBytes) {
      this.#parseHeader(this.#header, 0);
      this.#headerHave = 0;
      this.#header = undefined;
    }
    return at + taken;
  }

  #parseHeader(bytes: Buffer, at: number): void {
    const first = bytes[at] as number;
    const type = first & typeMask;
    const flags = first & ~typeMask;
    const length = bytes.readUIntBE(at + 1, 3);
    const streamId = bytes.readUInt32BE(at + 4);
    const rule = frameRules[type];
    if (rule === undefined) throw violation("unknown frame type", type, flags, streamId, length);
    if ((flags & ~rule.flags) !== 0) {
      throw violation("flag not allowed on this frame", type, flags, streamId, length);
    }
    if (length > rule.maxBytes) throw violation("payload too long", type, flags, streamId, length);
    if (rule.exactBytes !== undefined && length !== rule.exactBytes) {
      throw violation("payload too short", type, flags, streamId, length);
    }
    if ((streamId === 0) !== (rule.scope === "session")) {
      throw violation("wrong stream id for this frame", type, flags, streamId, length);
    }
    this.#type = type;
    this.#flags = flags;
    this.#streamId = streamId;
    this.#length = length;
  }
}

function violation(what: string, type: number, flags: number, streamId: number, length: number): Violation {
  return new Violation(`${what}: ${describeFrame(type, flags, streamId, length)}`);
}

/**
 * The fields of a head or trailer section, from the place where they begin. Returns `undefined` for more than
 * {@link maxFields} fields; then the rest is not looked at.
 */
function fieldsFrom(text: string, start: number): RawHeaders | undefined {
  const fields: RawHeaders = [];
  for (let at = start; at <= text.length; ) {
    if (fields.length === 2 * maxFields) return undefined;
    const end = lineEnd(text, at);
    fields.push(fields.length % 2 === 0 ? nameAt(text, at, end) : text.slice(at, end));
    at = end + 1;
  }
  return fields;
}

/** The index of the next line feed, or that of the text's end. */
function lineEnd(text: string, from: number): number {
  const at = text.indexOf("\n", from);
  return at === -1 ? text.length : at;
}

/**
 * Returns `undefined` for a head with too many fields, as do the functions below.
 * @throws Violation
 */
export function decodeRequestHead(payload: Buffer, upgrade: boolean): RequestHead | undefined {
  const text = payload.toString("latin1");
  const methodEnd = lineEnd(text, 0);
  const pathEnd = lineEnd(text, methodEnd + 1);
  const headers = fieldsFrom(text, pathEnd + 1);
  if (headers === undefined) return undefined;
  const method = text.slice(0, methodEnd);
  const path = text.slice(methodEnd + 1, pathEnd);
  if (method === "" || path === "" || headers.length % 2 !== 0) {
    throw new Violation("malformed REQUEST head");
  }
  const head: RequestHead = { method, path, headers };
  if (upgrade) head.upgrade = true;
  return head;
}

const statusForm = /^[1-9]\d\d$/;

/** @throws Violation */
export function decodeResponseHead(payload: Buffer): ResponseHead | undefined {
  const text = payload.toString("latin1");
  const statusEnd = lineEnd(text, 0);
  const headers = fieldsFrom(text, statusEnd + 1);
  if (headers === undefined) return undefined;
  const status = text.slice(0, statusEnd);
  if (!statusForm.test(status) || headers.length % 2 !== 0) {
    throw new Violation("malformed response head");
  }
  return { status: Number(status), headers };
}

/** @throws Violation */
export function decodeTrailers(payload: Buffer): RawHeaders | undefined {
  if (payload.length === 0) return [];
  const trailers = fieldsFrom(payload.toString("latin1"), 0);
  if (trailers !== undefined && trailers.length % 2 !== 0) throw new Violation("malformed trailers");
  return trailers;
}
