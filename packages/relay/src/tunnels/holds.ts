import type { Directory } from "mcp-tunnel-cluster/relay";
import type { Logger } from "../telemetry/log.js";
import { unattended } from "./directory.js";

/** What a waiting request costs besides its body: its head, parsed, and its connection. */
const requestBytes = 8_192;
/**
 * Body bytes that Node takes in before the relay reads them: the window of an HTTP/2 stream, and less with
 * HTTP/1.1.
 */
const bodyBytes = 262_144;

interface Waiting {
  readonly all: Set<() => void>;
  /** How many of them wait for a client. */
  held: number;
}

/** What the relay can be told about requests that wait (options.ts). */
export interface HoldOptions {
  readonly logger: Logger;
  /** How many requests for one name wait at once. */
  maxHeldRequests: number;
  /**
   * How many bytes the requests that wait for clients may hold, over all names, and how many those that wait
   * for answers.
   */
  maxHeldBytes: number;
  /** How long after the start requests wait for a name that nobody has. */
  startupHoldMs: number;
}

/**
 * The requests that wait for a client, because it is reconnecting, or because the relay has only just started
 * and its clients are on their way back to it. Requests that wait for the directory's answer, or for a
 * judge's, are among them. The directory says when to look again.
 */
export class Holds {
  readonly #options: HoldOptions;
  readonly #directory: Directory;
  readonly #waiting = new Map<string, Waiting>();
  /** Of requests that wait for a client. */
  #heldBytes = 0;
  /**
   * Of requests that wait for an answer. Counted apart, or visitors of a tunnel that is away could use up the
   * room of those whose tunnels are well.
   */
  #askingBytes = 0;
  #startup: NodeJS.Timeout | undefined;
  #unwatch: (() => void) | undefined;

  constructor(options: HoldOptions, directory: Directory) {
    this.#options = options;
    this.#directory = directory;
  }

  /** The relay has just started: a name that nobody has may be registered in a moment. */
  get startingUp(): boolean {
    return this.#startup !== undefined;
  }

  /** The relay listens from now on. */
  start(): void {
    this.#unwatch = this.#directory.watch((name) => this.#wake(name));
    if (this.#options.startupHoldMs === 0) return;
    this.#startup = setTimeout(() => {
      this.#startup = undefined;
      this.#wakeAll();
    }, this.#options.startupHoldMs);
    this.#startup.unref();
  }

  /** The relay drains: no client can come back any more. */
  stop(): void {
    // The end of a relay does not depend on its directory.
    unattended(this.#options.logger, undefined, () => this.#unwatch?.());
    this.#unwatch = undefined;
    clearTimeout(this.#startup);
    this.#startup = undefined;
    this.#wakeAll();
  }

  /**
   * Calls `again`, perhaps more than once, when another look at `name` may find another route. `bodyLength`
   * is that of the request, as far as it is known. `isAsking`: the request waits for the answer of a
   * directory or a judge, and not for a client. The limit of a name leaves such a request out, and the limit
   * of bytes is one of its own. Returns a function that ends the wait, or the limit that forbids it.
   */
  wait(
    name: string,
    bodyLength: number | undefined,
    isAsking: boolean,
    again: () => void,
  ): (() => void) | "maxHeldRequests" | "maxHeldBytes" {
    const waiting = this.#waiting.get(name) ?? { all: new Set(), held: 0 };
    const bytes = requestBytes + Math.min(bodyLength ?? bodyBytes, bodyBytes);
    if (!isAsking && waiting.held >= this.#options.maxHeldRequests) return "maxHeldRequests";
    const before = isAsking ? this.#askingBytes : this.#heldBytes;
    if (before + bytes > this.#options.maxHeldBytes) return "maxHeldBytes";
    const held = isAsking ? 0 : 1;
    this.#count(bytes, isAsking);
    waiting.held += held;
    waiting.all.add(again);
    this.#waiting.set(name, waiting);
    return () => {
      if (!waiting.all.delete(again)) return;
      this.#count(-bytes, isAsking);
      waiting.held -= held;
      if (waiting.all.size === 0 && this.#waiting.get(name) === waiting) this.#waiting.delete(name);
    };
  }

  #count(bytes: number, isAsking: boolean): void {
    if (isAsking) this.#askingBytes += bytes;
    else this.#heldBytes += bytes;
  }

  #wake(name: string): void {
    // A copy, because a request that has to wait on adds itself again.
    for (const again of [...(this.#waiting.get(name)?.all ?? [])]) again();
  }

  #wakeAll(): void {
    for (const name of [...this.#waiting.keys()]) this.#wake(name);
  }
}
