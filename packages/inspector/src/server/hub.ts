import type { Captured, CaptureListener } from "../captured.js";

/** For how long changes are gathered before the readers are told, in milliseconds. */
const gatherMs = 100;

/** Changes of a moment. */
export interface Changes {
  /** Ids of entries. */
  readonly changed: ReadonlySet<number>;
  readonly gone: ReadonlySet<number>;
  readonly sessions: ReadonlySet<string>;
  readonly goneSessions: ReadonlySet<string>;
  readonly servers: boolean;
  /** All was cleared before the other changes. */
  readonly cleared: boolean;
}

export interface ChangeReader {
  take(changes: Changes): void;
}

/**
 * Gathers what changes for those who read the stream. An entry that changes a hundred times within a moment
 * is told once. While nobody reads, a change costs one comparison, and there is no timer.
 */
export class StreamHub implements CaptureListener {
  readonly #readers = new Set<ChangeReader>();
  #changes = noChanges();
  #timer: NodeJS.Timeout | undefined;

  /** Returns what ends it. */
  read(reader: ChangeReader): () => void {
    this.#readers.add(reader);
    return () => {
      this.#readers.delete(reader);
      if (this.#readers.size === 0) this.#stop();
    };
  }

  begun(entry: Captured): void {
    this.#entryChanged(entry);
  }

  requested(entry: Captured): void {
    this.#entryChanged(entry);
  }

  answered(entry: Captured): void {
    this.#entryChanged(entry);
  }

  event(entry: Captured): void {
    this.#entryChanged(entry);
  }

  message(entry: Captured): void {
    this.#entryChanged(entry);
  }

  over(entry: Captured): void {
    this.#entryChanged(entry);
  }

  gone({ id }: Captured): void {
    if (this.#readers.size === 0) return;
    this.#changes.changed.delete(id);
    this.#changes.gone.add(id);
    this.#tellSoon();
  }

  /** New or changed sessions, and those that are no more. */
  sessionsChanged(keys: readonly string[], gone: readonly string[]): void {
    if (this.#readers.size === 0) return;
    for (const key of keys) this.#changes.sessions.add(key);
    for (const key of gone) {
      this.#changes.sessions.delete(key);
      this.#changes.goneSessions.add(key);
    }
    this.#tellSoon();
  }

  serversChanged(): void {
    if (this.#readers.size === 0) return;
    this.#changes.servers = true;
    this.#tellSoon();
  }

  /** The state of the inspector may be another one. */
  stateChanged(): void {
    if (this.#readers.size > 0) this.#tellSoon();
  }

  /** All that was captured is forgotten. */
  cleared(): void {
    if (this.#readers.size === 0) return;
    this.#changes = { ...noChanges(), servers: this.#changes.servers, cleared: true };
    this.#tellSoon();
  }

  #entryChanged({ id }: Captured): void {
    if (this.#readers.size === 0) return;
    this.#changes.changed.add(id);
    this.#tellSoon();
  }

  #tellSoon(): void {
    this.#timer ??= setTimeout(() => this.#tell(), gatherMs).unref();
  }

  #tell(): void {
    const changes = this.#changes;
    this.#stop();
    for (const reader of this.#readers) reader.take(changes);
  }

  #stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#changes = noChanges();
  }
}

function noChanges() {
  return {
    changed: new Set<number>(),
    gone: new Set<number>(),
    sessions: new Set<string>(),
    goneSessions: new Set<string>(),
    servers: false,
    cleared: false,
  };
}
