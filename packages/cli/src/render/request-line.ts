import picocolors from "picocolors";
import { formatBytes, printable } from "mcp-tunnel-shared";
import type { ReplayEvent } from "mcp-tunnel-inspector";
import type { LineError, LineMcp, OpenLine, RequestLine } from "mcp-tunnel-inspector/lines";
import { short, shownPath } from "./visitor-lines.js";

/** The least room for a path on a terminal, in columns. */
const minPathLength = 24;
/** The least room for a stranger's words on a terminal, in columns. */
const minWordsLength = 20;
/** The room that a path leaves for an error, in columns. */
const errorLength = 40;
/** What strangers choose must not push everything else off the screen. In characters. */
const maxMethodLength = 16;
const maxWordLength = 40;

/** The parts of a line, each without colours. */
interface Parts {
  readonly mark?: string;
  readonly method: string;
  readonly path: string;
  readonly status: number | undefined;
  /** The visitor got only a part of the response, or another response. */
  readonly failed: boolean;
  readonly mcp: LineMcp | undefined;
  /** How long it took, or what became of it. */
  readonly took: string;
  readonly note?: Note | undefined;
}

/** What went wrong, in words. */
interface Note {
  readonly text: string;
  readonly isError: boolean;
  /** The words are a stranger's, of any length. */
  readonly isForeign?: boolean;
}

/** Lines about requests, for a person. */
export class RequestLines {
  readonly #colors: ReturnType<typeof picocolors.createColors>;
  readonly #columns: () => number | undefined;
  readonly #nowMs: () => number;
  /** The error of the last line, which need not be read twice. */
  #lastError = "";
  #second = -1;
  #time = "";

  /** `columns`: the width of the terminal; undefined where there is none. `nowMs`: the time since 1970. */
  constructor(colors: boolean, columns: () => number | undefined, nowMs: () => number = Date.now) {
    this.#colors = picocolors.createColors(colors);
    this.#columns = columns;
    this.#nowMs = nowMs;
  }

  opened({ kind, method, path, status, mcp }: OpenLine): string {
    return this.#line({ method, path, status, failed: false, mcp, took: `${kindNames[kind]} open` });
  }

  request(line: RequestLine): string {
    const { method, path, status, mcp, error } = line;
    const isCancelled = error?.code === "cancelled";
    const failed = error !== undefined && !isCancelled;
    return this.#line({
      method,
      path,
      status,
      failed,
      mcp,
      took: tookOf(line),
      // The relay's words are told even then: `cancelled` also stands for a visitor that stopped sending.
      note: error === undefined ? noteOf(mcp?.error) : { text: this.#news(error.message), isError: failed },
    });
  }

  replay({ method, path, status, durationMs, error, mcp }: ReplayEvent): string {
    const took = durationMs === undefined ? "sent" : durationText(durationMs);
    const note = error === undefined ? noteOf(mcp?.error) : { text: error.message, isError: true };
    const failed = error !== undefined;
    return this.#line({ mark: "replay", method, path, status, failed, mcp, took, note });
  }

  /** A line about what the relay has refused or cut. `what`: in words. */
  refused(method: string, path: string, status: number | undefined, what: string, others: string): string {
    const { dim, red } = this.#colors;
    const start = `${dim(this.#clock())} ${methodText(method)} ${printable(path || "-")}`;
    const tail = `${red(printable(what))}${others === "" ? "" : dim(others)}`;
    return `${start} ${this.#status(status, false)} ${tail}`;
  }

  #line({ mark = "", method, path, status, failed, mcp, took, note }: Parts): string {
    const { bold, dim, red, magenta } = this.#colors;
    if (note?.isError !== true) this.#lastError = "";
    const time = this.#clock();
    const verb = methodText(method);
    const { words, name } = mcpText(mcp);
    // What was said of MCP is of any length, and so the duration stands apart from it.
    const end = words === "" ? took : ` ${took}`;
    const said = note === undefined ? "" : printable(note.text);
    const target = printable(shownPath(path));
    const columns = this.#columns();
    let [shown, tail] = [target, said];
    if (columns !== undefined) {
      const others = [time, mark, verb, statusText(status), words, name, end];
      const length = others.reduce((sum, part) => (part === "" ? sum : sum + part.length + 1), 0);
      const beside = said === "" ? 0 : 1 + Math.min(said.length, errorLength);
      shown = shortMiddle(target, Math.max(minPathLength, columns - length - beside));
      if (note?.isForeign === true) tail = cut(said, columns, length + shown.length + 1);
    }
    const begin = `${dim(time)}${mark === "" ? "" : ` ${magenta(mark)}`} ${verb}${spaced(shown)}`;
    const about = `${spaced(words)}${name === "" ? "" : ` ${bold(name)}`}`;
    const last = tail === "" ? "" : ` ${(note?.isError === true ? red : dim)(tail)}`;
    return `${begin} ${this.#status(status, failed)}${about} ${dim(end)}${last}`;
  }

  /**
   * While a service is away, each request fails for one reason, with all the addresses that were tried. On a
   * terminal its beginning is enough after the first time. In a log each line stands for itself.
   */
  #news(message: string): string {
    if (this.#columns() === undefined) return message;
    if (message !== this.#lastError) {
      this.#lastError = message;
      return message;
    }
    const at = message.indexOf(": ");
    return at === -1 ? message : message.slice(0, at);
  }

  /** The local time, HH:MM:SS. It is put together once a second. */
  #clock(): string {
    const nowMs = this.#nowMs();
    const second = Math.floor(nowMs / 1_000);
    if (second === this.#second) return this.#time;
    this.#second = second;
    const now = new Date(nowMs);
    const parts = [now.getHours(), now.getMinutes(), now.getSeconds()];
    this.#time = parts.map((part) => String(part).padStart(2, "0")).join(":");
    return this.#time;
  }

  #status(status: number | undefined, failed: boolean): string {
    const { dim, green, cyan, yellow, red } = this.#colors;
    if (status === undefined) return dim(statusText(status));
    const color = failed || status >= 500 ? red : status >= 400 ? yellow : status >= 300 ? cyan : green;
    return color(String(status));
  }
}

/**
 * As much of a stranger's words as there is room for after `length` characters. What went wrong is worth a
 * second row.
 */
function cut(text: string, columns: number, length: number): string {
  return short(text, Math.max(minWordsLength, 2 * columns - length));
}

function spaced(part: string): string {
  return part === "" ? "" : ` ${part}`;
}

const kindNames = { stream: "stream", websocket: "WebSocket", upgrade: "connection" } as const;

function statusText(status: number | undefined): string {
  return status === undefined ? "-" : String(status);
}

function methodText(method: string): string {
  return printable(short(method || "-", maxMethodLength)).padEnd(4);
}

function tookOf({ kind, wasOpen, durationMs, events, requestBytes, responseBytes }: RequestLine): string {
  const time = durationText(durationMs);
  if (!wasOpen || kind === "http") return time;
  const passed =
    kind !== "stream"
      ? `, ${formatBytes(requestBytes)} in, ${formatBytes(responseBytes)} out`
      : events === undefined
        ? ""
        : `, ${events} ${events === 1 ? "event" : "events"}`;
  return `${kindNames[kind]} ended after ${time}${passed}`;
}

/** What a request is in MCP. `name`: what it is about, which stands out. */
function mcpText(mcp: LineMcp | undefined): { words: string; name: string } {
  if (mcp === undefined) return { words: "", name: "" };
  const { method, name, client, isAnswer, batch = 1 } = mcp;
  const about = name ?? client;
  const what = isAnswer !== true ? method : method === "(answer)" ? "answer" : `answer to ${method}`;
  const more = batch === 1 ? "" : ` +${batch - 1} more`;
  return {
    words: printable(short(what, maxWordLength)) + (about === undefined ? more : ""),
    name: about === undefined ? "" : printable(shortMiddle(about, maxWordLength)) + more,
  };
}

function noteOf(error: LineError | undefined): Note | undefined {
  if (error === undefined) return undefined;
  const what = error.code === undefined ? "tool error" : `error ${error.code}`;
  const text = error.message === "" ? what : `${what}: ${error.message}`;
  return { text, isError: true, isForeign: true };
}

/** The ends of a path say more than its middle. */
function shortMiddle(text: string, max: number): string {
  if (text.length <= max) return text;
  const end = Math.floor((max - 3) / 2);
  return `${text.slice(0, max - 3 - end)}...${text.slice(text.length - end)}`;
}

function durationText(ms: number): string {
  if (ms < 9.95) {
    // Not `toFixed`, which costs more than the rest of the line.
    const tenths = Math.round(ms * 10);
    return `${Math.floor(tenths / 10)}.${tenths % 10} ms`;
  }
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 99_500) return `${(ms / 1_000).toFixed(1)} s`;
  if (ms < 5_970_000) return `${(ms / 60_000).toFixed(1)} min`;
  return `${(ms / 3_600_000).toFixed(1)} h`;
}
