import type { JsonObject } from "mcp-tunnel-shared";
import { parseMessage } from "../../src/message.js";
import type { OpenPipe, Pipe, PipeEnd, PipeOwner } from "../../src/pipe.js";

/** A server without a process: a test says what it says. */
export class FakePipe implements Pipe {
  /** What the bridge has sent. */
  readonly sent: string[] = [];
  /** Whether `send` asks for a pause. */
  isFull = false;
  isPaused = false;
  isEnding = false;
  readonly #owner: PipeOwner;
  readonly #gone: Promise<void>;
  #onGone: () => void = () => {};
  /** Whether the process is gone as soon as the bridge ends it. */
  readonly #endsAtOnce: boolean;

  constructor(owner: PipeOwner, endsAtOnce: boolean) {
    this.#owner = owner;
    this.#endsAtOnce = endsAtOnce;
    this.#gone = new Promise((resolve) => {
      this.#onGone = resolve;
    });
  }

  send(text: string): boolean {
    this.sent.push(text);
    return !this.isFull;
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
  }

  end(): Promise<void> {
    this.isEnding = true;
    if (this.#endsAtOnce) setImmediate(() => this.exit({ code: "ended", message: "ended" }));
    return this.#gone;
  }

  /** The messages that the bridge has sent, read. */
  get received(): JsonObject[] {
    return this.sent.map((text) => JSON.parse(text) as JsonObject);
  }

  /** The server says something: JSON text, or what becomes JSON. */
  say(message: string | object): void {
    const text = typeof message === "string" ? message : JSON.stringify({ jsonrpc: "2.0", ...message });
    const parsed = parseMessage(text);
    if (parsed === undefined) throw new Error(`not a message: ${text}`);
    if (!this.isEnding) this.#owner.onMessage(parsed);
  }

  drain(): void {
    this.isFull = false;
    this.#owner.onDrain();
  }

  exit(end: PipeEnd = { code: "exited", message: "it exited" }): void {
    this.#owner.onEnd(end);
    this.#onGone();
  }
}

/** Opens fake pipes. `onOpen`: told of each in a later turn, as a process would answer. */
export class FakePipes {
  readonly opened: FakePipe[] = [];
  endsAtOnce = true;
  readonly #onOpen: (pipe: FakePipe) => void;

  constructor(onOpen: (pipe: FakePipe) => void = () => {}) {
    this.#onOpen = onOpen;
  }

  readonly open: OpenPipe = (owner) => {
    const pipe = new FakePipe(owner, this.endsAtOnce);
    this.opened.push(pipe);
    process.nextTick(() => this.#onOpen(pipe));
    return pipe;
  };
}
