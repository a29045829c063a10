import type { Era } from "../model.js";
import { type Identity, Session } from "./session.js";

/** Sessions that are known. The one that was quiet longest goes first. */
const maxSessions = 200;
/** Bytes of what outlives the exchanges, of all sessions: their tools, and what opened them. */
const maxKeptBytes = 4 * 1_024 * 1_024;
/** How much of a text counts in what a session is found by, in characters. */
const maxGroupPart = 300;

export interface NewSession {
  readonly era: Era;
  readonly tunnel: string | undefined;
  readonly path: string;
  readonly user: string | undefined;
  readonly at: number;
  readonly isReplay: boolean;
  readonly repeats: string | undefined;
  readonly isAnsweredElsewhere: boolean;
}

/** All sessions, and what they are found by. */
export class Sessions {
  /** The one that was quiet longest is the first. */
  readonly #byKey = new Map<string, Session>();
  readonly #byGroup = new Map<string, Session>();
  readonly #onChanged: (keys: readonly string[], gone: readonly string[]) => void;
  readonly #changed = new Set<string>();
  readonly #gone = new Set<string>();
  #last = 0;
  /** How many of them are of the transport HTTP with SSE. Mostly none is. */
  #ofStreams = 0;

  constructor(onChanged: (keys: readonly string[], gone: readonly string[]) => void) {
    this.#onChanged = onChanged;
  }

  /** The one that was quiet longest is the first. */
  all(): Iterable<Session> {
    return this.#byKey.values();
  }

  get(key: string | undefined): Session | undefined {
    return key === undefined ? undefined : this.#byKey.get(key);
  }

  inGroup(group: string): Session | undefined {
    return this.#byGroup.get(group);
  }

  /** The session of the transport HTTP with SSE whose messages go to `target`. */
  atEndpoint(target: string): Session | undefined {
    return this.#ofStreams === 0 ? undefined : this.inGroup(endpointGroup(target));
  }

  open({ at, isAnsweredElsewhere, ...start }: NewSession): Session {
    const key = `s${++this.#last}`;
    const session = new Session({ ...start, key, startedAt: at }, isAnsweredElsewhere);
    this.#byKey.set(key, session);
    if (isAnsweredElsewhere) this.#ofStreams += 1;
    if (this.#byKey.size > maxSessions) {
      const [oldest] = this.#byKey.values();
      if (oldest !== undefined) this.drop(oldest);
    }
    return session;
  }

  /** Has a session found by `group`, in place of the one that was found by it before. */
  assign(session: Session, group: string): void {
    this.#byGroup.get(group)?.groups.delete(group);
    this.#byGroup.set(group, session);
    session.groups.add(group);
  }

  /** Something was said in a session. */
  touch(session: Session, at: number): void {
    if (!this.#byKey.delete(session.key)) return;
    this.#byKey.set(session.key, session);
    session.lastAt = Math.max(session.lastAt, at);
    this.changed(session);
  }

  changed(session: Session): void {
    session.shown = undefined;
    if (!session.isToldOf && this.#byKey.has(session.key)) this.#changed.add(session.key);
  }

  /** What outlives the exchanges has grown. The texts of the quietest sessions go if it is too much. */
  keep(): void {
    let bytes = 0;
    for (const { keptBytes } of this.#byKey.values()) bytes += keptBytes;
    for (const session of this.#byKey.values()) {
      if (bytes <= maxKeptBytes) return;
      if (session.keptBytes === 0) continue;
      bytes -= session.keptBytes;
      session.forgetTexts();
      this.changed(session);
    }
  }

  drop(session: Session): void {
    if (!this.#byKey.delete(session.key)) return;
    if (session.isAnsweredElsewhere) this.#ofStreams -= 1;
    for (const group of session.groups) this.#byGroup.delete(group);
    this.#changed.delete(session.key);
    this.#gone.add(session.key);
  }

  clear(): void {
    for (const session of this.#byKey.values()) this.drop(session);
    this.tell();
  }

  /** Tells of all that has changed, once until somebody looks at it again. */
  tell(): void {
    if (this.#changed.size === 0 && this.#gone.size === 0) return;
    const [changed, gone] = [[...this.#changed], [...this.#gone]];
    for (const key of changed) {
      const session = this.#byKey.get(key);
      if (session !== undefined) session.isToldOf = true;
    }
    this.#changed.clear();
    this.#gone.clear();
    this.#onChanged(changed, gone);
  }
}

// ---- what sessions are found by

/** A session of the transport Streamable HTTP, by its `Mcp-Session-Id`. */
export function idGroup(path: string, id: string): string {
  return grouped("id", path, id);
}

/** A session of the transport HTTP with SSE, by the target for its messages. */
export function endpointGroup(target: string): string {
  return grouped("endpoint", target);
}

/** A client of a server without sessions. */
export function clientGroup(path: string, user: string | undefined, agent: string | undefined): string {
  return grouped("client", path, user, agent);
}

/** A client of revision 2026-07-28. One that does not say who it is goes by its `User-Agent`. */
export function modernGroup(
  path: string,
  user: string | undefined,
  info: Identity | undefined,
  agent: string | undefined,
): string {
  return info === undefined
    ? grouped("agent", path, user, agent)
    : grouped("modern", path, user, info.name, info.version);
}

function grouped(...parts: readonly (string | undefined)[]): string {
  return parts.map((part) => part?.slice(0, maxGroupPart) ?? "").join("\n");
}
