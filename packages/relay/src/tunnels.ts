import { closeCodes, evictedReason, type TunnelError } from "mcp-tunnel-protocol";
import type { Holds } from "./holds.js";
import { reportFault } from "./http/report.js";
import type { LimitReporter } from "./limits/limit-reporter.js";
import { printable } from "./log.js";
import type { TunnelEvent } from "./observer.js";
import type { Observers } from "./observers.js";
import type { ResolvedRelayOptions } from "./options.js";
import type { TunnelRegistry } from "./registry.js";
import { ResumableSessions } from "./resumption.js";
import { goingAway, type Tunnel, type TunnelObserver } from "./tunnel.js";

/** All tunnels that have a session, those that no longer hold their name included. */
export class Tunnels implements TunnelObserver {
  /** Those that their clients can come back to. */
  readonly sessions = new ResumableSessions();
  readonly #all = new Set<Tunnel>();
  readonly #options: ResolvedRelayOptions;
  readonly #registry: TunnelRegistry;
  readonly #holds: Holds;
  readonly #observers: Observers;
  readonly #limits: LimitReporter;
  #draining = false;

  constructor(
    options: ResolvedRelayOptions,
    registry: TunnelRegistry,
    holds: Holds,
    observers: Observers,
    limits: LimitReporter,
  ) {
    this.#options = options;
    this.#registry = registry;
    this.#holds = holds;
    this.#observers = observers;
    this.#limits = limits;
  }

  /** They have been told to register elsewhere, and no more should be added. */
  get draining(): boolean {
    return this.#draining;
  }

  /** The tunnel that holds the name. */
  find(name: string): Tunnel | undefined {
    return this.#registry.find(name);
  }

  /** The tunnels that hold their names. */
  *holders(): Iterable<Tunnel> {
    for (const tunnel of this.#all) if (this.#registry.find(tunnel.name) === tunnel) yield tunnel;
  }

  /** Gives the tunnel its name; the one that held it until now learns why it lost it. */
  add(tunnel: Tunnel): void {
    const { logger } = this.#options;
    const { name, url, address, client } = tunnel.info;
    this.#all.add(tunnel);
    const previous = this.#registry.claim(tunnel);
    if (previous !== undefined && !previous.isOfClient(tunnel.info.instance)) {
      logger.warn({ name, address: previous.info.address, by: address }, "tunnel evicted");
      this.tell("evicted");
      previous.evict();
    } else previous?.replace();
    this.tell("registered");
    logger.info(
      {
        name,
        url,
        address,
        wire: tunnel.wire,
        token: tunnel.info.grant?.id,
        client: client === undefined ? undefined : printable(`${client.name} ${client.version}`),
      },
      "tunnel registered",
    );
    this.#holds.wake(name);
  }

  /** Tells the clients to register elsewhere, also those that are about to be added. What is open goes on. */
  drain(): void {
    this.#draining = true;
    for (const tunnel of this.#all) tunnel.drain();
  }

  /** Ends every tunnel. */
  close(): void {
    for (const tunnel of [...this.#all]) tunnel.close(closeCodes.goingAway, goingAway);
  }

  /** Closes the tunnel `name` for good, at the operator's wish; false when there is none. */
  disconnect(name: string): boolean {
    const tunnel = this.#registry.find(name);
    if (tunnel === undefined) return false;
    const reason = "disconnected by the operator";
    this.#dismiss(tunnel, reason);
    // A client that is only cut off would be back at once.
    tunnel.close(closeCodes.authenticationFailed, reason);
    return true;
  }

  /** Tells the observers what happened to a tunnel, or to a registration that became none. */
  tell(event: TunnelEvent): void {
    this.#observers.onTunnelEvent(event);
  }

  /** Sees to it that a client whose connection is lost hears of it when it returns. */
  #dismiss(tunnel: Tunnel, reason: string): void {
    if (tunnel.resumeId === undefined) return;
    this.sessions.delete(tunnel.resumeId, { code: closeCodes.authenticationFailed, reason });
  }

  // ---- the tunnels' word

  onAway(tunnel: Tunnel, cause: TunnelError): void {
    this.#options.logger.info({ name: tunnel.name, reason: printable(cause.message) }, "tunnel away");
    this.tell("away");
  }

  onBack(tunnel: Tunnel): void {
    this.tell("resumed");
    this.#holds.wake(tunnel.name);
  }

  onLost(): void {
    this.tell("lost");
  }

  onRevoked(tunnel: Tunnel, reason: string): void {
    const { name, grant } = tunnel.info;
    this.#options.logger.warn({ name, token: grant?.id, reason }, "tunnel closed by its token");
    this.tell("revoked");
    this.#dismiss(tunnel, reason);
  }

  onLeaving(tunnel: Tunnel): void {
    this.#registry.release(tunnel);
  }

  onClosed(tunnel: Tunnel, cause: TunnelError): void {
    // Whoever holds the name now is none of this tunnel's business.
    const holder = this.#registry.find(tunnel.name);
    const evicted = holder !== undefined && holder !== tunnel && !holder.isOfClient(tunnel.info.instance);
    const verdict = evicted ? { code: closeCodes.evicted, reason: evictedReason } : undefined;
    if (tunnel.resumeId !== undefined) this.sessions.delete(tunnel.resumeId, verdict);
    this.#registry.release(tunnel);
    this.#all.delete(tunnel);
    this.tell("closed");
    this.#options.logger.info({ name: tunnel.name, reason: printable(cause.message) }, "tunnel closed");
    // Last, so that those who waited find the successor or nobody.
    this.#holds.wake(tunnel.name);
  }

  onOverloaded({ name }: Tunnel): void {
    this.#limits.hit("queued_bytes", { name });
  }

  onFault(tunnel: Tunnel, error: unknown): void {
    reportFault(this.#options.logger, tunnel.name, error);
  }
}
