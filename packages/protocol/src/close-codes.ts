/** WebSocket close codes of a tunnel connection. 4001 and 4002 are the original's. */
export const closeCodes = {
  /** The session ended as intended. */
  normal: 1000,
  /** This end is shutting down (RFC 6455 section 7.4.1). */
  goingAway: 1001,
  /** The peer broke the protocol. */
  protocolError: 1002,
  /** A message was larger than this end takes. */
  tooLarge: 1009,
  /** This end failed. */
  internal: 1011,
  /** The relay cannot take this client now; try again later. */
  tryAgainLater: 1013,
  /** Registration refused, for good unless the reason is {@link providerUnavailableReason}. */
  authenticationFailed: 4001,
  /** Another client registered the same name. */
  evicted: 4002,
  /** Another client has the name, and this one wanted it only if it is free. */
  taken: 4003,
} as const;

/** The original's words for 4002, which its clients may look for. */
export const evictedReason = "evicted: another client registered with the same tunnel";

/**
 * The original's words for 4001 when its auth provider is down or slow, so that it cannot judge the token.
 */
export const providerUnavailableReason = "auth provider unavailable";

/**
 * How the reason for 4001 begins if a relay wants a gate and the client declares none that is enough. What
 * follows is for clients that do not know the case.
 */
export const gateRequiredReason = "this relay takes only tunnels with a gate";

/** Why a client is to try again later (1013), if whoever keeps the names does not answer. */
export const cannotTellReason = "the relay cannot tell who has the name";

/** Why a client gets no further tunnel (4001): the token may have `max` at once. */
export function tooManyTunnels(max: number): string {
  return `this token may have ${max} tunnels at once`;
}

/**
 * Whether an endpoint may send the code (RFC 6455 section 7.4, and the registry of IANA). The others only
 * tell the program at one end how its connection ended.
 */
export function isSendableCode(code: number): boolean {
  if (code >= 3_000) return code <= 4_999;
  return code >= 1_000 && code < 1_015 && ![1_004, 1_005, 1_006].includes(code);
}

/** The reason for 4001 if clients of one token want to share a name, and their gates differ. */
export const otherGateReason =
  "the clients that share this name have another gate: give all of them the same settings";
