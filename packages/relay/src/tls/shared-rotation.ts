import { randomBytes } from "node:crypto";
import type { SharedStore, SharedText } from "mcp-tunnel-cluster/relay";
import { messageOf, printable } from "mcp-tunnel-shared";
import type { Logger } from "../telemetry/log.js";
import { type Rotation, rotationMs, ticketKeyBytes, type TicketKeys } from "./ticket-keys.js";

const storeKey = "tls-ticket-keys";
/** How often a relay looks for keys that another has drawn, in milliseconds. */
const lookMs = 5_000;
/** How long a relay has for the drawing of new keys, in milliseconds. */
const drawMs = 10_000;

/** Keys of tickets, and when they were drawn, in milliseconds since 1970. */
interface Drawn {
  readonly keys: Buffer;
  readonly at: number;
}

/**
 * The rotation of a relay in a cluster: all relays have the keys that one of them has drawn, so a visitor
 * resumes a session at whichever relay he comes to. Until a relay has heard of new keys, within seconds, its
 * visitors with tickets of the others make whole handshakes.
 */
export class SharedRotation implements Rotation {
  readonly #keys: TicketKeys;
  readonly #store: SharedStore;
  readonly #logger: Logger;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;
  #problem = "";

  constructor(keys: TicketKeys, store: SharedStore, logger: Logger) {
    this.#keys = keys;
    this.#store = store;
    this.#logger = logger;
  }

  /**
   * Before the first visitor comes. Never rejects: a relay without the keys of the others serves with its
   * own.
   */
  async load(): Promise<void> {
    try {
      await this.#look();
      this.#problem = "";
    } catch (error) {
      const problem = printable(messageOf(error));
      if (problem !== this.#problem && !this.#isClosed) {
        this.#logger.warn(
          { problem },
          "the cluster's keys of TLS tickets cannot be had; visitors lose nothing",
        );
      }
      this.#problem = problem;
    }
  }

  start(): void {
    if (this.#isClosed) return;
    this.#timer = setTimeout(() => void this.load().then(() => this.start()), lookMs).unref();
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  async #look(): Promise<void> {
    const stored = await this.#take();
    if (stored.isFresh || !(await this.#store.lock(storeKey, drawMs))) return;
    // Another relay may have had the lock until now.
    const { isFresh, revision } = await this.#take();
    if (isFresh) return;
    const keys = randomBytes(ticketKeyBytes);
    const text = JSON.stringify({ keys: keys.toString("base64"), at: Date.now() });
    if (await this.#store.write(storeKey, text, revision)) this.#keys.replace(keys);
  }

  /** Takes the keys that are stored, also old ones: better the same as all others have than none. */
  async #take(): Promise<{ isFresh: boolean; revision: number }> {
    const stored = await this.#store.read(storeKey);
    const drawn = readDrawn(stored);
    if (drawn !== undefined && !this.#isClosed) this.#keys.replace(drawn.keys);
    const isFresh = drawn !== undefined && Date.now() < drawn.at + rotationMs;
    return { isFresh, revision: stored?.revision ?? 0 };
  }
}

/** `undefined` for keys that this relay cannot read: of another secret, or of another version. */
function readDrawn(stored: SharedText | undefined): Drawn | undefined {
  if (stored?.text === undefined) return undefined;
  try {
    const { keys: written, at } = JSON.parse(stored.text) as { keys: string; at: number };
    const keys = Buffer.from(written, "base64");
    return keys.length === ticketKeyBytes && Number.isFinite(at) ? { keys, at } : undefined;
  } catch {
    return undefined;
  }
}
