import { randomBytes } from "node:crypto";
import {
  abortSignal,
  callback,
  checkLiveness,
  checkOptions,
  maxNameLength,
  maxTimerMs,
  maxTokenLength,
  flag,
  flagOr,
  loggerShape,
  milliseconds,
  objectWith,
  oneOf,
  text,
  unusable,
  wholeNumber,
} from "mcp-tunnel-protocol";
import type { LivenessOptions, Logger } from "mcp-tunnel-protocol";
import { relayShapes, resolveRelay } from "./relay-place.js";
import type { RelayConnectionOptions, RelayPlace } from "./relay-place.js";
import type { ObserveExchange } from "./service/observer.js";
import type { Service } from "./service/service.js";
import { formNames, resolveService, serviceShapes } from "./service-options.js";
import type { ResolvedService, ServiceOptions } from "./service-options.js";

/** Picks a name when the relay offers patterns. Each pattern has at most one `*`. */
export type PickSubdomain = (patterns: readonly string[]) => string | Promise<string>;

/** Whether the first connection is tried for again: always, never, or while there is hope. */
export type WaitForRelay = boolean | "unless_hopeless";

/**
 * How the relay is reached, and what is served: exactly one of `service` and the forms in
 * {@link ServiceOptions}.
 */
export interface TunnelClientOptions extends ServiceOptions, RelayConnectionOptions {
  /**
   * A service that the client does not make itself: a service of `createService` in a wrapper, or one of the
   * user's own. The client owns it from then on, and closes it.
   */
  service?: Service;
  /**
   * The token by which the relay knows this client. Default: a random token, which an open relay accepts. The
   * name that is derived from a random token changes with each start.
   */
  token?: string;
  /**
   * The name to ask for. Default: the relay decides, or offers patterns to pick from. If the token allows
   * exactly one name, the relay gives that name, also if the client asks for another, and does not say so:
   * the client's `subdomain` is the name that it got. If the token allows several names, and not the one that
   * was asked for, the relay offers them. See {@link strictSubdomain}.
   */
  subdomain?: string;
  /**
   * Whether the client wants {@link subdomain} or nothing. If the relay gives another name, or offers some,
   * `start` rejects with `refused`, and no visitor has been served. The relay has evicted another client of
   * the name that it gave by then. Default false.
   */
  strictSubdomain?: boolean;
  /**
   * What happens if another client has the name. `take` (default) takes the name: the other client is
   * evicted, and ends. `if_free` does not, and `start` rejects with `taken`. A name that the relay keeps for
   * a client that has lost its connection (a minute, by default) is not free either. A relay that is too old
   * for this, or an original, is told nothing, and `start` rejects with `unsupported`. `if_free` is about the
   * first registration. A client that comes back after a loss never takes a name from another.
   */
  claim?: "take" | "if_free";
  /**
   * Whether the client shares its name with other clients: all that have the same {@link token} and gate, and
   * this option. The relay gives each request to one of them. A session of an MCP server stays with the
   * client whose server has begun it. A client without this option takes the name from all of them. `claim`
   * says what happens if a client of another token, or one without this option, has the name. `start` rejects
   * with `refused` if the others have another gate, and with `unsupported` if the relay is too old. The
   * option needs a token. It cannot be used with OAuth, because each client knows only the visitors that it
   * has let in itself. Default false.
   */
  pool?: boolean;
  /** Chooses from the relay's offer. Default: the only pattern if it has no `*`, an error otherwise. */
  pick?: PickSubdomain;
  /**
   * Whether the client tries again when its first connection fails, as it does after a loss. Default false:
   * `startTunnelClient` rejects when the relay cannot be reached. `"unless_hopeless"`: it tries again, but
   * rejects once three attempts in a row, a second apart, have failed for a reason that does not pass by
   * itself (see `isHopeless` of the error).
   */
  waitForRelay?: WaitForRelay;
  /** How long to try to come back after a loss, in milliseconds. Default Infinity: never give up. */
  maxReconnectTimeMs?: number;
  /** How long `close()` lets open requests finish, in milliseconds. Default 30,000. */
  shutdownGraceMs?: number;
  /**
   * Most requests and upgraded connections that are open at the same time. More are refused with 503. Default
   * 1,024.
   */
  maxStreams?: number;
  /**
   * How long the relay may take to open the WebSocket, and again to answer the registration, in milliseconds.
   * The error is `unreachable` if the WebSocket does not open in time, also if a peer accepts the connection
   * and says nothing. It is `timeout` if the WebSocket is open and the registration gets no answer. Default
   * 10,000.
   */
  registerTimeoutMs?: number;
  /**
   * When the connection to the relay counts as dead. Default: a ping after 15 s of silence, 10 s to answer.
   */
  liveness?: LivenessOptions;
  /**
   * Called for each exchange as it begins. The observer that it returns is told of heads, bytes and ends as
   * they pass. Default: no observer, and no cost.
   */
  observeExchange?: ObserveExchange;
  /**
   * Closes the client when it is aborted, as `close` does: open requests finish within `shutdownGraceMs`.
   * While the client is starting, or if the signal is aborted before, `start` rejects with `ABORT_ERR`.
   * Default: no signal.
   * @example startTunnelClient({ port: 3000, relayUrl, signal: AbortSignal.timeout(60_000) })
   */
  signal?: AbortSignal;
  /**
   * Told what the client does: each of its events, and each attempt. Requests are lines of `debug`, without
   * their queries and fields. What the logger throws becomes an uncaught exception, as with a listener.
   * Default: nothing is logged.
   */
  logger?: Logger;
}

/** {@link TunnelClientOptions}, checked and complete. */
export interface ResolvedOptions extends ResolvedService {
  readonly relay: RelayPlace;
  readonly token: string;
  readonly subdomain: string | undefined;
  readonly strictSubdomain: boolean;
  readonly claim: "take" | "if_free";
  readonly pool: boolean;
  readonly pick: PickSubdomain | undefined;
  readonly waitForRelay: WaitForRelay;
  readonly maxReconnectTimeMs: number;
  readonly shutdownGraceMs: number;
  readonly maxStreams: number;
  readonly registerTimeoutMs: number;
  readonly liveness: LivenessOptions;
  readonly observeExchange: ObserveExchange | undefined;
  readonly signal: AbortSignal | undefined;
  readonly logger: Logger | undefined;
}

/** The type of each option. The content of a text is checked where the text is read. */
const shapes = {
  ...serviceShapes,
  service: objectWith<Service>(["accept", "close"]).optional(),
  ...relayShapes,
  token: text().optional(),
  subdomain: text().optional(),
  strictSubdomain: flag.optional(),
  claim: oneOf(["take", "if_free"]).optional(),
  pool: flag.optional(),
  pick: callback().optional(),
  waitForRelay: flagOr("unless_hopeless").optional(),
  maxReconnectTimeMs: milliseconds(0).optional(),
  shutdownGraceMs: milliseconds(0).optional(),
  maxStreams: wholeNumber(1).optional(),
  registerTimeoutMs: wholeNumber(1).optional(),
  observeExchange: callback().optional(),
  signal: abortSignal.optional(),
  logger: loggerShape.optional(),
} satisfies Record<Exclude<keyof TunnelClientOptions, "liveness">, unknown>;

/**
 * @throws TunnelError `invalid_option`, with a message that names the option, the given value and what the
 * option takes.
 */
export function resolveOptions(options: TunnelClientOptions): ResolvedOptions {
  checkOptions(options, shapes, { known: [...Object.keys(shapes), "liveness"] });
  if (options.liveness !== undefined) checkLiveness(options.liveness);
  if (options.pool === true && options.token === undefined) {
    throw unusable("pool needs a token: the clients of a pool know one another by it", {
      options: ["pool", "token"],
    });
  }
  if (options.pool === true && options.service?.gate?.kinds.includes("oauth") === true) {
    throw unusable(
      "pool cannot be used with a gate with OAuth: each client knows only the visitors that it has let in " +
        "itself. Give all clients of the pool a gate with the same keys (bearer) or passwords (basic)",
      { options: ["pool", "service"] },
    );
  }
  return {
    ...resolveService(options, [...formNames, "service"]),
    relay: resolveRelay(options),
    token: resolveToken(options.token),
    subdomain: options.subdomain === undefined ? undefined : checkSubdomain(options.subdomain),
    strictSubdomain: options.strictSubdomain ?? false,
    claim: options.claim ?? "take",
    pool: options.pool ?? false,
    pick: options.pick,
    waitForRelay: options.waitForRelay ?? false,
    maxReconnectTimeMs: options.maxReconnectTimeMs ?? Infinity,
    shutdownGraceMs: Math.min(options.shutdownGraceMs ?? 30_000, maxTimerMs),
    maxStreams: options.maxStreams ?? 1_024,
    registerTimeoutMs: Math.min(options.registerTimeoutMs ?? 10_000, maxTimerMs),
    liveness: options.liveness ?? {},
    observeExchange: options.observeExchange,
    signal: options.signal,
    logger: options.logger,
  };
}

/**
 * The given token, or a random one.
 * @throws TunnelError `invalid_option`.
 */
export function resolveToken(token: string | undefined): string {
  if (token === undefined) return randomBytes(18).toString("base64url");
  if (token === "") throw unusable("the token is empty: leave it out or give one", { options: ["token"] });
  if (token.length > maxTokenLength) {
    throw unusable(`the token is longer than ${maxTokenLength.toLocaleString("en")} characters`, {
      options: ["token"],
    });
  }
  return token;
}

/** @throws TunnelError `invalid_option`. */
export function checkSubdomain(subdomain: string): string {
  if (subdomain === "") {
    throw unusable("the subdomain is empty: leave it out to let the relay choose", {
      options: ["subdomain"],
    });
  }
  // The relay knows which names it allows. This check only keeps out texts that no host name can begin with.
  if (subdomain.length > maxNameLength || !/^[\w-]+$/.test(subdomain)) {
    throw unusable(
      `the subdomain '${subdomain}' is not a name: up to ${maxNameLength} letters, digits and inner hyphens`,
      { options: ["subdomain"] },
    );
  }
  return subdomain;
}
