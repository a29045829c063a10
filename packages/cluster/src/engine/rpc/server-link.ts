import { connect, type Socket } from "node:net";
import { TunnelError } from "mcp-tunnel-protocol";
import type { EngineEvent } from "../engine.js";
import { type CallName, lineOf, maxMessageBytes, readLines, type Said } from "./messages.js";

/** How long a call may take, the wait for a connection included, in milliseconds. */
const callTimeoutMs = 2_000;
/** The pause before another try to connect. A unix socket costs next to nothing. */
const retryMs = 100;

interface OpenCall {
  readonly line: string;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: TunnelError) => void;
  readonly timer: NodeJS.Timeout;
  isSent: boolean;
}

export interface ServerLinkHandler {
  /** There is a connection: what is asked now goes before the calls that have waited. */
  onOpen(): void;
  onEvent(event: EngineEvent): void;
}

/** The connection of a worker to the primary, made with the first call and made again until it is closed. */
export class ServerLink {
  readonly #path: string;
  readonly #handler: ServerLinkHandler;
  readonly #calls = new Map<number, OpenCall>();
  #lastId = 0;
  #socket: Socket | undefined;
  #isOpen = false;
  #retry: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(path: string, handler: ServerLinkHandler) {
    this.#path = path;
    this.#handler = handler;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** @throws TunnelError `unavailable`, or what the engine says. */
  async ask(call: CallName, args: readonly unknown[]): Promise<unknown> {
    if (this.#isClosed) throw unavailable("it is closed");
    const id = ++this.#lastId;
    const line = lineOf({ id, call, args });
    if (Buffer.byteLength(line) > maxMessageBytes) throw unavailable(`'${call}' is longer than 32 MiB`);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#fail(id, `no answer to '${call}' in 2 s`), callTimeoutMs);
      this.#calls.set(id, { line, resolve, reject, timer, isSent: false });
      if (this.#isOpen) this.#send();
      else this.#connect();
    });
  }

  #connect(): void {
    if (this.#socket !== undefined || this.#isClosed) return;
    clearTimeout(this.#retry);
    const socket = connect(this.#path);
    this.#socket = socket;
    readLines(socket, (line) => this.#onSaid(JSON.parse(line) as Said));
    socket.once("connect", () => {
      this.#isOpen = true;
      this.#handler.onOpen();
      this.#send();
    });
    // A connection that was refused or broken is closed, and "close" follows.
    socket.on("error", () => {});
    socket.once("close", () => this.#onClosed());
  }

  #onClosed(): void {
    this.#socket = undefined;
    this.#isOpen = false;
    // Nobody knows whether a call was done whose answer is missing.
    for (const [id, { isSent }] of this.#calls) if (isSent) this.#fail(id, "the connection broke");
    if (!this.#isClosed) this.#retry = setTimeout(() => this.#connect(), retryMs).unref();
  }

  #send(): void {
    for (const call of this.#calls.values()) {
      if (call.isSent) continue;
      call.isSent = true;
      this.#socket?.write(call.line);
    }
  }

  #onSaid(said: Said): void {
    if ("event" in said) return this.#handler.onEvent(said.event);
    const call = this.#take(said.id);
    if ("error" in said) call?.reject(new TunnelError(said.error.code, said.error.message));
    else call?.resolve(said.value);
  }

  #fail(id: number, why: string): void {
    this.#take(id)?.reject(unavailable(why));
  }

  /** A call that is over: an answer that comes later finds none. */
  #take(id: number): OpenCall | undefined {
    const call = this.#calls.get(id);
    this.#calls.delete(id);
    clearTimeout(call?.timer);
    return call;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#retry);
    for (const id of this.#calls.keys()) this.#fail(id, "it is closed");
    const socket = this.#socket;
    if (socket === undefined) return;
    await new Promise<void>((resolve) => {
      socket.once("close", () => resolve());
      socket.destroy();
    });
  }
}

function unavailable(why: string): TunnelError {
  return new TunnelError("unavailable", `the primary process does not tell who has which name: ${why}`);
}
