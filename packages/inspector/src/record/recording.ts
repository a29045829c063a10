import { setTimeout as delay, setImmediate as turn } from "node:timers/promises";
import { TunnelError } from "mcp-tunnel-client";
import { callback, checkOptions, wholeNumber } from "mcp-tunnel-protocol";
import { formatBytes, messageOf } from "mcp-tunnel-shared";
import type { Captured, CaptureListener } from "../captured.js";
import { Slice } from "../slices.js";
import type { Views } from "../views/views.js";
import { HarFile } from "./har-file.js";

const defaultMaxFileBytes = 64 * 1_024 * 1_024;
/** Bytes of entries that wait to be written. Beyond that, entries are left out. */
const maxWaitingBytes = 16 * 1_024 * 1_024;
/**
 * How long the end of the program waits for what is left, in milliseconds. Strangers can have thousands of
 * entries wait that take half a second each.
 */
const closingMs = 10_000;
/** What an entry takes besides its bodies. */
const entryBytes = 4_096;

/** How much is recorded, and who is told of its end. */
export interface RecordOptions {
  /** The longest file, in bytes. Default: 64 MiB. */
  readonly maxBytes?: number;
  /** Called once if nothing more is recorded. Default: nobody is told. */
  readonly onEnded?: (why: string) => void;
}

const shapes = {
  maxBytes: wholeNumber(1).optional(),
  onEnded: callback().optional(),
} satisfies Record<keyof RecordOptions, unknown>;

/** Entries as an export has them, without secrets. */
type Exports = Pick<Views, "har" | "harEntry">;

/**
 * How often is written: after `minMs` at the soonest, and so that writing takes `share` of the time at most.
 */
export interface Pace {
  readonly minMs: number;
  readonly share: number;
}

interface Waiting {
  readonly entry: Captured;
  readonly bytes: number;
}

/** `idle`: nothing waits. `waiting`: for the time to write. `closed`: what was left is written. */
type State = "idle" | "waiting" | "writing" | "ended" | "closed";

/**
 * Writes exchanges that are over into a file.
 * @throws TunnelError `invalid_option`, or `unavailable` if the file cannot be written.
 */
export async function openRecording(
  path: string,
  options: RecordOptions,
  exported: Exports,
  pace: Pace = { minMs: 2_000, share: 0.05 },
): Promise<HarRecording> {
  checkOptions(options, shapes);
  const [head, end] = exported.har();
  const trailer = (missed: number) => (missed === 0 ? end : end.replace("]", `],"_missed":${missed}`));
  try {
    return new HarRecording(path, await HarFile.create(path, head, trailer), options, exported, pace);
  } catch (error) {
    const message = `cannot write ${path}: ${messageOf(error)}`;
    throw new TunnelError("unavailable", message, { cause: error, file: path });
  }
}

export class HarRecording implements CaptureListener {
  readonly #path: string;
  readonly #file: HarFile;
  readonly #maxBytes: number;
  readonly #onEnded: (why: string) => void;
  readonly #exports: Exports;
  readonly #pace: Pace;
  #state: State = "idle";
  #ended: string | undefined;
  #waiting: Waiting[] = [];
  #waitingBytes = 0;
  #missed = 0;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();
  /** After that, entries are left out. On the clock of `performance.now()`. */
  #untilMs = Infinity;
  /** Before that, nothing is written. On the clock of `performance.now()`. */
  #notBeforeMs = 0;

  constructor(
    path: string,
    file: HarFile,
    { maxBytes = defaultMaxFileBytes, onEnded = () => {} }: RecordOptions,
    exported: Exports,
    pace: Pace,
  ) {
    this.#path = path;
    this.#file = file;
    this.#maxBytes = maxBytes;
    this.#onEnded = onEnded;
    this.#exports = exported;
    this.#pace = pace;
    this.#notBeforeMs = performance.now() + pace.minMs;
  }

  /** Why nothing more is recorded. */
  get ended(): string | undefined {
    return this.#ended;
  }

  begun(entry: Captured): void {
    if (entry.refusal !== undefined) this.#add(entry);
  }

  over(entry: Captured): void {
    if (entry.refusal === undefined) this.#add(entry);
  }

  /** One that leaves the ring before it is over tells no more of itself. */
  gone(entry: Captured): void {
    if (entry.refusal === undefined && entry.over === undefined) this.#miss();
  }

  /** Writes what waits. Nothing more is recorded afterwards. */
  async close(): Promise<void> {
    this.#untilMs = performance.now() + closingMs;
    clearTimeout(this.#timer);
    await this.#writing;
    // What came while it was written waits for the time to write again.
    clearTimeout(this.#timer);
    if (this.#state === "waiting") this.#writing = this.#write();
    await this.#writing;
    if (this.#state !== "ended") this.#state = "closed";
    clearTimeout(this.#timer);
  }

  /** Only takes note of it: this is called while bytes pass. */
  #add(entry: Captured): void {
    if (this.#state === "ended" || this.#state === "closed") return;
    const bytes = bytesOf(entry);
    if (this.#waitingBytes + bytes > maxWaitingBytes) {
      this.#miss();
      return;
    }
    entry.hold();
    this.#waiting.push({ entry, bytes });
    this.#waitingBytes += bytes;
    if (this.#state === "idle") this.#writeLater();
  }

  #miss(): void {
    this.#missed += 1;
    if (this.#state === "idle") this.#writeLater();
  }

  #writeLater(): void {
    this.#state = "waiting";
    this.#timer = setTimeout(
      () => {
        this.#writing = this.#write();
      },
      Math.max(0, this.#notBeforeMs - performance.now()),
    ).unref();
  }

  async #write(): Promise<void> {
    this.#state = "writing";
    const startMs = performance.now();
    const entries = this.#waiting;
    this.#waiting = [];
    let missed = this.#missed;
    const missedAtEnd = (): number => (missed = this.#missed);
    try {
      const fits = await this.#file.add(this.#texts(entries), missedAtEnd, this.#maxBytes);
      if (!fits) this.#end(`${this.#path} is full (${formatBytes(this.#maxBytes)})`);
    } catch (error) {
      this.#end(`cannot write ${this.#path}: ${messageOf(error)}`);
    }
    if (this.#ended !== undefined) return;
    const nowMs = performance.now();
    const { minMs, share } = this.#pace;
    this.#notBeforeMs = Math.max(startMs + minMs, nowMs + (nowMs - startMs) * (1 / share - 1));
    if (this.#waiting.length === 0 && this.#missed === missed) this.#state = "idle";
    else this.#writeLater();
  }

  /**
   * One by one, because an entry may take long to be written as JSON, and others have to go on. Once it is
   * closed, nobody else is left.
   */
  async *#texts(entries: readonly Waiting[]): AsyncGenerator<string> {
    let slice = new Slice();
    for (const { entry, bytes } of entries) {
      await turn();
      if (slice.isOver && this.#untilMs === Infinity) {
        await delay(slice.pauseMs);
        slice = new Slice();
      }
      this.#waitingBytes -= bytes;
      if (performance.now() >= this.#untilMs) {
        this.#missed += 1;
        continue;
      }
      const text = JSON.stringify(this.#exports.harEntry(entry));
      entry.letGo();
      yield text;
    }
  }

  #end(why: string): void {
    this.#state = "ended";
    this.#ended = why;
    this.#waiting = [];
    this.#onEnded(why);
  }
}

function bytesOf({ requestBody, responseBody, events, socket }: Captured): number {
  let bytes = entryBytes + requestBody.kept + responseBody.kept;
  for (const event of events?.kept ?? []) bytes += event.data.length;
  for (const message of socket?.kept ?? []) bytes += message.data.length;
  return bytes;
}
