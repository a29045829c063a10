import type { Claimant, ClaimantInfo, ClientIdentity, Verdict } from "mcp-tunnel-cluster/relay";
import {
  carriedBy,
  type Carries,
  closeCodes,
  evictedReason,
  type Link,
  type OpeningSession,
  type Refusal,
  RefusalGatherer,
  type RegisteredGate,
  type RequestHead,
  type ResumableSession,
  type SessionHandler,
  type StreamHandler,
  TunnelError,
  type TunnelStream,
  type Wire,
} from "mcp-tunnel-protocol";
import type { TokenMeter } from "../admission/token-meters.js";
import type { TokenGrant } from "../auth/authenticator.js";
import { PacedStream, type PacedStreamObserver } from "./paced-stream.js";

/** Why a client is sent away while the relay shuts down. */
export const goingAway = "the relay is shutting down";

/**
 * How long the relay waits for the end of a session that its client has left and in which nothing is open, in
 * milliseconds. The client closes the link when it has heard that everything has arrived.
 */
const leftTimeoutMs = 10_000;

/** A name, and the client that holds it. */
export interface TunnelInfo extends ClaimantInfo {
  name: string;
  /** Where visitors reach it. */
  url: string;
  /** What the client calls itself. */
  client: { name: string; version: string } | undefined;
  /** The grant by which the tunnel was registered, if it can be revoked. */
  grant: TokenGrant | undefined;
  /** The gate before the client's service, as the client declares it. It holds for the whole session. */
  gate: RegisteredGate | undefined;
}

/**
 *   claiming -> online   its client has got its name and its session
 *   online -> away       the link of a resumable session is lost
 *   away -> online       its client is back
 *   any -> closed        for good
 */
export type TunnelState =
  | { name: "claiming" }
  | { name: "online" }
  | { name: "away"; timer: NodeJS.Timeout }
  | { name: "closed"; cause: TunnelError };

/** What a tunnel tells its manager. */
export interface TunnelObserver {
  /** Another tunnel has the name now, of the client `by`. */
  onDisplaced(tunnel: Tunnel, by: ClientIdentity): void;
  onAway(tunnel: Tunnel, cause: TunnelError): void;
  onBack(tunnel: Tunnel): void;
  /** The client did not come back in time; `onClosed` follows. */
  onLost(tunnel: Tunnel, reason: string): void;
  /** The token has no right to the name any more; `onClosed` follows. */
  onRevoked(tunnel: Tunnel, reason: string): void;
  /** The client opens a tunnel elsewhere and takes no new requests. Open exchanges go on. */
  onLeaving(tunnel: Tunnel): void;
  /** Called once. */
  onClosed(tunnel: Tunnel, cause: TunnelError): void;
  /** A stream was cut because too much was queued. */
  onOverloaded(tunnel: Tunnel): void;
  /** A request was turned away, because the token has had `limit` requests in this second. */
  onRateLimited(tunnel: Tunnel, head: RequestHead, limit: number): void;
  /** Bytes of the token have to wait for the first time in a while. */
  onSlowed(tunnel: Tunnel): void;
  onFault(tunnel: Tunnel, error: unknown): void;
}

/** A name and the session that serves it. */
export class Tunnel implements SessionHandler, PacedStreamObserver, Claimant {
  readonly info: TunnelInfo;
  readonly connectedAt = Date.now();
  #address: string;
  #state: TunnelState = { name: "claiming" };
  #session: OpeningSession | undefined;
  #dismissal: Verdict | undefined;
  /** The exchanges that are over, and the bytes of their bodies. */
  readonly traffic = { requests: 0, requestBytes: 0, responseBytes: 0 };
  /** What its token may take, with all its tunnels. There once the tunnel is among the relay's. */
  meter: TokenMeter | undefined;
  #unwatch: (() => void) | undefined;
  #isLeft = false;
  #leftTimer: NodeJS.Timeout | undefined;
  /** Made at its first use, because most tunnels never need it. */
  #refusals: RefusalGatherer | undefined;
  #tellsNoMore = false;
  readonly #observer: TunnelObserver;
  readonly #resumeTimeoutMs: number;

  /** `resumeTimeoutMs`: how long a lost session is kept for its client. */
  constructor(info: TunnelInfo, resumeTimeoutMs: number, observer: TunnelObserver) {
    this.info = info;
    this.#address = info.address;
    this.#resumeTimeoutMs = resumeTimeoutMs;
    this.#observer = observer;
  }

  get name(): string {
    return this.info.name;
  }

  /** The client's address. A client that has come back may have another one than it registered from. */
  get address(): string {
    return this.#address;
  }

  get state(): TunnelState {
    return this.#state;
  }

  /**
   * The tunnel takes no requests. Its client is expected, or the client has gone and the directory's entry is
   * out of date.
   */
  get isAway(): boolean {
    return this.#state.name !== "online" || this.#isLeft;
  }

  get acceptsLater(): boolean {
    return false;
  }

  get wire(): Wire | undefined {
    return this.#session?.wire;
  }

  /** What the tunnel's wire can carry: nothing while there is no session. */
  get carries(): Carries {
    return this.#session?.carries ?? carriedBy.json;
  }

  get session(): OpeningSession | undefined {
    return this.#session;
  }

  get streamCount(): number {
    return this.#session?.streamCount ?? 0;
  }

  get queuedBytes(): number {
    return this.#session?.heldBytes ?? 0;
  }

  get takesRefusals(): boolean {
    return this.info.takesRefusals;
  }

  /** Gives the tunnel its session, whose handler the tunnel is. */
  serve(session: OpeningSession): void {
    this.#session = session;
    this.#transition({ name: "online" });
    this.#unwatch = this.info.grant?.watch(() => {
      const reason = this.info.grant?.refusal(this.name);
      if (reason === undefined || this.#state.name === "closed") return;
      this.#observer.onRevoked(this, reason);
      this.close(closeCodes.authenticationFailed, reason);
    });
  }

  /** @throws TunnelError `rate_limited`, `overloaded`, `head_too_large`, `draining` or `session_closed`. */
  open(head: RequestHead, end: boolean, handler: StreamHandler): TunnelStream {
    const session = this.#session;
    if (session === undefined) throw new TunnelError("session_closed", "the tunnel has no session");
    const { meter } = this;
    if (meter?.takeRequest() === false) {
      this.#observer.onRateLimited(this, head, meter.maxRequestsPerSecond ?? 0);
      throw new TunnelError("rate_limited", "the token of the tunnel has had its requests of this second");
    }
    // Nearly all tokens have no such limit, and their streams have nothing between.
    if (meter?.maxBytesPerSecond === undefined) return session.open(head, end, handler);
    return PacedStream.open(session, head, end, handler, meter.pacer, this);
  }

  /**
   * The client is back over `link` from `address`, having received the first `received` bytes of the session.
   * @throws TunnelError when the session cannot be resumed. The tunnel is closed then, unless the session
   * knows that the client has received more: such a registration was given up by the client, and was delayed
   * on its way until after its successor.
   */
  attach(session: ResumableSession, link: Link, received: number, address: string): void {
    try {
      session.attach(link, received);
    } catch (error) {
      if (received >= session.acknowledged) session.close(closeCodes.protocolError, "cannot resume");
      throw error;
    }
    this.#address = address;
    if (this.#state.name !== "away") return;
    this.#transition({ name: "online" });
    this.#refusals?.proceed();
    this.#observer.onBack(this);
  }

  /**
   * Whether this is the tunnel of that client process. Originals do not say which process they are. A process
   * has one token, so the secret of a process is of no use to anybody who has another token.
   */
  isOfClient({ instance, owner }: ClientIdentity): boolean {
    return instance !== undefined && this.info.instance === instance && this.info.owner === owner;
  }

  /** The client has said that it leaves (GOAWAY): the name is free, and open exchanges go on. */
  get isLeft(): boolean {
    return this.#isLeft;
  }

  /** The client was told to register anew, and will not come back to this session over another link. */
  get isMoving(): boolean {
    return this.#session?.leaving === true;
  }

  /** Takes note of an exchange that is over, with the bytes of its bodies. */
  count(requestBytes: number, responseBytes: number): void {
    this.traffic.requests += 1;
    this.traffic.requestBytes += requestBytes;
    this.traffic.responseBytes += responseBytes;
  }

  /** Tells the client what was refused in the tunnel's name, if it wants to know: at most once a second. */
  tellRefusals(refusals: readonly Refusal[]): void {
    if (!this.info.takesRefusals || this.#tellsNoMore || refusals.length === 0) return;
    this.#refusals ??= new RefusalGatherer((gathered) => this.#sendRefusals(gathered));
    this.#refusals.add(refusals);
  }

  #sendRefusals(refusals: readonly Refusal[]): boolean {
    return this.#session?.tellRefused(refusals) === true;
  }

  /**
   * The refusals that the client had not been told when the tunnel ended. No more are gathered from now on.
   */
  takeRefusals(): readonly Refusal[] {
    this.#tellsNoMore = true;
    return this.#refusals?.take() ?? [];
  }

  displace(by: ClientIdentity): void {
    this.#observer.onDisplaced(this, by);
  }

  /** Another client has the name now, and the client of this tunnel is told so. */
  evict(): void {
    this.close(closeCodes.evicted, evictedReason);
  }

  /**
   * Tells the client to register anew. Open exchanges go on. If the client is away, the tunnel is closed: the
   * client could not come back to a relay that drains.
   */
  drain(): void {
    if (this.#state.name === "away") this.close(closeCodes.goingAway, goingAway);
    else this.#session?.goaway();
  }

  /** The client has registered anew. It has given this session up, unless the relay asked it to move. */
  replace(): void {
    const session = this.#session;
    const reason = "the same client has registered anew";
    // If the client is still there after all, the registration that replaced it was delayed on its way. The
    // code makes the client come back.
    if (session === undefined || !this.isMoving) this.close(closeCodes.goingAway, reason);
    else void session.idle().then(() => this.close(closeCodes.normal, reason));
  }

  close(code: number, reason: string): void {
    this.#refusals?.flush();
    if (this.#session === undefined) this.#dismissal ??= { code, reason };
    else this.#session.close(code, reason);
  }

  /** Why the tunnel was closed before it had a session, for the client. */
  get dismissal(): Verdict | undefined {
    return this.#dismissal;
  }

  // ---- from the session

  onDetached(cause: TunnelError): void {
    if (this.#state.name !== "online") return;
    if (this.isMoving) {
      this.close(closeCodes.goingAway, cause.message);
      return;
    }
    const timer = setTimeout(() => {
      const reason = "the client did not come back in time";
      this.#observer.onLost(this, reason);
      this.#session?.close(closeCodes.normal, reason);
    }, this.#resumeTimeoutMs);
    this.#transition({ name: "away", timer });
    this.#observer.onAway(this, cause);
  }

  onClose(error: TunnelError): void {
    if (this.#state.name === "closed") return;
    this.#transition({ name: "closed", cause: error });
    this.#unwatch?.();
    clearTimeout(this.#leftTimer);
    this.#observer.onClosed(this, error);
  }

  onGoaway(): void {
    this.#isLeft = true;
    this.#observer.onLeaving(this);
    this.#awaitEnd(false);
  }

  /**
   * Ends a session that its client has left, once two looks in a row find nothing open on it. Otherwise the
   * session would keep its place in the token's limit for ever. Open exchanges have limits of their own.
   */
  #awaitEnd(wasIdle: boolean): void {
    if (this.#state.name === "closed") return;
    const isIdle = this.#session?.streamCount === 0;
    if (isIdle && wasIdle) this.close(closeCodes.normal, "nothing is open on a session that was left");
    else this.#leftTimer = setTimeout(() => this.#awaitEnd(isIdle), leftTimeoutMs).unref();
  }

  onOverloaded(): void {
    this.#observer.onOverloaded(this);
  }

  onSlowed(): void {
    this.#observer.onSlowed(this);
  }

  onFault(error: unknown): void {
    this.#observer.onFault(this, error);
  }

  #transition(next: TunnelState): void {
    if (this.#state.name === "away") clearTimeout(this.#state.timer);
    this.#state = next;
  }
}
