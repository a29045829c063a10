import type { ServerResponse } from "node:http";
import type { Captured } from "../captured.js";
import type { ExchangeSummary, StreamMessage } from "../model.js";
import { Slice } from "../slices.js";
import type { ChangeReader, Changes } from "./hub.js";
import { Outline } from "./outline.js";
import type { ServerParts } from "./parts.js";

/** Exchanges of one message. */
const maxExchanges = 200;
/** How often a filter of durations looks at what is open, in milliseconds. */
const agingMs = 1_000;

/** What the reader wants to see. */
export interface Wanted {
  matches(entry: Captured): boolean;
  /** Entries may begin to match while nothing happens to them. */
  readonly isAging: boolean;
}

/**
 * One reader of `GET /api/stream`. He is told what is new since he was told last, not what happened: while he
 * reads nothing, only keys are kept for him. Filters that search bodies work in slices.
 */
export class StreamReader implements ChangeReader {
  readonly #res: ServerResponse;
  readonly #parts: ServerParts;
  readonly #wanted: Wanted;
  readonly #exchanges = new Outline<number>();
  readonly #sessions = new Outline<string>();
  readonly #aging: NodeJS.Timeout | undefined;
  /** `loading`: he gets what is kept, and hears of sessions and servers after that. */
  #state: "loading" | "told" | "closed" = "loading";
  #isFull = false;
  #isReset = false;
  #isServersDue = true;
  #lastState = "";
  #pause: NodeJS.Timeout | undefined;

  constructor(res: ServerResponse, parts: ServerParts, wanted: Wanted) {
    this.#res = res;
    this.#parts = parts;
    this.#wanted = wanted;
    res.writeHead(200, { "Content-Type": "application/x-ndjson" });
    res.on("drain", () => {
      this.#isFull = false;
      this.#tell();
    });
    if (wanted.isAging) this.#aging = setInterval(() => this.#lookAtOpen(), agingMs).unref();
    this.#restart();
    this.#tell();
  }

  take(changes: Changes): void {
    if (changes.cleared) {
      this.#isReset = true;
      this.#restart();
    }
    for (const id of changes.changed) this.#exchanges.changed(id);
    for (const id of changes.gone) this.#exchanges.gone(id);
    for (const key of changes.sessions) this.#sessions.changed(key);
    for (const key of changes.goneSessions) this.#sessions.gone(key);
    this.#isServersDue ||= changes.servers;
    this.#tell();
  }

  close(): void {
    this.#state = "closed";
    clearInterval(this.#aging);
    clearTimeout(this.#pause);
    this.#res.end();
  }

  #restart(): void {
    this.#state = "loading";
    const { ring, mcp } = this.#parts;
    this.#exchanges.restart(idsOf(ring.entries()));
    this.#sessions.restart(mcp.sessions().map(({ key }) => key));
  }

  #lookAtOpen(): void {
    for (const { id, over } of this.#parts.ring.entries()) {
      if (over === undefined && !this.#exchanges.isKnown(id)) this.#exchanges.changed(id);
    }
    this.#tell();
  }

  /** Tells all that is due, until the reader is full or others have to have their turn. */
  #tell(): void {
    if (this.#state === "closed" || this.#isFull || this.#pause !== undefined) return;
    if (this.#isReset) {
      this.#isReset = false;
      this.#send({ type: "reset" });
    }
    this.#tellState();
    if (!this.#tellExchanges()) return;
    this.#tellSessions();
    this.#state = "told";
    if (!this.#isServersDue) return;
    this.#isServersDue = false;
    this.#send({ type: "servers", servers: this.#parts.servers.states() });
  }

  #tellState(): void {
    const state = this.#parts.state();
    const text = JSON.stringify(state);
    if (text === this.#lastState) return;
    this.#lastState = text;
    this.#send({ type: "state", state });
  }

  /** False: it goes on later. The last message of those that load may be empty. */
  #tellExchanges(): boolean {
    const slice = new Slice();
    const ids = [...this.#exchanges.pending].sort((one, other) => one - other);
    const isLoading = this.#state === "loading";
    for (let told = 0; told < ids.length || (isLoading && told === 0); ) {
      const exchanges: ExchangeSummary[] = [];
      const gone: number[] = [];
      for (const id of ids.slice(told, told + maxExchanges)) {
        this.#settle(id, exchanges, gone);
        told++;
        if (slice.isOver) break;
      }
      const isLast = told >= ids.length;
      if (gone.length > 0) this.#send({ type: "gone", ids: gone });
      if (exchanges.length > 0 || (isLast && isLoading)) this.#send({ type: "exchanges", exchanges });
      if (isLast) return true;
      if (this.#isFull) return false;
      if (slice.isOver) {
        this.#goOnLater(slice.pauseMs);
        return false;
      }
    }
    return true;
  }

  #settle(id: number, exchanges: ExchangeSummary[], gone: number[]): void {
    const entry = this.#parts.ring.find(id);
    if (entry !== undefined && this.#wanted.matches(entry)) {
      this.#exchanges.settle(id, true);
      exchanges.push(this.#parts.views.summary(entry));
    } else if (this.#exchanges.settle(id, false)) gone.push(id);
  }

  #goOnLater(pauseMs: number): void {
    this.#pause = setTimeout(() => {
      this.#pause = undefined;
      this.#tell();
    }, pauseMs).unref();
  }

  #tellSessions(): void {
    const isLoading = this.#state === "loading";
    if (this.#sessions.pending.size === 0 && !isLoading) return;
    const all = new Map(this.#parts.mcp.sessions().map((session) => [session.key, session]));
    const keys = [...this.#sessions.pending];
    const sessions = keys.map((key) => all.get(key)).filter((session) => session !== undefined);
    const gone = keys.filter((key) => this.#sessions.settle(key, all.has(key)) && !all.has(key));
    if (sessions.length > 0 || gone.length > 0 || isLoading) this.#send({ type: "sessions", sessions, gone });
  }

  #send(message: StreamMessage): void {
    if (!this.#res.write(`${JSON.stringify(message)}\n`)) this.#isFull = true;
  }
}

function* idsOf(entries: Iterable<Captured>): Iterable<number> {
  for (const { id } of entries) yield id;
}
