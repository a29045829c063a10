import type { RawHeaders } from "../headers.js";
import type { RequestHead, ResponseHead } from "../tunnel.js";
import { describeFrame, frameRules, headerBytes, typeMask } from "./frame.js";
import { Violation } from "./violation.js";

export type OnFrame = (type: number, flags: number, streamId: number, payload: Buffer) => void;

/**
 * Turns the bytes of one direction back into frames, however they were split. A payload that lies in one message is handed
 * over as a slice of it; only one that crosses messages is copied. Keeps at most one frame.
 */
export class Decoder {
  /** The header so far, once it has turned out to cross messages. */
  #header: Buffer | undefined;
  #headerHave = 0;
  #type = 0;
  #flags = 0;
  #streamId = 0;
  #length = -1;
  /** The payload so far, once it has turned out to cross messages. */
  #payload: Buffer | undefined;
  #payloadHave = 0;
  #stopped = false;
  readonly #onFrame: OnFrame;

  constructor(onFrame: OnFrame) {
    this.#onFrame = onFrame;
  }

  /** No frame is reported any more, not even from the bytes being decoded right now. */
  stop(): void {
    this.#stopped = true;
    this.#payload = undefined;
  }

  /** Takes the next bytes. @throws Violation */
  push(bytes: Buffer): void {
    let at = 0;
    while (!this.#stopped) {
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
      // At most `maxBytes` of the frame's type, which the header has been checked against.
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
    this.#length = -1;
    this.#payload = undefined;
    this.#payloadHave = 0;
    this.#onFrame(this.#type, this.#flags, this.#streamId, payload);
  }

  /** Reads as much of a header as there is; `#length` tells whether it is complete. Returns the new position. */
  #readHeader(bytes: Buffer, at: number): number {
    if (this.#headerHave === 0 && bytes.length - at >= headerBytes) {
      this.#parseHeader(bytes, at);
      return at + headerBytes;
    }
    const taken = Math.min(headerBytes - this.#headerHave, bytes.length - at);
    if (taken === 0) return at;
    // Not of Node's pool, all of which it would keep.
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

/** @throws Violation */
export function decodeRequestHead(payload: Buffer, upgrade: boolean): RequestHead {
  const parts = payload.toString("latin1").split("\n");
  const [method, path] = parts;
  if (!method || !path || parts.length % 2 !== 0) {
    throw new Violation("malformed REQUEST head");
  }
  const head: RequestHead = { method, path, headers: parts.slice(2) };
  if (upgrade) head.upgrade = true;
  return head;
}

/** @throws Violation */
export function decodeResponseHead(payload: Buffer): ResponseHead {
  const parts = payload.toString("latin1").split("\n");
  const status = parts[0] as string;
  if (!/^[1-9]\d\d$/.test(status) || parts.length % 2 !== 1) {
    throw new Violation("malformed response head");
  }
  parts.shift();
  return { status: Number(status), headers: parts };
}

/** @throws Violation */
export function decodeTrailers(payload: Buffer): RawHeaders {
  if (payload.length === 0) return [];
  const parts = payload.toString("latin1").split("\n");
  if (parts.length % 2 !== 0) throw new Violation("malformed trailers");
  return parts;
}
