import { describeValue, maxFields, maxTimerMs, type RefusalLimit, unusable } from "mcp-tunnel-protocol";
import { exactBytes, formatDuration } from "mcp-tunnel-shared";

/**
 * Every limit of the relay. Each is checked before memory is spent, and each that bites is told to
 * {@link RelayObserver.onLimit}.
 */
export interface LimitOptions {
  /** Connections open at once, visitors' and clients'. More are closed as they come. Default 10,000. */
  maxConnections?: number;
  /** The same from one address (IPv4) or /64 (IPv6). A trusted proxy's own do not count. Default 1,000. */
  maxConnectionsPerAddress?: number;
  /** Requests and upgraded connections open at once from one address (or /64), over all tunnels. Default 500. */
  maxRequestsPerAddress?: number;
  /** How long a connection may lie idle between two requests. Default 75,000: proxies keep theirs for 60 s. */
  idleTimeoutMs?: number;
  /** Requests and WebSockets open at once over one HTTP/2 connection. Default 100. */
  maxStreamsPerConnection?: number;
  /**
   * Requests over one HTTP/2 connection that its visitor may give up in a second before they are answered, and ten times as
   * many at once: a browser that leaves a page gives up what it was loading. Beyond it the connection is closed.
   * Default 20.
   */
  maxResetsPerSecond?: number;
  /** Longest request head, request line included. Default 32,768. */
  maxHeaderBytes?: number;
  /** Most fields in a request head. Default 256. */
  maxHeaderCount?: number;
  /** Longest request target. Default 16,384. */
  maxUrlBytes?: number;
  /** How long a request head may take, and a TLS handshake. Default 15,000. */
  headerTimeoutMs?: number;
  /** Longest request body. Default 5,242,880. */
  maxRequestBodyBytes?: number;
  /** Longest pause within a request body, until its response has begun. Default 60,000. */
  bodyTimeoutMs?: number;
  /** Longest response body; event streams and upgraded connections are exempt. Default 10,485,760. */
  maxResponseBodyBytes?: number;
  /**
   * Wait for a response head after the request's last byte, and how long a tunnel may take nothing of what a visitor
   * sends. Default 600,000: MCP tool calls are long.
   */
  responseTimeoutMs?: number;
  /** How long a visitor may take nothing of a response that waits for it. Default 60,000. */
  writeTimeoutMs?: number;
  /** Streams that one tunnel carries at once. Default 1,024. */
  maxStreamsPerTunnel?: number;
  /**
   * Bytes that one tunnel holds for slow visitors, and requests not whole yet (JSON wire). Beyond it the stream with
   * the most is cut. Default 67,108,864.
   */
  maxQueuedBytesPerTunnel?: number;
  /** How many requests for one name wait at once for its client to come back. Default 256. */
  maxHeldRequests?: number;
  /**
   * What all requests that wait may hold, over all names; each counts 8,192 bytes and what its body may fill of the
   * buffers. Default 67,108,864.
   */
  maxHeldBytes?: number;
  /** How long they wait. Default 15,000. */
  holdTimeoutMs?: number;
  /**
   * How long after the start a request for a name that nobody has registered waits for it: after a restart the clients need a moment
   * to come back. Default 2,000.
   */
  startupHoldMs?: number;
  /** How long the session of a lost connection is kept for its client. Default 60,000. */
  resumeTimeoutMs?: number;
  /**
   * Largest WebSocket message of a client. Default 16,777,216, or what a 0.1 client needs for a body of twice
   * `maxResponseBodyBytes`, whichever is more: it sends each body whole.
   */
  maxMessageBytes?: number;
  /** Most fragments of one WebSocket message. Default 1,024. */
  maxMessageFragments?: number;
  /** Clients that are connected and not registered yet. The one silent for longest makes way for another. Default 1,024. */
  maxPendingRegistrations?: number;
  /** How long a client may take from connecting to its registration message. Default 5,000. */
  registrationTimeoutMs?: number;
  /** How long a person at the client may take to pick one of the offered names. Default 120,000. */
  pickTimeoutMs?: number;
  /** Registrations per minute, and at once, from one address (or /64). Resumptions do not count. Default 120. */
  maxRegistrationsPerMinute?: number;
  /** Refused tokens per minute, and at once, from one address (or /64); beyond it none is looked at. Default 30. */
  maxFailedTokensPerMinute?: number;
  /** Tunnels at once. Default 5,000. */
  maxTunnels?: number;
  /** Tunnels of one token at once, unless the token has a limit of its own. Default 256. */
  maxTunnelsPerToken?: number;
}

/** The same, complete and checked. */
export type Limits = Required<LimitOptions>;

interface LimitDefinition {
  /** The long option, its environment variable and config key. */
  flag: string;
  unit: "bytes" | "count" | "ms";
  default: number;
  /** What the default depends on; `default` is the least. */
  derived?: string;
  min: number;
  /** For `--help`. */
  text: string;
  /** The name that is counted when it bites; none where an event of its own tells. */
  name?: string;
}

/** In the order of `--help` and of docs/security.md. */
export const limitDefinitions = {
  maxConnections: {
    flag: "max-connections",
    unit: "count",
    default: 10_000,
    min: 1,
    text: "connections at once, visitors' and clients'",
    name: "connections",
  },
  maxConnectionsPerAddress: {
    flag: "max-connections-per-address",
    unit: "count",
    default: 1_000,
    min: 1,
    text: "the same from one IPv4 address or IPv6 /64",
    name: "connections_per_address",
  },
  maxRequestsPerAddress: {
    flag: "max-requests-per-address",
    unit: "count",
    default: 500,
    min: 1,
    text: "requests at once from one address, over all tunnels",
    name: "requests_per_address",
  },
  idleTimeoutMs: {
    flag: "idle-timeout",
    unit: "ms",
    default: 75_000,
    min: 1,
    text: "how long a connection may lie idle between requests",
    name: "idle_time",
  },
  maxStreamsPerConnection: {
    flag: "max-streams-per-connection",
    unit: "count",
    default: 100,
    min: 1,
    text: "requests at once over one HTTP/2 connection",
  },
  maxResetsPerSecond: {
    flag: "max-resets-per-second",
    unit: "count",
    default: 20,
    min: 1,
    text: "HTTP/2 requests that one connection may give up, and ten times as many at once",
    name: "resets",
  },
  maxHeaderBytes: {
    flag: "max-header-size",
    unit: "bytes",
    default: 32_768,
    min: 1_024,
    text: "largest request head",
    name: "header_bytes",
  },
  maxHeaderCount: {
    flag: "max-header-count",
    unit: "count",
    default: 256,
    min: 1,
    text: "most fields in a request head",
    name: "header_count",
  },
  maxUrlBytes: {
    flag: "max-url-length",
    unit: "bytes",
    default: 16_384,
    min: 1,
    text: "longest request target",
    name: "url_length",
  },
  headerTimeoutMs: {
    flag: "header-timeout",
    unit: "ms",
    default: 15_000,
    min: 1,
    text: "how long a request head, or a TLS handshake, may take",
    name: "header_time",
  },
  maxRequestBodyBytes: {
    flag: "max-request-body",
    unit: "bytes",
    default: 5_242_880,
    min: 0,
    text: "largest request body",
    name: "request_body",
  },
  bodyTimeoutMs: {
    flag: "body-timeout",
    unit: "ms",
    default: 60_000,
    min: 1,
    text: "longest pause in a request body before its response begins",
    name: "body_time",
  },
  maxResponseBodyBytes: {
    flag: "max-response-body",
    unit: "bytes",
    default: 10_485_760,
    min: 0,
    text: "largest response body; event streams are exempt",
    name: "response_body",
  },
  responseTimeoutMs: {
    flag: "response-timeout",
    unit: "ms",
    default: 600_000,
    min: 1,
    text: "wait for a response to begin, or for the tunnel to take more of an upload",
    name: "response_time",
  },
  writeTimeoutMs: {
    flag: "write-timeout",
    unit: "ms",
    default: 60_000,
    min: 1,
    text: "how long a visitor may take nothing of a response that waits",
    name: "write_time",
  },
  maxStreamsPerTunnel: {
    flag: "max-streams-per-tunnel",
    unit: "count",
    default: 1_024,
    min: 1,
    text: "requests and upgraded connections of one tunnel at once",
    name: "streams_per_tunnel",
  },
  maxQueuedBytesPerTunnel: {
    flag: "max-queued-bytes-per-tunnel",
    unit: "bytes",
    default: 67_108_864,
    min: 1_048_576,
    text: "what one tunnel holds for slow visitors",
    name: "queued_bytes",
  },
  maxHeldRequests: {
    flag: "max-held-requests",
    unit: "count",
    default: 256,
    min: 0,
    text: "requests for one name that wait for its client to reconnect",
    name: "held_requests",
  },
  maxHeldBytes: {
    flag: "max-held-bytes",
    unit: "bytes",
    default: 67_108_864,
    min: 0,
    text: "what all requests that wait may hold",
  },
  holdTimeoutMs: {
    flag: "hold-timeout",
    unit: "ms",
    default: 15_000,
    min: 0,
    text: "how long requests wait for a client that is reconnecting",
    name: "hold_time",
  },
  startupHoldMs: {
    flag: "startup-hold",
    unit: "ms",
    default: 2_000,
    min: 0,
    text: "how long after the start requests wait for clients that come back to it",
  },
  resumeTimeoutMs: {
    flag: "resume-timeout",
    unit: "ms",
    default: 60_000,
    min: 0,
    text: "how long open exchanges survive a lost connection of their client",
  },
  maxMessageBytes: {
    flag: "max-message-size",
    unit: "bytes",
    default: 16_777_216,
    derived: "16MiB, or more for a larger --max-response-body",
    min: 1_048_576,
    text: "largest WebSocket message of a client",
    name: "message_bytes",
  },
  maxMessageFragments: {
    flag: "max-message-fragments",
    unit: "count",
    default: 1_024,
    min: 1,
    text: "most fragments of one",
    name: "message_fragments",
  },
  maxPendingRegistrations: {
    flag: "max-pending-registrations",
    unit: "count",
    default: 1_024,
    min: 1,
    text: "clients that are connected and not registered yet",
    name: "pending_registrations",
  },
  registrationTimeoutMs: {
    flag: "registration-timeout",
    unit: "ms",
    default: 5_000,
    min: 1,
    text: "how long one may take to register",
    name: "registration_time",
  },
  pickTimeoutMs: {
    flag: "pick-timeout",
    unit: "ms",
    default: 120_000,
    min: 1,
    text: "how long a person may take to pick one of the names on offer",
    name: "pick_time",
  },
  maxRegistrationsPerMinute: {
    flag: "max-registrations-per-minute",
    unit: "count",
    default: 120,
    min: 1,
    text: "registrations from one IPv4 address or IPv6 /64",
    name: "registrations_per_address",
  },
  maxFailedTokensPerMinute: {
    flag: "max-failed-tokens-per-minute",
    unit: "count",
    default: 30,
    min: 1,
    text: "refused tokens from one address, until none is looked at",
    name: "failed_tokens",
  },
  maxTunnels: {
    flag: "max-tunnels",
    unit: "count",
    default: 5_000,
    min: 1,
    text: "tunnels at once",
    name: "tunnels",
  },
  maxTunnelsPerToken: {
    flag: "max-tunnels-per-token",
    unit: "count",
    default: 256,
    min: 1,
    text: "tunnels of one token at once",
    name: "tunnels_per_token",
  },
} as const satisfies Record<keyof LimitOptions, LimitDefinition>;

type NameOf<Definition> = Definition extends { name: infer Name } ? Name : never;

/** What {@link RelayObserver.onLimit} is told. */
export type LimitName = NameOf<(typeof limitDefinitions)[keyof typeof limitDefinitions]>;

/** In their order, for whoever goes through all of them. */
export const limitList = Object.entries(limitDefinitions).map(([key, definition]) => ({
  key: key as keyof Limits,
  ...(definition as LimitDefinition & { name?: LimitName }),
}));

/** The value of a limit as people write it: `5MiB`, `90s`, `1000`. */
export function limitText({ unit }: Pick<LimitDefinition, "unit">, value: number): string {
  switch (unit) {
    case "bytes":
      return exactBytes(value);
    case "ms":
      return formatDuration(value);
    case "count":
      return String(value);
  }
}

/** A limit as clients are told of it, when something is refused in the names of their tunnels. */
export function refusalLimit(key: keyof Limits, limits: Limits): RefusalLimit {
  const { flag: option, unit } = limitDefinitions[key];
  return { option, value: limits[key], unit };
}

/** The largest message that a WebSocket library counts in 32 bits. */
const maxMessage = 0x3fffffff;

const greatest: Partial<Record<keyof Limits, number>> = {
  // What HTTP/2 counts in.
  maxStreamsPerConnection: 0x7fffffff,
  maxHeaderBytes: 1_048_576,
  // What the protocol carries, less what the relay adds.
  maxHeaderCount: maxFields - 48,
  maxMessageBytes: maxMessage,
  maxMessageFragments: 0x7fffffff,
};

/** The least and the greatest value that a limit may have. */
export function limitRange({ key, unit, min }: (typeof limitList)[number]): { min: number; max: number } {
  return { min, max: greatest[key] ?? (unit === "ms" ? maxTimerMs : Number.MAX_SAFE_INTEGER) };
}

/** @throws TunnelError `invalid_option` */
export function resolveLimits(options: LimitOptions): Limits {
  const limits: Partial<Limits> = {};
  for (const limit of limitList) {
    const { key } = limit;
    const { [key]: value = limit.default } = options;
    const { min, max } = limitRange(limit);
    if (!Number.isSafeInteger(value) || value < min || value > max) {
      throw unusable(`${key} is ${describeValue(value)}; it must be a whole number from ${min} to ${max}`, {
        options: [key],
      });
    }
    limits[key] = value;
  }
  const resolved = limits as Limits;
  if (options.maxMessageBytes === undefined) {
    resolved.maxMessageBytes = messageBytesFor(resolved.maxResponseBodyBytes);
  }
  return resolved;
}

/**
 * A 0.1 client sends a whole body in one message. Over the limit it gets a 502 for its visitor as long as the
 * message is at most twice as large; beyond that the connection is closed before the memory is spent.
 */
function messageBytesFor(maxResponseBodyBytes: number): number {
  const twice = Math.ceil((maxResponseBodyBytes * 8) / 3) + 1_048_576;
  return Math.min(Math.max(twice, limitDefinitions.maxMessageBytes.default), maxMessage);
}
