import { BoundedBytes } from "./bounded-bytes.js";

/** An event of an event stream, or a comment in it (HTML Standard, section 9.2.6). */
export interface SplitEvent {
  /** Name of the event; empty: `message`. */
  readonly event: string;
  /** The field `id`, if the event has one. */
  readonly id: string | undefined;
  readonly data: string;
  /** `data` is the text of a comment. */
  readonly isComment: boolean;
  /** Bytes as they passed, with the line ends. */
  readonly bytes: number;
  /** The data is longer than what is kept of it. */
  readonly isCut: boolean;
}

const lf = 0x0a;
const cr = 0x0d;
const space = 0x20;
const colon = 0x3a;
const byteOrderMark = Buffer.from("\ufeff");
const lineFeed = Buffer.from("\n");
/** Fields of the standard that are not read (`retry`) are of no interest here. */
const fields = ["data", "event", "id"] as const;
/** Bytes before the value of the field with the longest name. */
const longestStart = "event: ".length;

/**
 * Splits the bytes of an event stream into events and comments, however they are cut into chunks. An event
 * without a field `data` is none (HTML Standard, section 9.2.6), and neither is one that the stream's end
 * cuts off.
 */
export class EventSplitter {
  readonly #onEvent: (event: SplitEvent) => void;
  readonly #maxEventBytes: number;
  /** The beginning of a line whose end has not come. */
  readonly #line = new BoundedBytes();
  /** Bytes of that line, with those that are not kept. */
  #lineBytes = 0;
  /** The only line of data so far: most events have no other, and need no copy of its bytes. */
  #first: string | undefined;
  #firstBytes = 0;
  /** The lines of data, with a line feed between them, once there is more than one. */
  readonly #data = new BoundedBytes();
  #hasData = false;
  #event = "";
  #id: string | undefined;
  #isCut = false;
  /** Bytes of the complete lines of the event. */
  #bytes = 0;
  /** Bytes of the byte order mark that have come; undefined once there can be none any more. */
  #mark: number | undefined = 0;
  #isAfterCr = false;

  /** An event keeps `maxEventBytes` bytes at most: its data, its name and its id. */
  constructor(onEvent: (event: SplitEvent) => void, maxEventBytes: number) {
    this.#onEvent = onEvent;
    this.#maxEventBytes = maxEventBytes;
  }

  /** Bytes that are held for an unfinished event. */
  get pending(): number {
    const texts = this.#namesLength + (this.#first?.length ?? 0);
    return this.#line.held + this.#data.held + 2 * texts;
  }

  /** Takes the next bytes. `chunk` is only lent: what is kept of it is copied. */
  push(chunk: Buffer): void {
    let at = this.#mark === undefined ? 0 : this.#skipMark(chunk, this.#mark);
    if (this.#isAfterCr && at < chunk.length) {
      this.#isAfterCr = false;
      // The line feed of a CR LF that was cut in two. It counts for what follows.
      if (chunk[at] === lf) {
        at += 1;
        this.#lineBytes += 1;
      }
    }
    // Each of them is looked for once: a search for both at every line would take the square of the length.
    let nextCr = indexOf(chunk, cr, at);
    let nextLf = indexOf(chunk, lf, at);
    while (at < chunk.length) {
      const end = Math.min(nextCr, nextLf);
      if (end === chunk.length) {
        this.#line.append(chunk, at, end, this.#room + longestStart);
        this.#lineBytes += end - at;
        return;
      }
      let next = end + 1;
      if (end === nextCr) {
        if (next === chunk.length) this.#isAfterCr = true;
        else if (chunk[next] === lf) next += 1;
      }
      this.#lineBytes += next - at;
      this.#endLine(chunk, at, end);
      at = next;
      if (nextCr < at) nextCr = indexOf(chunk, cr, at);
      if (nextLf < at) nextLf = indexOf(chunk, lf, at);
    }
  }

  get #namesLength(): number {
    return this.#event.length + (this.#id?.length ?? 0);
  }

  /** Bytes that the event may still keep. */
  get #room(): number {
    return Math.max(0, this.#maxEventBytes - this.#firstBytes - this.#data.length - this.#namesLength);
  }

  /** A byte order mark at the beginning of the stream is no part of it. */
  #skipMark(chunk: Buffer, seen: number): number {
    let at = 0;
    while (at < chunk.length && seen + at < byteOrderMark.length) {
      if (chunk[at] !== byteOrderMark[seen + at]) {
        this.#mark = undefined;
        this.#line.append(byteOrderMark, 0, seen, this.#room);
        this.#lineBytes = seen;
        return 0;
      }
      at += 1;
    }
    this.#mark = seen + at < byteOrderMark.length ? seen + at : undefined;
    return at;
  }

  /** `chunk` has the line's last part between `start` and `end`. */
  #endLine(chunk: Buffer, start: number, end: number): void {
    if (this.#line.length === 0) {
      this.#onLine(chunk, start, end, false);
      return;
    }
    this.#line.append(chunk, start, end, this.#room + longestStart);
    const line = this.#line.bytes();
    const { isCut } = this.#line;
    this.#line.clear();
    this.#onLine(line, 0, line.length, isCut);
  }

  /** `isCut`: the line was longer than what is there of it. */
  #onLine(from: Buffer, start: number, end: number, isCut: boolean): void {
    const lineBytes = this.#lineBytes;
    this.#lineBytes = 0;
    if (from[start] === colon && start < end) {
      this.#onComment(this.#read(from, valueStart(from, start + 1, end), end, isCut), lineBytes);
      return;
    }
    this.#bytes += lineBytes;
    if (start === end) {
      this.#onBlankLine();
      return;
    }
    const name = fields.find((field) => isNamed(from, start, end, field));
    if (name === undefined) return;
    const value = valueStart(from, start + name.length + 1, end);
    if (name === "data") this.#onData(from, value, end, isCut);
    else this.#onName(name, this.#read(from, value, end, isCut));
  }

  #onData(from: Buffer, start: number, end: number, isCut: boolean): void {
    const most = this.#maxEventBytes - this.#namesLength;
    if (!this.#hasData && !isCut && end - start <= most) {
      this.#hasData = true;
      this.#first = decode(from, start, end, false);
      this.#firstBytes = end - start;
      return;
    }
    if (this.#first !== undefined) {
      const first = Buffer.from(this.#first);
      this.#data.append(first, 0, first.length, most);
      this.#first = undefined;
      this.#firstBytes = 0;
    }
    if (this.#hasData) this.#data.append(lineFeed, 0, 1, most);
    this.#data.append(from, start, end, most);
    this.#hasData = true;
    this.#isCut ||= isCut || this.#data.isCut;
  }

  #onName(name: "event" | "id", { text, isCut }: Text): void {
    this.#isCut ||= isCut;
    if (name === "event") this.#event = text;
    else if (!text.includes("\0")) this.#id = text;
  }

  #onComment({ text, isCut }: Text, bytes: number): void {
    this.#onEvent({ event: "", id: undefined, data: text, isComment: true, bytes, isCut });
  }

  #onBlankLine(): void {
    const bytes = this.#data.bytes();
    const event = {
      event: this.#event,
      id: this.#id,
      data: this.#first ?? decode(bytes, 0, bytes.length, this.#isCut),
      isComment: false,
      bytes: this.#bytes,
      isCut: this.#isCut,
    };
    const isEvent = this.#hasData;
    this.#reset();
    if (isEvent) this.#onEvent(event);
  }

  #reset(): void {
    this.#first = undefined;
    this.#firstBytes = 0;
    this.#data.clear();
    this.#hasData = false;
    this.#event = "";
    this.#id = undefined;
    this.#isCut = false;
    this.#bytes = 0;
  }

  /** As much of a value as there is room for. */
  #read(from: Buffer, start: number, end: number, isCut: boolean): Text {
    const most = Math.min(end, start + this.#room);
    const isShort = isCut || most < end;
    return { text: decode(from, start, most, isShort), isCut: isShort };
  }
}

interface Text {
  readonly text: string;
  readonly isCut: boolean;
}

/** The length of `chunk` if `byte` is not in it. */
function indexOf(chunk: Buffer, byte: number, from: number): number {
  const found = chunk.indexOf(byte, from);
  return found === -1 ? chunk.length : found;
}

function isNamed(from: Buffer, start: number, end: number, name: string): boolean {
  const nameEnd = start + name.length;
  if (nameEnd > end || (nameEnd < end && from[nameEnd] !== colon)) return false;
  for (let i = 0; i < name.length; i++) if (from[start + i] !== name.charCodeAt(i)) return false;
  return true;
}

/** One space after the colon is no part of the value. A line without a colon has an empty value. */
function valueStart(from: Buffer, afterColon: number, end: number): number {
  if (afterColon >= end) return end;
  return from[afterColon] === space ? afterColon + 1 : afterColon;
}

/** `isCut`: bytes of the last character may be missing, and then the others of it are left out. */
function decode(from: Buffer, start: number, end: number, isCut: boolean): string {
  return from.toString("utf8", start, isCut ? endOfWhole(from, start, end) : end);
}

/** Where the last whole character of UTF-8 ends. */
function endOfWhole(from: Buffer, start: number, end: number): number {
  for (let at = end - 1; at >= Math.max(start, end - 3); at--) {
    const byte = from[at] as number;
    if (byte < 0x80) return end;
    if (byte < 0xc0) continue;
    const length = byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
    return at + length > end ? at : end;
  }
  return end;
}
