/** How long a session is kept after its last request, in milliseconds. */
const keptMs = 3_600_000;
/** Most sessions of one name, so that no service that answers with ever new ids costs others theirs. */
const maxOfName = 10_000;
/** Most sessions of all names: about 20 MB. */
const maxSessions = 100_000;

/** Where a session is. */
export interface KeptSession {
  /** The key of the member that has it. */
  member: string;
  until: number;
  /** When the other relays were told last; -Infinity if never. */
  toldAt: number;
}

/**
 * Which member of a pool has which MCP session, by digests of the sessions' ids. It outlives the pools: all
 * of a pool's clients may lose the relay for a minute, and their services still have the sessions afterwards.
 */
export class KeptSessions {
  /** The name, and the session, that was used last is the last. */
  readonly #names = new Map<string, Map<string, KeptSession>>();
  #size = 0;
  /** Of how many sessions of each name other relays were told in this hour. */
  #told = new Map<string, number>();
  #allTold = 0;
  #hourBeganMs = performance.now();

  get size(): number {
    return this.#size;
  }

  /** The session, which is kept for another hour. */
  find(name: string, digest: string): KeptSession | undefined {
    const session = this.#names.get(name)?.get(digest);
    if (session === undefined) return undefined;
    if (session.until <= performance.now()) {
      this.#delete(name, digest);
      return undefined;
    }
    this.#put(name, digest, session);
    return session;
  }

  /** Notes which member has the session. */
  keep(name: string, digest: string, member: string): KeptSession {
    const known = this.find(name, digest);
    const session = known?.member === member ? known : { member, until: 0, toldAt: Number.NEGATIVE_INFINITY };
    this.#put(name, digest, session);
    if ((this.#names.get(name)?.size ?? 0) > maxOfName) this.#deleteOldest(name);
    else if (this.#size > maxSessions) this.#deleteOldest(this.#names.keys().next().value ?? name);
    return session;
  }

  /**
   * Whether other relays may be told of another session of this name. They keep it for an hour, in the
   * engine, which all names share: so in an hour they are told of as many as a relay would keep.
   */
  mayTell(name: string): boolean {
    const now = performance.now();
    if (now - this.#hourBeganMs >= keptMs) {
      this.#hourBeganMs = now;
      this.#told = new Map();
      this.#allTold = 0;
    }
    const told = this.#told.get(name) ?? 0;
    if (told >= maxOfName || this.#allTold >= maxSessions) return false;
    this.#told.set(name, told + 1);
    this.#allTold += 1;
    return true;
  }

  #put(name: string, digest: string, session: KeptSession): void {
    const sessions = this.#names.get(name) ?? new Map<string, KeptSession>();
    this.#names.delete(name);
    this.#names.set(name, sessions);
    if (!sessions.delete(digest)) this.#size += 1;
    session.until = performance.now() + keptMs;
    sessions.set(digest, session);
  }

  #deleteOldest(name: string): void {
    const digest = this.#names.get(name)?.keys().next().value;
    if (digest !== undefined) this.#delete(name, digest);
  }

  #delete(name: string, digest: string): void {
    const sessions = this.#names.get(name);
    if (sessions?.delete(digest) !== true) return;
    this.#size -= 1;
    if (sessions.size === 0) this.#names.delete(name);
  }
}
