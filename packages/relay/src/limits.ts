import { describeValue, maxFields, maxTimerMs, type RefusalLimit, unusable } from "mcp-tunnel-protocol";
import { exactBytes, formatDuration } from "mcp-tunnel-shared";

/**
 * Every limit of the relay. The relay checks each limit before it spends memory. A limit that takes effect is
 * reported to {@link RelayObserver.onLimit}.
 */
export interface LimitOptions {
  /**
   * Open connections of visitors and clients together. Further ones are closed as they come. Default 10,000.
   */
  maxConnections?: number;
  /**
   * Open connections from one IPv4 address or IPv6 /64. Those of a trusted proxy do not count. Default 1,000.
   */
  maxConnectionsPerAddress?: number;
  /**
   * Requests and upgraded connections open at once from one address (or /64), over all tunnels. Default 500.
   */
  maxRequestsPerAddress?: number;
  /**
   * How long a connection may lie idle between two requests. Default 75,000, because proxies keep theirs for
   * 60 s.
   */
  idleTimeoutMs?: number;
  /** Requests and WebSockets open at once over one HTTP/2 connection. Default 100. */
  maxStreamsPerConnection?: number;
  /**
   * Requests over one HTTP/2 connection that its visitor may cancel each second before they are answered. Ten
   * times as many may come at once, because a browser that leaves a page cancels all that it was loading.
   * Beyond that the relay closes the connection. Default 20.
   */
  maxResetsPerSecond?: number;
  /** Longest request head, request line included. Default 32,768. */
  maxHeaderBytes?: number;
  /** Most fields in a request head. Default 256. */
  maxHeaderCount?: number;
  /** Longest request target. Default 16,384. */
  maxUrlBytes?: number;
  /** How long a request head, or a TLS handshake, may take. Default 15,000. */
  headerTimeoutMs?: number;
  /** Longest request body. Default 5,242,880. */
  maxRequestBodyBytes?: number;
  /** Longest pause within a request body, until its response has begun. Default 60,000. */
  bodyTimeoutMs?: number;
  /** Longest response body; event streams and upgraded connections are exempt. Default 10,485,760. */
  maxResponseBodyBytes?: number;
  /**
   * How long the relay waits for a response head after the request's last byte, and how long a tunnel may
   * accept nothing of what a visitor sends. Default 600,000, because MCP tool calls are long.
   */
  responseTimeoutMs?: number;
  /** How long a visitor may read nothing while response data waits for it. Default 60,000. */
  writeTimeoutMs?: number;
  /** Streams that one tunnel carries at once. Default 1,024. */
  maxStreamsPerTunnel?: number;
  /**
   * Bytes that one tunnel holds: data for slow visitors and, on the JSON wire, requests that are not complete
   * yet. Beyond it the relay cuts the stream that holds the most. Default 67,108,864.
   */
  maxQueuedBytesPerTunnel?: number;
  /** How many requests for one name wait at once for its client to come back. Default 256. */
  maxHeldRequests?: number;
  /**
   * Memory that the requests that wait for their clients may hold, over all names, and as much again those
   * that wait for the answer of a directory or a judge. Each request counts 8,192 bytes and the part of the
   * buffers that its body may fill. Default 67,108,864.
   */
  maxHeldBytes?: number;
  /** How long a request waits for a client to come back. Default 15,000. */
  holdTimeoutMs?: number;
  /**
   * How long after the relay's start a request for an unregistered name waits for its client, because after a
   * restart the clients need a moment to come back. Default 2,000.
   */
  startupHoldMs?: number;
  /** How long the relay keeps the session of a lost connection for its client. Default 60,000. */
  resumeTimeoutMs?: number;
  /**
   * Largest WebSocket message of a client. Default 16,777,216, or more if a 0.1 client needs more for a body
   * of twice `maxResponseBodyBytes`: such a client sends each body in one message.
   */
  maxMessageBytes?: number;
  /** Most fragments of one WebSocket message. Default 1,024. */
  maxMessageFragments?: number;
  /**
   * Connected clients that have not registered yet. Beyond it the relay closes the client that has been
   * silent for longest. Default 1,024.
   */
  maxPendingRegistrations?: number;
  /** How long a client may take from its connection to its registration message. Default 5,000. */
  registrationTimeoutMs?: number;
  /** How long a person at the client may take to pick one of the offered names. Default 120,000. */
  pickTimeoutMs?: number;
  /**
   * Registrations per minute, and at once, from one address (or /64). Resumptions do not count. Default 120.
   */
  maxRegistrationsPerMinute?: number;
  /**
   * Refused tokens per minute, and at once, from one address (or /64). Beyond it the relay checks no token
   * from there. Default 30.
   */
  maxFailedTokensPerMinute?: number;
  /** Tunnels at once. Default 5,000. */
  maxTunnels?: number;
  /** Tunnels of one token at once, unless the token has a limit of its own. Default 256. */
  maxTunnelsPerToken?: number;
  /**
   * Requests a second to all tunnels of one token, and so many at once, unless the token has a limit of its
   * own. More get 429. 0 for no limit. Default 0.
   */
  maxTokenRequestsPerSecond?: number;
  /**
   * Bytes of bodies a second, both ways together, of all tunnels of one token, and so many at once, unless
   * the token has a limit of its own. More are slowed down, those of event streams and upgraded connections
   * too. 0 for no limit. Default 0.
   */
  maxTokenBytesPerSecond?: number;
}

/** All limits, with their defaults filled in, and checked. */
export type Limits = Required<LimitOptions>;

interface LimitDefinition {
  /** The long option, its environment variable and config key. */
  flag: string;
  unit: "bytes" | "count" | "ms";
  default: number;
  /** Describes a default that depends on another option. `default` is then its least value. */
  derived?: string;
  min: number;
  /** The help of the option. docs/security.md repeats it. */
  text: string;
  /**
   * The name under which the metrics count the limit. Absent if an event or another limit counts it, or
   * nothing.
   */
  name?: string;
}

/** All limits, in the order of `--help` and of docs/security.md. */
export const limitDefinitions = {
  maxConnections: {
    flag: "max-connections",
    unit: "count",
    default: 10_000,
    min: 1,
    text: "connections at once, of visitors and clients together",
    name: "connections",
  },
  maxConnectionsPerAddress: {
    flag: "max-connections-per-address",
    unit: "count",
    default: 1_000,
    min: 1,
    text: "connections at once from one IPv4 address or IPv6 /64",
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
    text: "HTTP/2 requests that a visitor may cancel a second over one connection; ten times that in a burst",
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
    text: "how long to wait for a response to begin, or for the tunnel to accept more of an upload",
    name: "response_time",
  },
  writeTimeoutMs: {
    flag: "write-timeout",
    unit: "ms",
    default: 60_000,
    min: 1,
    text: "how long a visitor may read nothing while response data waits",
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
    text: "data that one tunnel may hold for slow visitors",
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
    text: "memory that requests that wait for clients may hold, and as much for those that wait for answers",
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
    text: "how long after the relay's start requests wait for clients to come back",
  },
  resumeTimeoutMs: {
    flag: "resume-timeout",
    unit: "ms",
    default: 60_000,
    min: 0,
    text: "how long open exchanges wait for a client that has lost its connection",
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
    text: "most fragments of one WebSocket message",
    name: "message_fragments",
  },
  maxPendingRegistrations: {
    flag: "max-pending-registrations",
    unit: "count",
    default: 1_024,
    min: 1,
    text: "connected clients that have not registered yet",
    name: "pending_registrations",
  },
  registrationTimeoutMs: {
    flag: "registration-timeout",
    unit: "ms",
    default: 5_000,
    min: 1,
    text: "how long a client may take to register",
    name: "registration_time",
  },
  pickTimeoutMs: {
    flag: "pick-timeout",
    unit: "ms",
    default: 120_000,
    min: 1,
    text: "how long a person may take to pick one of the offered names",
    name: "pick_time",
  },
  maxRegistrationsPerMinute: {
    flag: "max-registrations-per-minute",
    unit: "count",
    default: 120,
    min: 1,
    text: "registrations per minute from one IPv4 address or IPv6 /64",
    name: "registrations_per_address",
  },
  maxFailedTokensPerMinute: {
    flag: "max-failed-tokens-per-minute",
    unit: "count",
    default: 30,
    min: 1,
    text: "refused tokens per minute from one address; beyond it no token from there is checked",
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
  maxTokenRequestsPerSecond: {
    flag: "max-token-requests-per-second",
    unit: "count",
    default: 0,
    min: 0,
    text: "requests a second to all tunnels of one token; 0 for no limit",
    name: "requests_per_token",
  },
  maxTokenBytesPerSecond: {
    flag: "max-token-bytes-per-second",
    unit: "bytes",
    default: 0,
    min: 0,
    text: "bytes of bodies a second, both ways, of all tunnels of one token; 0 for no limit",
    name: "bytes_per_token",
  },
} as const satisfies Record<keyof LimitOptions, LimitDefinition>;

type NameOf<Definition> = Definition extends { name: infer Name } ? Name : never;

/** A limit's name, as {@link RelayObserver.onLimit} gets it. @useDeclaredType */
export type LimitName = NameOf<(typeof limitDefinitions)[keyof typeof limitDefinitions]>;

/** All limits as a list, in their order. */
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

/** A limit in the form that a client gets when the relay has refused a request in the name of its tunnel. */
export function refusalLimit(key: keyof Limits, limits: Limits): RefusalLimit {
  const { flag: option, unit } = limitDefinitions[key];
  return { option, value: limits[key], unit };
}

/** The largest message that WebSocket libraries can count in 32 bits. */
const maxMessage = 0x3fffffff;

const greatest: Partial<Record<keyof Limits, number>> = {
  // HTTP/2 counts streams in 31 bits.
  maxStreamsPerConnection: 0x7fffffff,
  maxHeaderBytes: 1_048_576,
  // The protocol carries `maxFields`. The rest is for the fields that the relay adds.
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
 * The default of `maxMessageBytes`. A 0.1 client sends a whole body in one message. If the body is over its
 * limit but not over twice the limit, the visitor gets a 502. Beyond that the relay closes the client's
 * connection before it spends the memory.
 */
function messageBytesFor(maxResponseBodyBytes: number): number {
  const twice = Math.ceil((maxResponseBodyBytes * 8) / 3) + 1_048_576;
  return Math.min(Math.max(twice, limitDefinitions.maxMessageBytes.default), maxMessage);
}
