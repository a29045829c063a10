import { hash, randomBytes, timingSafeEqual } from "node:crypto";
import type { Verdict } from "mcp-tunnel-cluster/relay";
import type { ResumableSession } from "mcp-tunnel-protocol";
import type { Tunnel } from "./tunnel.js";

/** How many sessions that were taken away the relay remembers. Beyond that it forgets the oldest first. */
const maxVerdicts = 10_000;

/** How long the relay remembers them, in milliseconds: the client's laptop may be asleep for hours. */
const verdictMs = 86_400_000;

export interface ResumableTunnel {
  tunnel: Tunnel;
  session: ResumableSession;
  /** SHA-256, base64url. This text takes a third of the memory of a buffer. */
  secretDigest: string;
}

const digestOf = (secret: string): string => hash("sha256", secret, "base64url");

/** The sessions that a returning client can resume, by their ids. */
export class ResumableSessions {
  readonly #sessions = new Map<string, ResumableTunnel>();
  /** By the ids of the sessions, in order of time. */
  readonly #verdicts = new Map<string, Verdict & { until: number }>();
  readonly #onVerdict: (id: string, verdict: Verdict) => void;

  /** `onVerdict` is told of each verdict as well: others may keep it for longer than this relay lives. */
  constructor(onVerdict: (id: string, verdict: Verdict) => void = () => {}) {
    this.#onVerdict = onVerdict;
  }

  /** Draws the secret of a new session that has the id `id`. The secret is kept as a digest. */
  add(id: string, tunnel: Tunnel, session: ResumableSession): { id: string; secret: string } {
    const secret = randomBytes(32).toString("base64url");
    this.#sessions.set(id, { tunnel, session, secretDigest: digestOf(secret) });
    return { id, secret };
  }

  find(id: string, secret: string): ResumableTunnel | undefined {
    const found = this.#sessions.get(id);
    if (found === undefined) return undefined;
    return timingSafeEqual(Buffer.from(found.secretDigest), Buffer.from(digestOf(secret)))
      ? found
      : undefined;
  }

  /**
   * Forgets a session that is over. With a verdict, a client that returns to this session is refused, and
   * gets no new session either.
   */
  delete(id: string, verdict?: Verdict): void {
    if (!this.#sessions.delete(id) || verdict === undefined) return;
    this.#remember(id, verdict);
    this.#onVerdict(id, verdict);
  }

  /** Why the client of a session may not come back to it. */
  verdict(id: string): Verdict | undefined {
    const found = this.#verdicts.get(id);
    return found !== undefined && found.until > Date.now() ? found : undefined;
  }

  #remember(id: string, { code, reason }: Verdict): void {
    const now = Date.now();
    for (const [old, { until }] of this.#verdicts) {
      if (until > now && this.#verdicts.size < maxVerdicts) break;
      this.#verdicts.delete(old);
    }
    this.#verdicts.set(id, { code, reason, until: now + verdictMs });
  }
}
