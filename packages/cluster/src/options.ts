import {
  callback,
  checkLiveness,
  checkOptions,
  type LivenessOptions,
  type Logger,
  loggerShape,
  milliseconds,
  objectWith,
  passing,
  silentLogger,
  someObject,
  text,
} from "mcp-tunnel-protocol";
import { defaultTimes, type Engine } from "./engine/engine.js";
import type { PeerLinksOptions } from "./peers/peer-links.js";

/** What {@link createMember} takes. */
export interface MemberOptions extends Omit<PeerLinksOptions, "node"> {
  /** Where the relays keep their names. The member closes it when it leaves. */
  readonly engine: Engine;
  /**
   * How long the engine counts a relay as alive that it does not hear of, in milliseconds: what the engine
   * was given as `EngineTimes.leaseMs`. The lease is renewed three times as often. Default 6,000, as there.
   */
  readonly leaseMs?: number | undefined;
  /**
   * Given if all relays of the cluster end at the same time, as the processes of one machine do. A relay that
   * drains then goes on doing what the others need: its tunnels take their requests, and it keeps the links
   * of clients whose sessions they have. It calls this function when nothing is open at it, and ends when the
   * promise is resolved: when nothing is open at any of them. Default: each relay ends for itself.
   */
  readonly endTogether?: (() => Promise<void>) | undefined;
  /** When links of clients whose sessions other relays have count as dead. Default: see LivenessOptions. */
  readonly clientLiveness?: LivenessOptions | undefined;
}

/** Options that are checked and complete. */
export interface ResolvedMemberOptions extends MemberOptions {
  readonly leaseMs: number;
  readonly logger: Logger;
}

const shapes = {
  engine: objectWith<Engine>(["join", "renew", "leave", "find", "claim", "release", "reconcile", "watch"]),
  secret: passing((value) => typeof value === "string" || Buffer.isBuffer(value), "a string or a Buffer"),
  listen: someObject("an object with a host and a port, or with a path"),
  advertise: text().optional(),
  tls: someObject("an object with a key and certificates").optional(),
  liveness: someObject("an object").optional(),
  resumeTimeoutMs: milliseconds(0).optional(),
  handshakeTimeoutMs: milliseconds(1).optional(),
  logger: loggerShape.optional(),
  leaseMs: milliseconds(100, 600_000).optional(),
  clientLiveness: someObject("an object").optional(),
  endTogether: callback().optional(),
} satisfies Record<keyof MemberOptions, unknown>;

/**
 * Checks the options and completes them. What the secret, the addresses and the certificates have to be, the
 * links between relays check.
 * @throws TunnelError `invalid_option`.
 */
export function resolveOptions(options: MemberOptions): ResolvedMemberOptions {
  checkOptions(options, shapes);
  if (options.clientLiveness !== undefined) checkLiveness(options.clientLiveness);
  return {
    ...options,
    leaseMs: options.leaseMs ?? defaultTimes.leaseMs,
    logger: options.logger ?? silentLogger,
  };
}
