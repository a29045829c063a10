import {
  closeCodes,
  evictedReason,
  type Link,
  type OpeningSession,
  type RequestHead,
  type SessionHandler,
  type StreamHandler,
  TunnelError,
  type TunnelStream,
  type V1RelaySession,
  type Wire,
} from "mcp-tunnel-protocol";
import type { TokenGrant } from "./auth/authenticator.js";

/** Who holds a name. */
export interface TunnelInfo {
  name: string;
  /** Where visitors reach it. */
  url: string;
  /** Drawn once per client process; `undefined` for an original. */
  instance: string | undefined;
  /** The client's address. */
  address: string;
  /** What the client calls itself. */
  client: { name: string; version: string } | undefined;
  /** What it was registered by, if that can be taken back. */
  grant: TokenGrant | undefined;
}

/**
 *   online -> away     the link of a resumable session is lost
 *   away -> online     its client is back
 *   any -> closed      for good
 */
export type TunnelState =
  | { name: "online" }
  | { name: "away"; timer: NodeJS.Timeout }
  | { name: "closed"; cause: TunnelError };

/** What a tunnel tells whoever manages it. */
export interface TunnelObserver {
  onAway(tunnel: Tunnel, cause: TunnelError): void;
  onBack(tunnel: Tunnel): void;
  /** The client did not come back in time; `onClosed` follows. */
  onLost(tunnel: Tunnel): void;
  /** The token has no right to the name any more; `onClosed` follows. */
  onRevoked(tunnel: Tunnel, reason: string): void;
  /** The client opens a tunnel elsewhere and takes no new requests; what is open goes on. */
  onLeaving(tunnel: Tunnel): void;
  /** Called once. */
  onClosed(tunnel: Tunnel, cause: TunnelError): void;
  onFault(tunnel: Tunnel, error: unknown): void;
}

export interface TunnelLimits {
  /** How long a lost session is kept for its client. */
  resumeTimeoutMs: number;
  /** How many requests wait for it at once. */
  maxHeldRequests: number;
}

/** A name and the session that serves it. */
export class Tunnel implements SessionHandler {
  readonly info: TunnelInfo;
  readonly connectedAt = Date.now();
  #state: TunnelState = { name: "online" };
  #session: OpeningSession | undefined;
  #resumeId: string | undefined;
  /** Bodies of the exchanges that are over, in bytes. */
  readonly traffic = { requests: 0, requestBytes: 0, responseBytes: 0 };
  readonly #held = new Set<() => void>();
  #unwatch: (() => void) | undefined;
  readonly #observer: TunnelObserver;
  readonly #limits: TunnelLimits;

  constructor(info: TunnelInfo, limits: TunnelLimits, observer: TunnelObserver) {
    this.info = info;
    this.#limits = limits;
    this.#observer = observer;
  }

  get name(): string {
    return this.info.name;
  }

  get state(): TunnelState {
    return this.#state;
  }

  get wire(): Wire | undefined {
    return this.#session?.wire;
  }

  get session(): OpeningSession | undefined {
    return this.#session;
  }

  /** Gives the tunnel its session, whose handler it is; `resumeId` when it can outlive its link. */
  serve(session: OpeningSession, resumeId?: string): void {
    this.#session = session;
    this.#resumeId = resumeId;
    this.#unwatch = this.info.grant?.watch(() => {
      const reason = this.info.grant?.refusal(this.name);
      if (reason === undefined || this.#state.name === "closed") return;
      this.#observer.onRevoked(this, reason);
      this.close(closeCodes.authenticationFailed, reason);
    });
  }

  /** By what the session is known to a client that returns. */
  get resumeId(): string | undefined {
    return this.#resumeId;
  }

  /** @throws TunnelError `overloaded`, `draining` or `session_closed`. */
  open(head: RequestHead, end: boolean, handler: StreamHandler): TunnelStream {
    if (this.#session === undefined) throw new TunnelError("session_closed", "the tunnel has no session");
    return this.#session.open(head, end, handler);
  }

  /**
   * Calls `again` once, when the tunnel is no longer away: it is online, or closed and perhaps succeeded. Returns how
   * to take that back, or `undefined` when too many wait already.
   */
  hold(again: () => void): (() => void) | undefined {
    if (this.#held.size >= this.#limits.maxHeldRequests) return undefined;
    this.#held.add(again);
    return () => this.#held.delete(again);
  }

  /**
   * The client is back over `link`, having received the first `received` bytes of the session.
   * @throws TunnelError when that is not possible; the tunnel is closed then.
   */
  attach(session: V1RelaySession, link: Link, received: number): void {
    try {
      session.attach(link, received);
    } catch (error) {
      session.close(closeCodes.protocolError, "cannot resume");
      throw error;
    }
    if (this.#state.name !== "away") return;
    this.#transition({ name: "online" });
    this.#observer.onBack(this);
  }

  /** Another client has the name now; this one is told so. */
  evict(): void {
    this.close(closeCodes.evicted, evictedReason);
  }

  /** Tells the client to register anew; what is open goes on. */
  drain(): void {
    this.#session?.goaway();
  }

  close(code: number, reason: string): void {
    this.#session?.close(code, reason);
  }

  // ---- the session's word

  onDetached(cause: TunnelError): void {
    if (this.#state.name !== "online") return;
    const timer = setTimeout(() => {
      this.#observer.onLost(this);
      this.#session?.close(closeCodes.normal, "the client did not come back in time");
    }, this.#limits.resumeTimeoutMs);
    this.#transition({ name: "away", timer });
    this.#observer.onAway(this, cause);
  }

  onClose(error: TunnelError): void {
    if (this.#state.name === "closed") return;
    this.#transition({ name: "closed", cause: error });
    this.#unwatch?.();
    // First whoever keeps the registry, so that those who waited find the successor or nobody.
    this.#observer.onClosed(this, error);
    this.#release();
  }

  onGoaway(): void {
    this.#observer.onLeaving(this);
  }

  onFault(error: unknown): void {
    this.#observer.onFault(this, error);
  }

  #transition(next: TunnelState): void {
    if (this.#state.name === "away") clearTimeout(this.#state.timer);
    this.#state = next;
    if (next.name === "online") this.#release();
  }

  #release(): void {
    for (const again of [...this.#held]) {
      this.#held.delete(again);
      again();
    }
  }
}
