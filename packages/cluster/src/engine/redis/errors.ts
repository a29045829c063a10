import { TunnelError } from "mcp-tunnel-protocol";
import { messageOf, printable } from "mcp-tunnel-shared";

/** How answers of Redis begin that a person has to do something about, and what. Options are the relay's. */
const advice: readonly (readonly [RegExp, string])[] = [
  [
    /^WRONGPASS|^ERR invalid password/,
    "it does not accept the user and the password; check both (--cluster-user, --cluster-password-file)",
  ],
  [
    /^NOAUTH|^ERR HELLO must be called/,
    "it asks for a password, and none is set; see --cluster-password-file",
  ],
  [/^ERR .*AUTH.* without any password/i, "it has no password, but one is set here; leave it out"],
  [/^NOPERM/, "its ACL lacks rights for this user; README.md of mcp-tunnel-cluster lists what is needed"],
  [/^ERR unknown command/, "it is too old, or a proxy stands before it; Redis 6.2 or Valkey is needed"],
];

/**
 * What may pass: answers of a server that cannot take part at this time, and a server that is not there.
 * Before Redis 7, the code of what a script met stands behind a hyphen within another error.
 */
const passing: readonly (readonly [RegExp, string])[] = [
  [/(?:^|-)(?:READONLY|NOREPLICAS|MASTERDOWN)\b/, "it takes no writes; is a failover going on?"],
  [/(?:^|-)(?:LOADING|BUSY)\b/, "it is busy"],
  [/(?:^|-)OOM\b/, "its memory is full; raise maxmemory"],
  [/\bECONNREFUSED\b/, "nobody listens there; is it running, and does --cluster lead to it?"],
  [/\b(?:ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH)\b/, "nothing is there; does --cluster lead to it?"],
  [/(?:^|-)MISCONF\b/, "it cannot save its data; its log tells why"],
];

/** The same while a connection is made. Later these words come from a Redis that has died. */
const unanswered: readonly (readonly [RegExp, string])[] = [
  [/^Socket closed unexpectedly/, "it ends connections; is it Redis, and does it want TLS (rediss://)?"],
];

/** {@link unavailable}, of a connection that could not be made. */
export function unconnected(error: unknown, where: string): TunnelError {
  return unavailable(error, "be connected to", where, [...passing, ...unanswered]);
}

/**
 * Any error of the Redis client, for whoever asked the engine: the one place where these are translated.
 * `where` names the server without a password. `mayPass`: what may pass, with what to say of it.
 */
export function unavailable(
  error: unknown,
  doing: string,
  where: string,
  mayPass: readonly (readonly [RegExp, string])[] = passing,
): TunnelError {
  if (error instanceof TunnelError) return error;
  const message = messageOf(error);
  const toDo = advice.find(([form]) => form.test(message))?.[1];
  const why = toDo ?? mayPass.find(([form]) => form.test(message))?.[1];
  const reason = why === undefined ? printable(message) : `${why} (${printable(message)})`;
  return new TunnelError("unavailable", `Redis at ${where} could not ${doing}: ${reason}`, {
    cause: error,
    isHopeless: toDo !== undefined,
  });
}

/**
 * Whether the server was demoted, or is cut off from its replicas, so that another may be the primary now.
 */
export function isDemoted(error: unknown): boolean {
  return /(?:^|-)(?:READONLY|NOREPLICAS)\b/.test(messageOf(error));
}

/** Whether the server does not know a script: it was started anew, or is another one after a failover. */
export function isUnknownScript(error: unknown): boolean {
  return messageOf(error).startsWith("NOSCRIPT");
}
