import { closeCodes, evictedReason, type TunnelError } from "mcp-tunnel-protocol";
import { printable } from "mcp-tunnel-shared";
import type { Holds } from "./holds.js";
import { tellRefusal } from "./refusal.js";
import { reportFault } from "../telemetry/report.js";
import type { LimitReporter } from "../telemetry/limit-reporter.js";
import type { TunnelEvent } from "../telemetry/observer.js";
import type { Observers } from "../telemetry/observers.js";
import type { Limits } from "../limits.js";
import type { Logger } from "../telemetry/log.js";
import type { TunnelRegistry } from "./registry.js";
import { ResumableSessions } from "./resumption.js";
import { goingAway, type Tunnel, type TunnelObserver } from "./tunnel.js";
import { UntoldRefusals } from "./untold.js";

/** What the relay can be told about its tunnels (options.ts). */
export interface TunnelsOptions extends Limits {
  readonly logger: Logger;
}

/** All tunnels that have a session, those that no longer hold their name included. */
export class Tunnels implements TunnelObserver {
  /** Those that their clients can come back to. */
  readonly sessions = new ResumableSessions();
  /** In the order in which they were registered. */
  readonly #all = new Set<Tunnel>();
  /** Those that the relay asked to move, and that still have streams while a successor has their name: one for each name. */
  readonly #succeeded = new Map<string, Tunnel>();
  readonly #untold = new UntoldRefusals();
  readonly #options: TunnelsOptions;
  readonly #registry: TunnelRegistry;
  readonly #holds: Holds;
  readonly #observers: Observers;
  readonly #limits: LimitReporter;
  #draining = false;

  constructor(
    options: TunnelsOptions,
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

  /** Every tunnel that is not over, the newest of a name last: who has its name is after those that have lost it or left it. */
  all(): Iterable<Tunnel> {
    return this.#all;
  }

  /**
   * The tunnels that count beside one that takes `name`. Who has the name makes way and does not. One that the relay asked to move
   * does not beside its successor, or no client at its limit could move. One that its client has left does until it is over.
   */
  *countedBeside(name: string): Iterable<Tunnel> {
    const holder = this.#registry.find(name);
    for (const tunnel of this.#all) if (tunnel !== holder && !this.#isSucceeded(tunnel)) yield tunnel;
  }

  #isSucceeded(tunnel: Tunnel): boolean {
    if (this.#succeeded.get(tunnel.name) !== tunnel) return false;
    return this.#registry.find(tunnel.name)?.isOfClient(tunnel.info) === true;
  }

  /** Gives the tunnel its name; the one that held it until now learns why it lost it. */
  add(tunnel: Tunnel): void {
    const { logger } = this.#options;
    const { name, url, address, client } = tunnel.info;
    this.#all.add(tunnel);
    const previous = this.#registry.claim(tunnel);
    if (previous !== undefined) this.#supersede(previous, tunnel);
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
    tunnel.tellRefusals(this.#untold.take(tunnel.info));
    this.#holds.wake(name);
  }

  /** `previous` has just lost its name to `tunnel`. */
  #supersede(previous: Tunnel, tunnel: Tunnel): void {
    const { name } = tunnel;
    const succeeded = this.#succeeded.get(name);
    const own = succeeded?.isOfClient(previous.info) === true ? succeeded : undefined;
    if (!previous.isOfClient(tunnel.info)) {
      const { address } = previous.info;
      this.#options.logger.warn({ name, address, by: tunnel.info.address }, "tunnel evicted");
      this.tell("evicted");
      previous.evict();
      // It is the client that is evicted, with all that it has under this name.
      own?.evict();
      return;
    }
    if (previous.isMoving) {
      // One at a time: a client that moves again has had its time to finish what it had before.
      own?.close(closeCodes.goingAway, "the same client has moved again");
      this.#succeeded.set(name, previous);
    }
    previous.replace();
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

  /** Closes all that goes by `name` for good, at the operator's wish; false when there is nothing. */
  disconnect(name: string): boolean {
    const reason = "disconnected by the operator";
    const tunnels = [...this.#all].filter((tunnel) => tunnel.name === name);
    for (const tunnel of tunnels) {
      this.#dismiss(tunnel, reason);
      // A client that is only cut off would be back at once.
      tunnel.close(closeCodes.authenticationFailed, reason);
    }
    return tunnels.length > 0;
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
    this.#options.logger.info({ name: tunnel.name, streams: tunnel.session?.streamCount }, "tunnel leaving");
  }

  onClosed(tunnel: Tunnel, cause: TunnelError): void {
    // Whoever holds the name now is none of this tunnel's business.
    const holder = this.#registry.find(tunnel.name);
    const evicted = holder !== undefined && holder !== tunnel && !holder.isOfClient(tunnel.info);
    const verdict = evicted ? { code: closeCodes.evicted, reason: evictedReason } : undefined;
    if (tunnel.resumeId !== undefined) this.sessions.delete(tunnel.resumeId, verdict);
    this.#registry.release(tunnel);
    this.#all.delete(tunnel);
    if (this.#succeeded.get(tunnel.name) === tunnel) this.#succeeded.delete(tunnel.name);
    this.tell("closed");
    this.#options.logger.info({ name: tunnel.name, reason: printable(cause.message) }, "tunnel closed");
    // Late, so that those who waited find the successor or nobody.
    this.#holds.wake(tunnel.name);
    this.#passOnRefusals(tunnel);
  }

  /**
   * What the client of a tunnel that is over has not heard is for the tunnel that it has now, or will have.
   */
  #passOnRefusals(tunnel: Tunnel): void {
    const refusals = tunnel.takeRefusals();
    const holder = this.#registry.find(tunnel.name);
    if (holder?.isOfClient(tunnel.info) === true) holder.tellRefusals(refusals);
    // A process that has said goodbye has no other.
    else if (!tunnel.isLeft) this.#untold.keep(tunnel.info, refusals);
  }

  onOverloaded(tunnel: Tunnel): void {
    this.#limits.hit("queued_bytes", { name: tunnel.name });
    const limit = "maxQueuedBytesPerTunnel";
    // The session does not say whose stream it was, and mostly an answer had begun.
    const cut = { code: "tunnel_overloaded", status: undefined, method: "", path: "", limit } as const;
    tellRefusal(tunnel, cut, this.#options);
  }

  onFault(tunnel: Tunnel, error: unknown): void {
    reportFault(this.#options.logger, tunnel.name, error);
  }
}
