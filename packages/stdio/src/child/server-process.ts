import { messagesOf } from "./messages.js";
import { commandLine, exitInWords, silenceInWords } from "./describe.js";
import { Ending } from "./ending.js";
import { Lines } from "./lines.js";
import { RecentLines } from "./recent-lines.js";
import type { Started } from "./spawn.js";
import { serverEnded } from "./supervisor.js";
import type { StdioEvent } from "../events.js";
import type { ResolvedStdioOptions } from "../options.js";
import type { Pipe, PipeEnd, PipeOwner } from "../pipe.js";

/**
 * Of a line of stderr (in bytes), and of a stray line of stdout (in characters), the person is told so much.
 */
const toldLineLength = 8_192;
/** After how long without a word of a new server the person is told, in milliseconds. */
const silentMs = 10_000;
/** Bytes that may wait for a server to read them, besides the longest message. */
const unreadBytes = 1_048_576;
/** How long what a server has written before its end may take to arrive, in milliseconds. */
const lastWordsMs = 500;

/**
 * How long a watcher may take once its server has ended, in milliseconds. It needs little more than a second.
 */
const watcherMs = 10_000;

/** Statuses of a shell that cannot run a program: it is none, or what runs it is missing (POSIX, "sh"). */
const shellFailures: ReadonlySet<number | null> = new Set([126, 127]);

/** An event without the number of the process. */
type Told = StdioEvent extends infer Event
  ? Event extends StdioEvent
    ? Omit<Event, "process">
    : never
  : never;
type Tell = (event: Told) => void;

type State =
  | { readonly name: "running" }
  /** The server ends. `code` is why. */
  | {
      readonly name: "ending";
      readonly code: PipeEnd["code"];
      readonly cause: string;
      readonly ending: Ending;
    }
  /** The server has ended. What it wrote before is read. */
  | { readonly name: "last words"; readonly end: PipeEnd; readonly timer: NodeJS.Timeout }
  | { readonly name: "gone" };

/** A server that was started, as a pipe. */
export class ServerProcess implements Pipe {
  /** Resolves when the server is gone and its owner knows. */
  readonly ended: Promise<void>;
  /** Resolves when its group is gone as well. */
  readonly cleared: Promise<void>;
  readonly #options: ResolvedStdioOptions;
  readonly #started: Started;
  readonly #owner: PipeOwner;
  readonly #tell: Tell;
  readonly #stderr = new RecentLines();
  readonly #openStreams: Set<unknown>;
  readonly #stdoutLines: Lines;
  #state: State = { name: "running" };
  #silence: NodeJS.Timeout | "not yet" | "over" = "not yet";
  #hasSpoken = false;
  #onEnded!: () => void;

  constructor(options: ResolvedStdioOptions, started: Started, owner: PipeOwner, tell: Tell) {
    this.#options = options;
    this.#started = started;
    this.#owner = owner;
    this.#tell = tell;
    this.ended = new Promise((resolve) => {
      this.#onEnded = resolve;
    });
    this.#stdoutLines = new Lines(
      {
        onLine: (line) => this.#onLine(line),
        onLongLine: () => this.#onLongLine(),
      },
      options.maxMessageBytes,
    );
    const { child, stdin, stdout, stderr } = started;
    this.#openStreams = new Set([stdout, stderr]);
    child.once("exit", (status, signal) => this.#onExit(status, signal));
    stdin.on("drain", () => this.#onDrain());
    // A server without its stdin or its stdout answers nothing any more, though it may run on.
    stdin.on("error", () => this.#end("exited", "it closed its stdin"));
    this.#readStdout();
    this.#readStderr();
    this.cleared = clearedAfter(this.ended, started);
  }

  send(text: string): boolean {
    if (this.#state.name !== "running") return true;
    if (this.#silence === "not yet") {
      this.#silence = setTimeout(() => {
        this.#tell({ type: "notice", message: silenceInWords(this.#options, silentMs) });
      }, silentMs);
    }
    const { stdin } = this.#started;
    const takesMore = stdin.write(`${text}\n`);
    // Visitors' messages wait elsewhere while the server does not read. What the bridge answers it does not.
    if (stdin.writableLength > this.#options.maxMessageBytes + unreadBytes) {
      this.#end("exited", "it sends requests, and reads none of the answers");
    }
    return takesMore;
  }

  pause(): void {
    if (this.#state.name === "running") this.#started.stdout.pause();
  }

  resume(): void {
    this.#started.stdout.resume();
  }

  end(): Promise<void> {
    this.#end("ended", "it is not needed any more");
    return this.ended;
  }

  #readStdout(): void {
    const { stdout } = this.#started;
    stdout.on("data", (chunk: Buffer) => this.#stdoutLines.push(chunk));
    stdout.on("end", () => {
      this.#stdoutLines.finish();
      this.#end("exited", "it closed its stdout");
    });
    stdout.on("error", () => {});
    stdout.once("close", () => this.#onClosed(stdout));
  }

  #readStderr(): void {
    const { stderr } = this.#started;
    const onLine = (line: string): void => {
      this.#endSilence();
      this.#stderr.add(line);
      this.#tell({ type: "stderr", line });
    };
    const lines = new Lines({ onLine, onLongLine: (start) => onLine(`${start} ...`) }, toldLineLength);
    stderr.on("data", (chunk: Buffer) => lines.push(chunk));
    stderr.on("end", () => lines.finish());
    stderr.on("error", () => {});
    stderr.once("close", () => this.#onClosed(stderr));
  }

  #onLine(line: string): void {
    if (line.trim() === "" || !this.#isHeard) return;
    const messages = messagesOf(line);
    if (messages === undefined) {
      const isLong = line.length > toldLineLength;
      this.#tell({ type: "stray", line: isLong ? `${line.slice(0, toldLineLength)} ...` : line });
      return;
    }
    this.#endSilence();
    this.#hasSpoken = true;
    for (const message of messages) if (this.#isHeard) this.#owner.onMessage(message);
  }

  /** Whether the owner still wants the server's messages. */
  get #isHeard(): boolean {
    const state = this.#state;
    if (state.name === "ending") return state.code === "exited";
    if (state.name === "last words") return state.end.code === "exited";
    return state.name === "running";
  }

  #onLongLine(): void {
    const limit = `it wrote a line of more than ${this.#options.maxMessageBytes} bytes (maxMessageBytes)`;
    this.#end("message_too_long", limit);
  }

  #onDrain(): void {
    if (this.#state.name === "running") this.#owner.onDrain();
  }

  #endSilence(): void {
    if (typeof this.#silence === "object") clearTimeout(this.#silence);
    this.#silence = "over";
  }

  #end(code: PipeEnd["code"], cause: string): void {
    const state = this.#state;
    if (state.name === "running") {
      this.#state = { name: "ending", code, cause, ending: new Ending(this.#started, this.#options) };
    } else if (state.name === "ending" && state.code === "exited" && code !== "exited") {
      // The server had closed a stream. What its owner wants, or what it did besides, says more.
      this.#state = { ...state, code, cause };
    } else if (state.name === "last words" && state.end.code === "exited" && code !== "exited") {
      this.#state = { ...state, end: { code, message: `${state.end.message}; ${cause}` } };
    } else return;
    // A server that waits for its stdout to be read would not end.
    this.#started.stdout.resume();
    this.#endSilence();
  }

  #onExit(status: number | null, signal: NodeJS.Signals | null): void {
    const { stdout, stderr, watcher } = this.#started;
    const state = this.#state;
    if (state.name === "ending") state.ending.done();
    this.#endSilence();
    watcher?.end(serverEnded);
    const end = this.#endOf(status, signal);
    // A process that the server has started may hold its stdout and stderr. Nobody waits for that one.
    const timer = setTimeout(() => setImmediate(() => this.#finish()), lastWordsMs);
    this.#state = { name: "last words", end, timer };
    stdout.resume();
    stderr.resume();
    if (this.#openStreams.size === 0) this.#finish();
  }

  #endOf(status: number | null, signal: NodeJS.Signals | null): PipeEnd {
    const state = this.#state;
    const what = `${commandLine(this.#options)} ${exitInWords(status, signal)}`;
    if (state.name === "ending" && (state.code !== "exited" || state.ending.hasSignalled)) {
      return { code: state.code, message: `${what}, because ${state.cause}` };
    }
    return { code: "exited", message: what };
  }

  #onClosed(stream: unknown): void {
    this.#openStreams.delete(stream);
    if (this.#openStreams.size === 0 && this.#state.name === "last words") this.#finish();
  }

  #finish(): void {
    const state = this.#state;
    if (state.name !== "last words") return;
    clearTimeout(state.timer);
    this.#state = { name: "gone" };
    this.#started.stdout.destroy();
    this.#started.stderr.destroy();
    const { code, message } = this.#finalEnd(state.end);
    if (code === "ended") this.#tell({ type: "ended", message });
    else this.#tell({ type: "failed", code, message, stderr: this.#stderr.all });
    this.#owner.onEnd({ code, message });
    this.#onEnded();
  }

  /** What became of the server, when all that it has said is known. */
  #finalEnd(end: PipeEnd): PipeEnd {
    if (end.code === "ended") return end;
    const isShell = shellFailures.has(this.#started.child.exitCode) && !this.#hasSpoken;
    const code = end.code === "exited" && isShell ? "not_started" : end.code;
    const isSilent = this.#stderr.all.length === 0;
    return { code, message: isSilent ? `${end.message}. It wrote nothing to stderr.` : end.message };
  }
}

/**
 * The watcher holds its end of the pipe until the group is gone, and is the last of it. One that its server
 * has stopped (SIGSTOP) stays: it is not waited for, and not killed by a number that another may have by
 * then.
 */
async function clearedAfter(ended: Promise<void>, { watcher }: Started): Promise<void> {
  if (watcher === undefined) return ended;
  const gone = new Promise<void>((resolve) => {
    watcher.on("error", () => {});
    watcher.once("close", () => resolve());
    watcher.resume();
  });
  await ended;
  const patience = setTimeout(() => watcher.destroy(), watcherMs);
  await gone;
  clearTimeout(patience);
}
