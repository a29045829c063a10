import type { ServerProcess, ServerState } from "./model.js";

/** What a process of an MCP server on stdio does. An event of mcp-tunnel-stdio fits. */
export interface ServerEvent {
  /** What has happened. */
  readonly type: "started" | "ended" | "failed" | "stderr" | "stray" | "notice";
  /** Counts the processes from 1. Left out if none is known. */
  readonly process?: number;
  /** Of `started`: what the process was started for. */
  readonly purpose?: string;
  /** What has happened, in words. Lines have none. */
  readonly message?: string;
  /** Of `stderr` and `stray`: the line. */
  readonly line?: string;
}

/** Lines that are kept of each process. */
const maxLines = 200;
/** Bytes of these lines. */
const maxLinesBytes = 64 * 1_024;
/** Bytes that are kept of one line. */
const maxLineBytes = 8 * 1_024;
/** Processes that are kept, over all servers. The oldest goes first. */
const maxProcesses = 50;
/** Characters of a message that are kept. */
const maxMessageLength = 2_000;

type Line = ServerProcess["lines"][number];

/** A process, while lines of it come in. */
interface Process {
  readonly number: number;
  readonly server: Server;
  readonly purpose: string;
  readonly startedAt: number;
  state: ServerProcess["state"];
  endedAt: number | undefined;
  message: string | undefined;
  readonly lines: Line[];
  lineBytes: number;
  dropped: number;
}

interface Server {
  readonly tunnel: string | undefined;
  readonly name: string | undefined;
  started: number;
  failed: number;
}

/** The processes of MCP servers on stdio, and the last of what they have said. */
export class Servers {
  /** Called after each change. It must be quick. */
  onChange: () => void = () => {};
  readonly #hide: (text: string) => string;
  /** The lines as they are shown. Most are looked at many times, and to look for secrets takes long. */
  readonly #shown = new WeakMap<Line, Line>();
  /** In the order in which they were heard of. Their names are those of one config file. */
  readonly #servers = new Map<string, Server>();
  /** From the oldest to the newest. */
  #processes: Process[] = [];

  /** `hide` replaces the secrets in a text. Programs write their settings into such lines, and requests. */
  constructor(hide: (text: string) => string) {
    this.#hide = hide;
  }

  /**
   * `name`: that in the config file. Undefined for the server of `--stdio`. `tunnel`: the name of the tunnel,
   * if there are several.
   */
  tell(name: string | undefined, event: ServerEvent, tunnel?: string): void {
    const server = this.#serverOf(name, tunnel);
    const process = this.#processOf(server, event);
    switch (event.type) {
      case "started":
        server.started += 1;
        this.#begin(server, event);
        break;
      case "ended":
      case "failed":
        if (event.type === "failed") server.failed += 1;
        // One that could not be started is heard of for the first time.
        end(process?.state === "running" ? process : this.#begin(server, event), event);
        break;
      case "stderr":
      case "stray":
        if (process !== undefined) keepLine(process, event.line ?? "", event.type === "stray");
        break;
      case "notice":
        if (process !== undefined) process.message = cut(event.message);
    }
    this.onChange();
  }

  states(): ServerState[] {
    return [...this.#servers.values()].map((server) => ({
      ...(server.tunnel === undefined ? {} : { tunnel: server.tunnel }),
      ...(server.name === undefined ? {} : { name: server.name }),
      processes: this.#processes
        .filter((process) => process.server === server)
        .map((process) => this.#stateOf(process)),
      started: server.started,
      failed: server.failed,
    }));
  }

  #stateOf(process: Process): ServerProcess {
    const { number, purpose, state, startedAt, endedAt, message, lines, dropped } = process;
    return {
      process: number,
      purpose,
      state,
      startedAt,
      ...(endedAt === undefined ? {} : { endedAt }),
      ...(message === undefined ? {} : { message: this.#hide(message) }),
      lines: lines.map((line) => this.#lineOf(line)),
      dropped,
    };
  }

  #lineOf(line: Line): Line {
    let shown = this.#shown.get(line);
    if (shown === undefined) {
      shown = { ...line, text: this.#hide(line.text) };
      this.#shown.set(line, shown);
    }
    return shown;
  }

  #serverOf(name: string | undefined, tunnel: string | undefined): Server {
    const key = JSON.stringify([tunnel, name]);
    const known = this.#servers.get(key);
    if (known !== undefined) return known;
    const server = { tunnel, name, started: 0, failed: 0 };
    this.#servers.set(key, server);
    return server;
  }

  /** The process of an event. An event without a number is about the newest. */
  #processOf(server: Server, { process }: ServerEvent): Process | undefined {
    return this.#processes.findLast(
      (known) => known.server === server && (process === undefined || known.number === process),
    );
  }

  #begin(server: Server, { process: number = 0, purpose = "" }: ServerEvent): Process {
    const process: Process = {
      number,
      server,
      purpose,
      startedAt: Date.now(),
      state: "running",
      endedAt: undefined,
      message: undefined,
      lines: [],
      lineBytes: 0,
      dropped: 0,
    };
    this.#processes.push(process);
    if (this.#processes.length > maxProcesses) this.#dropOne();
    return process;
  }

  /** The oldest that does not run any more, or else the oldest. */
  #dropOne(): void {
    const over = this.#processes.findIndex(({ state }) => state !== "running");
    this.#processes.splice(Math.max(over, 0), 1);
  }
}

function end(process: Process, event: ServerEvent): void {
  process.state = event.type === "failed" ? "failed" : "ended";
  process.endedAt = Date.now();
  process.message = cut(event.message);
}

function keepLine(process: Process, line: string, isStray: boolean): void {
  const bytes = Buffer.from(line).subarray(0, maxLineBytes);
  // On its own: a part that was cut out of a text holds all of the text.
  const text = bytes.toString();
  process.lines.push({ at: Date.now(), text, ...(isStray ? { stray: true } : {}) });
  process.lineBytes += Buffer.byteLength(text);
  while (process.lines.length > maxLines || process.lineBytes > maxLinesBytes) {
    const oldest = process.lines.shift() as Line;
    process.lineBytes -= Buffer.byteLength(oldest.text);
    process.dropped += 1;
  }
}

function cut(message: string | undefined): string | undefined {
  return message?.slice(0, maxMessageLength);
}
