import { batch, computed, signal } from "@preact/signals";
import type {
  ExchangeSummary,
  Filters,
  InspectorState,
  McpSession,
  ServerState,
  StreamMessage,
} from "../../src/model.ts";
import { ApiProblem, access, readStream } from "./api.ts";
import { queryOf } from "./route.ts";

/** Undefined until the first message of the stream. */
export const state = signal<InspectorState | undefined>(undefined);
/** What is kept and matches the filters, by id: the oldest first. */
export const entries = signal<readonly ExchangeSummary[]>([]);
/** In the order in which they came. */
export const sessions = signal<readonly McpSession[]>([]);
export const servers = signal<readonly ServerState[]>([]);
/** Of several tunnels. Empty: there is one, which has no name here. */
export const tunnels = computed(() => {
  const all = state.value?.tunnels ?? [];
  return all.length > 1 ? all : [];
});

/**
 * The page's own connection to the inspector. `bad_filter`: it is asked for something that it does not
 * understand, and is waiting for other filters.
 */
export type Link =
  | { readonly kind: "connecting" | "live" | "lost" }
  | { readonly kind: "bad_filter"; readonly message: string };
export const link = signal<Link>({ kind: "connecting" });

const firstRetryMs = 500;
const maxRetryMs = 8_000;
/** The first messages are shown together; they have no end mark. */
const gatherMs = 250;

export function entryOf(id: number): ExchangeSummary | undefined {
  const all = entries.value;
  const at = positionOf(all, id);
  return all[at]?.id === id ? all[at] : undefined;
}

/** The place of the first entry whose id is not lower. */
export function positionOf(all: readonly ExchangeSummary[], id: number): number {
  let low = 0;
  let high = all.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (all[middle]!.id < id) low = middle + 1;
    else high = middle;
  }
  return low;
}

let stop: AbortController | undefined;

/** Follows what matches these filters from now on, and again after each loss of the connection. */
export function follow(filters: Filters): void {
  stop?.abort();
  stop = new AbortController();
  void followUntil(queryOf(filters), stop.signal);
}

async function followUntil(query: string, signal: AbortSignal): Promise<void> {
  let retryMs = firstRetryMs;
  while (!signal.aborted && access.peek() === "ok") {
    const intake = new Intake();
    try {
      await readStream(
        query,
        (messages) => {
          retryMs = firstRetryMs;
          if (!signal.aborted) batch(() => messages.forEach((message) => intake.take(message)));
        },
        signal,
      );
    } catch (error) {
      if (error instanceof ApiProblem && error.status === 400) {
        link.value = { kind: "bad_filter", message: error.message };
        return;
      }
    } finally {
      intake.close();
    }
    if (signal.aborted) return;
    link.value = { kind: "lost" };
    await waited(retryMs, signal);
    retryMs = Math.min(maxRetryMs, retryMs * 2);
  }
}

function waited(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

/**
 * Takes the messages of one stream. What was shown before stays until the first messages are there, so that a
 * list does not flash, nor lose the place to which it is scrolled.
 */
class Intake {
  /** Set until all that is kept has come. */
  #first: ExchangeSummary[] | undefined = [];
  #timer: ReturnType<typeof setTimeout> | undefined;

  take(message: StreamMessage): void {
    switch (message.type) {
      case "state":
        state.value = message.state;
        if (link.peek().kind !== "live") link.value = { kind: "live" };
        if (this.#first !== undefined) this.#timer ??= setTimeout(() => this.#show(), gatherMs);
        return;
      case "exchanges":
        if (this.#first !== undefined) this.#first.push(...message.exchanges);
        else entries.value = merged(entries.peek(), message.exchanges);
        return;
      case "gone": {
        this.#show();
        const gone = new Set(message.ids);
        entries.value = entries.peek().filter(({ id }) => !gone.has(id));
        return;
      }
      case "reset":
        clearTimeout(this.#timer);
        this.#first = [];
        this.#timer = setTimeout(() => this.#show(), gatherMs);
        return;
      case "sessions": {
        if (this.#first !== undefined) sessions.value = [];
        this.#show();
        const gone = new Set(message.gone);
        const changed = new Map(message.sessions.map((session) => [session.key, session]));
        const kept = sessions.peek().flatMap((before) => {
          const now = changed.get(before.key);
          changed.delete(before.key);
          if (now !== undefined) return [now];
          return gone.has(before.key) ? [] : [before];
        });
        sessions.value = [...kept, ...changed.values()];
        return;
      }
      case "servers":
        this.#show();
        servers.value = message.servers;
        return;
    }
  }

  #show(): void {
    clearTimeout(this.#timer);
    if (this.#first === undefined) return;
    entries.value = merged([], this.#first);
    this.#first = undefined;
  }

  close(): void {
    clearTimeout(this.#timer);
  }
}

/** Both are in order of id, and nearly always all that is new comes after what is there. */
function merged(
  before: readonly ExchangeSummary[],
  changes: readonly ExchangeSummary[],
): readonly ExchangeSummary[] {
  const all = [...before];
  for (const entry of changes) {
    const at = positionOf(all, entry.id);
    if (all[at]?.id === entry.id) all[at] = entry;
    else if (at === all.length) all.push(entry);
    else all.splice(at, 0, entry);
  }
  return all;
}
