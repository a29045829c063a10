import type {
  Claimant,
  ClaimResult,
  ClaimTerms,
  ClientIdentity,
  Directory,
  Member,
  Route,
} from "mcp-tunnel-cluster/relay";
import {
  cannotTellReason,
  closeCodes,
  evictedReason,
  meet,
  type NameClient,
  type RequestHead,
  type TunnelError,
} from "mcp-tunnel-protocol";
import { printable } from "mcp-tunnel-shared";
import { TokenMeters } from "../admission/token-meters.js";
import { grants, revokedReason, unauthorizedReason } from "../auth/patterns.js";
import { checkClaim, isLater, unattended } from "./directory.js";
import { gateText } from "./gate.js";
import { Holders } from "./holders.js";
import { tellRefusal } from "./refusal.js";
import { reportFault } from "../telemetry/report.js";
import type { LimitReporter } from "../telemetry/limit-reporter.js";
import type { TunnelEvent, TunnelEventType } from "../telemetry/observer.js";
import type { Observers } from "../telemetry/observers.js";
import { type Limits, refusalLimit } from "../limits.js";
import type { Logger } from "../telemetry/log.js";
import { ResumableSessions } from "./resumption.js";
import { goingAway, type Tunnel, type TunnelObserver } from "./tunnel.js";
import { UntoldRefusals } from "./untold.js";

/** The relay's options about its tunnels (options.ts). */
export interface TunnelsOptions extends Limits {
  readonly logger: Logger;
  /** Keeps verdicts for clients that are away, also if this relay is gone when they come back. */
  readonly member?: Pick<Member, "remember"> | undefined;
}

/** All tunnels that have a session, including those that no longer hold their name. */
export class Tunnels implements TunnelObserver {
  /** The sessions that their clients can come back to. */
  readonly sessions: ResumableSessions;
  /** In the order in which they were registered. */
  readonly #all = new Set<Tunnel>();
  /** How many of `#all` each owner has. */
  readonly #owned = new Map<string, number>();
  /**
   * They are known here as well as in the directory, because what a tunnel's end means is decided at once.
   */
  readonly #holders = new Holders();
  /** The tunnels that the directory has not given their names yet. They have no session. */
  readonly #claiming = new Set<Tunnel>();
  /**
   * The tunnels that the relay asked to move, and that still have streams while a successor has their name,
   * by {@link clientKey}. There is one for each client of a name at most.
   */
  readonly #succeeded = new Map<string, Tunnel>();
  readonly #untold = new UntoldRefusals();
  readonly #meters: TokenMeters;
  readonly #options: TunnelsOptions;
  readonly #directory: Directory;
  readonly #observers: Observers;
  readonly #limits: LimitReporter;
  #draining = false;

  constructor(options: TunnelsOptions, directory: Directory, observers: Observers, limits: LimitReporter) {
    this.#options = options;
    this.#directory = directory;
    this.#observers = observers;
    this.#limits = limits;
    this.#meters = new TokenMeters(options);
    const { member, logger } = options;
    this.sessions = new ResumableSessions((session, verdict) =>
      unattended(logger, undefined, () => member?.remember(session, verdict)),
    );
  }

  /** The clients have been told to register elsewhere, and no more tunnels should be added. */
  get draining(): boolean {
    return this.#draining;
  }

  /**
   * Every tunnel that is not over, in the order of registration. So the tunnel that has a name comes after
   * those that have lost or left that name.
   */
  all(): Iterable<Tunnel> {
    return this.#all;
  }

  /** Whether a route is one of these tunnels. */
  has(route: Route): boolean {
    return this.#all.has(route as Tunnel);
  }

  /**
   * The tunnels that count beside a tunnel of `client` that takes `name`. The holders of the name make way
   * and do not count, except those with whom the client would share the name. A tunnel that the relay asked
   * to move does not count beside its successor, because otherwise no client at its limit could move. A
   * tunnel that its client has left counts until it is over. A tunnel that claims another name counts
   * already.
   */
  *countedBeside(name: string, client: NameClient): Iterable<Tunnel> {
    const makingWay = this.#holders.of(name).filter((holder) => meet(holder.info, client) !== "fellow");
    for (const tunnel of this.#all) {
      if (!makingWay.includes(tunnel) && !this.#isSucceeded(tunnel)) yield tunnel;
    }
    for (const tunnel of this.#claiming) {
      if (tunnel.name !== name || meet(tunnel.info, client) === "fellow") yield tunnel;
    }
  }

  /**
   * Whether there are so few tunnels that none of these limits can be reached, whoever of them counts.
   * Counting takes as long as there are tunnels, and nearly every registration is spared it. `own`: the limit
   * of the tunnels of `owner`. `all`: that of all tunnels.
   */
  areFewerThan(limits: { readonly own: number; readonly all: number }, owner: string): boolean {
    const claiming = this.#claiming.size;
    const owned = this.#owned.get(owner) ?? 0;
    return owned + claiming < limits.own && this.#all.size + claiming < limits.all;
  }

  #countOwned(owner: string, more: 1 | -1): void {
    const count = (this.#owned.get(owner) ?? 0) + more;
    if (count === 0) this.#owned.delete(owner);
    else this.#owned.set(owner, count);
  }

  #isSucceeded(tunnel: Tunnel): boolean {
    if (this.#succeeded.get(clientKey(tunnel)) !== tunnel) return false;
    return this.#holders.ofClient(tunnel.name, tunnel.info) !== undefined;
  }

  /**
   * Claims its name for a tunnel that has no session yet. {@link add} or {@link withdraw} has to follow. The
   * answer comes later only if the directory's does. After `registrationTimeoutMs` it is a refusal.
   */
  claim(tunnel: Tunnel, terms: ClaimTerms): ClaimResult | Promise<ClaimResult> {
    const answer = this.#directory.claim(tunnel, terms);
    if (!isLater(answer)) return checkClaim(answer);
    return this.#awaitClaim(tunnel, Promise.resolve(answer).then(checkClaim));
  }

  async #awaitClaim(tunnel: Tunnel, answer: Promise<ClaimResult>): Promise<ClaimResult> {
    // The tunnel counts for its token from now on. Otherwise two claims at once would count as one.
    this.#claiming.add(tunnel);
    const result = await this.#inTime(answer);
    if (result !== "late") return result;
    unattended(this.#options.logger, tunnel.name, () =>
      answer.then((given) => {
        if (!("refused" in given)) this.withdraw(tunnel, given.displaced);
      }),
    );
    return { refused: { code: closeCodes.tryAgainLater, reason: cannotTellReason } };
  }

  async #inTime<T>(answer: Promise<T>): Promise<T | "late"> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<"late">((resolve) => {
      timer = setTimeout(resolve, this.#options.registrationTimeoutMs, "late" as const).unref();
    });
    return await Promise.race([answer, late]).finally(() => clearTimeout(timer));
  }

  /**
   * Whether a client has the name, or the name is kept for one. `undefined` when the directory does not
   * say so within `registrationTimeoutMs`.
   */
  async isTaken(name: string): Promise<boolean | undefined> {
    const found = await this.#inTime(Promise.resolve(this.#directory.find(name)));
    return found === "late" ? undefined : found !== undefined;
  }

  /**
   * Releases the name of a registration that becomes no tunnel. `displaced` has lost the name all the same.
   */
  withdraw(tunnel: Tunnel, displaced: readonly Claimant[]): void {
    this.#claiming.delete(tunnel);
    this.#release(tunnel);
    this.#displace(displaced, tunnel);
  }

  /**
   * The tunnel has its name and its session. `displaced`, which had the name until now, learns why it lost
   * it.
   */
  add(tunnel: Tunnel, displaced: readonly Claimant[]): void {
    const { logger } = this.#options;
    const { name, url, address, client, gate } = tunnel.info;
    this.#claiming.delete(tunnel);
    this.#all.add(tunnel);
    this.#countOwned(tunnel.info.owner, 1);
    tunnel.meter = this.#meters.enter(tunnel.info);
    this.#holders.add(tunnel);
    this.#displace(displaced, tunnel);
    this.#tell("registered", tunnel);
    logger.info(
      {
        name,
        url,
        address,
        wire: tunnel.wire,
        token: tunnel.info.grant?.id,
        gate: gateText(gate?.kinds),
        client: client === undefined ? undefined : printable(`${client.name} ${client.version}`),
      },
      "tunnel registered",
    );
    tunnel.tellRefusals(this.#untold.take(tunnel.info));
    this.#changed(tunnel);
  }

  /**
   * Tells the clients to register elsewhere. Open exchanges go on. The registrar tells the clients that are
   * about to be added, because it looks at {@link draining}.
   */
  drain(): void {
    this.#draining = true;
    for (const tunnel of this.#all) {
      tunnel.drain();
      // Requests from elsewhere wait until the client is at another relay.
      this.#changed(tunnel);
    }
  }

  /** Resolves when no request is open on any tunnel, whoever brought it. */
  async idle(): Promise<void> {
    for (;;) {
      const busy = [...this.#all].filter((tunnel) => tunnel.streamCount > 0);
      if (busy.length === 0) return;
      await Promise.all(busy.map(async (tunnel) => await tunnel.session?.idle()));
    }
  }

  /** Ends every tunnel. */
  close(): void {
    for (const tunnel of [...this.#all]) tunnel.close(closeCodes.goingAway, goingAway);
  }

  /** Closes every tunnel of `name` for good, at the operator's wish. False when there is none. */
  disconnect(name: string): boolean {
    const reason = "disconnected by the operator";
    const tunnels = [...this.#all, ...this.#claiming].filter((tunnel) => tunnel.name === name);
    for (const tunnel of tunnels) {
      this.#dismiss(tunnel, reason);
      // A client that is only cut off would be back at once.
      tunnel.close(closeCodes.authenticationFailed, reason);
    }
    return tunnels.length > 0;
  }

  /**
   * Closes every tunnel of the token whose grant has the id `token`: another relay has heard that it ends.
   * With `allowed` the token has only lost names, and keeps the tunnels whose names these patterns grant.
   */
  revoke(token: string, allowed?: readonly string[]): void {
    for (const tunnel of [...this.#all, ...this.#claiming]) {
      if (tunnel.info.grant?.id !== token) continue;
      if (allowed !== undefined && grants(allowed, tunnel.name)) continue;
      const reason = allowed === undefined ? revokedReason : unauthorizedReason(tunnel.name);
      this.onRevoked(tunnel, reason);
      tunnel.close(closeCodes.authenticationFailed, reason);
    }
  }

  /** Tells the observers that a client was refused a tunnel. */
  tellRefused(applicant: Pick<TunnelEvent, "name" | "token" | "address">, reason: string): void {
    const { name, token, address } = applicant;
    this.#observers.onTunnelEvent({ type: "refused", name, token, address, reason, by: undefined });
  }

  #tell(type: TunnelEventType, tunnel: Tunnel, reason?: string, by?: string): void {
    const { name, address, info } = tunnel;
    this.#observers.onTunnelEvent({ type, name, token: info.grant?.id, address, reason, by });
  }

  /** Keeps the reason, so that a client whose connection is lost hears it when it returns. */
  #dismiss(tunnel: Tunnel, reason: string): void {
    if (tunnel.info.session === undefined) return;
    this.sessions.delete(tunnel.info.session, { code: closeCodes.authenticationFailed, reason });
  }

  #displace(displaced: readonly Claimant[], by: Tunnel): void {
    for (const claimant of displaced) {
      unattended(this.#options.logger, by.name, () => claimant.displace(by.info));
    }
  }

  #changed(tunnel: Tunnel): void {
    unattended(this.#options.logger, tunnel.name, () => this.#directory.changed(tunnel));
  }

  #release(tunnel: Tunnel): void {
    this.#holders.delete(tunnel);
    unattended(this.#options.logger, tunnel.name, () => this.#directory.release(tunnel));
  }

  // ---- from the tunnels

  onDisplaced(tunnel: Tunnel, by: ClientIdentity): void {
    const { name } = tunnel;
    this.#holders.delete(tunnel);
    const isTold = this.#all.has(tunnel);
    const succeeded = this.#succeeded.get(clientKey(tunnel));
    const own = succeeded?.isOfClient(tunnel.info) === true ? succeeded : undefined;
    if (!tunnel.isOfClient(by)) {
      // The log and the observers do not know a tunnel that has no session yet.
      if (isTold) {
        const { address } = tunnel;
        this.#options.logger.warn({ name, address, by: by.address }, "tunnel evicted");
        this.#tell("evicted", tunnel, evictedReason, by.address);
      }
      this.#evict(tunnel);
      // The client is evicted, so its other tunnel of this name ends as well.
      if (own !== undefined) this.#evict(own);
      return;
    }
    if (tunnel.isMoving && isTold) {
      // One at a time: a client that moves again has had its time to finish its older exchanges.
      own?.close(closeCodes.goingAway, "the same client has moved again");
      this.#succeeded.set(clientKey(tunnel), tunnel);
    }
    tunnel.replace();
  }

  /** A client whose connection is lost hears of it when it returns. */
  #evict(tunnel: Tunnel): void {
    const verdict = { code: closeCodes.evicted, reason: evictedReason };
    if (tunnel.info.session !== undefined) this.sessions.delete(tunnel.info.session, verdict);
    tunnel.evict();
  }

  onAway(tunnel: Tunnel, cause: TunnelError): void {
    this.#options.logger.info({ name: tunnel.name, reason: printable(cause.message) }, "tunnel away");
    this.#tell("away", tunnel, cause.message);
    this.#changed(tunnel);
  }

  onBack(tunnel: Tunnel): void {
    this.#tell("resumed", tunnel);
    this.#changed(tunnel);
  }

  onLost(tunnel: Tunnel, reason: string): void {
    this.#tell("lost", tunnel, reason);
  }

  onRevoked(tunnel: Tunnel, reason: string): void {
    const { name, grant } = tunnel.info;
    this.#options.logger.warn({ name, token: grant?.id, reason }, "tunnel closed by its token");
    this.#tell("revoked", tunnel, reason);
    this.#dismiss(tunnel, reason);
  }

  onLeaving(tunnel: Tunnel): void {
    this.#options.logger.info({ name: tunnel.name, streams: tunnel.session?.streamCount }, "tunnel leaving");
    this.#release(tunnel);
  }

  onClosed(tunnel: Tunnel, cause: TunnelError): void {
    const isEvicted = this.#holders
      .of(tunnel.name)
      .some((holder) => holder !== tunnel && !["own", "fellow"].includes(meet(tunnel.info, holder.info)));
    const verdict = isEvicted ? { code: closeCodes.evicted, reason: evictedReason } : undefined;
    if (tunnel.info.session !== undefined) this.sessions.delete(tunnel.info.session, verdict);
    if (this.#all.delete(tunnel)) {
      this.#countOwned(tunnel.info.owner, -1);
      this.#meters.leave(tunnel.info);
    }
    if (this.#succeeded.get(clientKey(tunnel)) === tunnel) this.#succeeded.delete(clientKey(tunnel));
    this.#tell("closed", tunnel, cause.message);
    this.#options.logger.info({ name: tunnel.name, reason: printable(cause.message) }, "tunnel closed");
    // Late, because this wakes the requests that wait, and they look for a successor.
    this.#release(tunnel);
    this.#passOnRefusals(tunnel);
  }

  /**
   * Gives the refusals that the client of an ended tunnel has not heard to the tunnel that it has now, or
   * keeps them for its next one.
   */
  #passOnRefusals(tunnel: Tunnel): void {
    const refusals = tunnel.takeRefusals();
    const next = this.#holders.ofClient(tunnel.name, tunnel.info);
    if (next !== undefined) next.tellRefusals(refusals);
    // A client that has said that it leaves has no next one.
    else if (!tunnel.isLeft) this.#untold.keep(tunnel.info, refusals);
  }

  onOverloaded(tunnel: Tunnel): void {
    this.#limits.hit("queued_bytes", whoseOf(tunnel));
    // The session does not say which request's stream it was, and mostly an answer had begun.
    const cut = { code: "tunnel_overloaded", status: undefined, method: "", path: "" } as const;
    tellRefusal(tunnel, cut, refusalLimit("maxQueuedBytesPerTunnel", this.#options));
  }

  /** The visitor may be at another relay, so this one counts the request, and tells the client. */
  onRateLimited(tunnel: Tunnel, { method, path }: RequestHead, limit: number): void {
    this.#limits.hit("requests_per_token", whoseOf(tunnel));
    const refused = { code: "tunnel_rate_limited", status: 429, method, path } as const;
    const option = refusalLimit("maxTokenRequestsPerSecond", this.#options);
    // The token may have a limit of its own.
    tellRefusal(tunnel, refused, { ...option, value: limit });
  }

  onSlowed(tunnel: Tunnel): void {
    this.#limits.hit("bytes_per_token", whoseOf(tunnel));
  }

  onFault(tunnel: Tunnel, error: unknown): void {
    reportFault(this.#options.logger, tunnel.name, error);
  }
}

function clientKey({ name, info }: Tunnel): string {
  return `${info.instance ?? ""} ${name}`;
}

/** Whose tunnel a limit took effect on, for the log and observers. */
function whoseOf({ name, address, info }: Tunnel): {
  name: string;
  address: string;
  token: string | undefined;
} {
  return { name, address, token: info.grant?.id };
}
