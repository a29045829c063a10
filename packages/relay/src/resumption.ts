import { createHash, randomBytes, randomUUID, timingSafeEqual } from "node:crypto";
import type { V1RelaySession } from "mcp-tunnel-protocol";
import type { Tunnel } from "./tunnel.js";

/** How many evicted sessions are remembered; beyond it the oldest are forgotten first. */
const maxTombstones = 10_000;

export interface ResumableTunnel {
  tunnel: Tunnel;
  session: V1RelaySession;
  secretDigest: Buffer;
}

const sha256 = (text: string): Buffer => createHash("sha256").update(text).digest();

/** The sessions that a returning client can go on with, by their ids. */
export class ResumableSessions {
  readonly #sessions = new Map<string, ResumableTunnel>();
  /** Ids of evicted sessions and when they may be forgotten. In order of time, since all are kept equally long. */
  readonly #tombstones = new Map<string, number>();
  readonly #tombstoneMs: number;

  /** `tombstoneMs`: how long a client whose session was evicted may take to come back and learn it. */
  constructor(tombstoneMs: number) {
    this.#tombstoneMs = tombstoneMs;
  }

  /** Draws the credentials of a new session. The secret is kept as a digest. */
  add(tunnel: Tunnel, session: V1RelaySession): { id: string; secret: string } {
    const id = randomUUID();
    const secret = randomBytes(32).toString("base64url");
    this.#sessions.set(id, { tunnel, session, secretDigest: sha256(secret) });
    return { id, secret };
  }

  find(id: string, secret: string): ResumableTunnel | undefined {
    const found = this.#sessions.get(id);
    if (found === undefined || !timingSafeEqual(found.secretDigest, sha256(secret))) return undefined;
    return found;
  }

  /** Forgets a session that is over. */
  delete(id: string, evicted: boolean): void {
    if (this.#sessions.delete(id) && evicted) this.#bury(id);
  }

  wasEvicted(id: string): boolean {
    return (this.#tombstones.get(id) ?? 0) > Date.now();
  }

  #bury(id: string): void {
    const now = Date.now();
    for (const [old, until] of this.#tombstones) {
      if (until > now && this.#tombstones.size < maxTombstones) break;
      this.#tombstones.delete(old);
    }
    this.#tombstones.set(id, now + this.#tombstoneMs);
  }
}
