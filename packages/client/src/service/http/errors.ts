import type { ResetCode } from "mcp-tunnel-protocol";
import { messageOf } from "mcp-tunnel-shared";
import { tlsFault } from "../../net/tls-errors.js";
import { invalidAnswer, UnusableAnswer } from "./response-head.js";
import type { Target } from "./target.js";

/** Why the local service did not answer: as a code of the protocol, and as a message for people. */
export interface UpstreamFailure {
  readonly code: ResetCode;
  readonly message: string;
}

/** Why a request is cut, or not sent, when its client closes. */
export function clientClosed(): Error {
  return new Error("the client was closed");
}

/** Errors that mean that no connection came about. */
const unreachable: ReadonlyMap<string, string> = new Map([
  ["ECONNREFUSED", "connection refused"],
  ["EHOSTUNREACH", "no route to the host"],
  ["ENETUNREACH", "the network is unreachable"],
  ["EADDRNOTAVAIL", "the address is not available"],
  ["ENOTFOUND", "the name is unknown"],
  ["EAI_AGAIN", "the name could not be looked up"],
  ["ETIMEDOUT", "no answer to the connection attempt"],
  ["UND_ERR_CONNECT_TIMEOUT", "no answer to the connection attempt"],
]);

/** Errors of undici and node:http about the request itself, before anything was sent. */
const notSendable: ReadonlySet<string> = new Set([
  "UND_ERR_INVALID_ARG",
  "UND_ERR_NOT_SUPPORTED",
  "UND_ERR_REQ_CONTENT_LENGTH_MISMATCH",
  "ERR_INVALID_CHAR",
  "ERR_INVALID_HTTP_TOKEN",
  "ERR_INVALID_ARG_VALUE",
  "ERR_UNESCAPED_CHARACTERS",
]);

/**
 * Messages of undici and node:http about something that their parser refused, except a connection that ended
 * too early.
 */
const parserWords =
  /^(?:Response does not match the HTTP\/1\.1 protocol \((?!Invalid EOF state)(.*)\)|Parse Error: (?!Invalid EOF state)(.*))$/;

/**
 * Translates an error of undici, node:http, net or tls. `connected` tells a connection that broke from a
 * connection that was never made, because the error alone does not.
 */
export function upstreamFailure(error: unknown, target: Target, connected: boolean): UpstreamFailure {
  const code = errorCode(error);
  const text = messageOf(error);
  if (notSendable.has(code))
    return { code: "bad_message", message: `the request cannot be sent on: ${text}` };
  if (error instanceof UnusableAnswer) return { code: "bad_message", message: `${target.name} ${text}` };
  // The parser refused the body or its trailers. Heads that a parser would refuse do not reach it.
  const refused = parserWords.exec(text);
  if (refused !== null) {
    const why = refused[1] ?? refused[2] ?? text;
    return upstreamFailure(invalidAnswer(why), target, connected);
  }
  if (connected)
    return { code: "upstream_failed", message: `${target.name} broke off the exchange: ${text}` };
  const known = unreachable.get(code);
  const why = known === undefined ? (tlsFault(error, "service") ?? text) : `${known}${addresses(error)}`;
  const hint = code === "ECONNREFUSED" ? " (is the local service running?)" : "";
  return { code: "upstream_unreachable", message: `cannot reach ${target.name}: ${why}${hint}` };
}

function errorCode(error: unknown): string {
  // On a machine without IPv6, the first of several errors only says that ::1 is not there.
  if (error instanceof AggregateError && error.errors.some((one) => errorCode(one) === "ECONNREFUSED")) {
    return "ECONNREFUSED";
  }
  if (typeof error !== "object" || error === null || !("code" in error)) return "";
  return String(error.code);
}

/**
 * The addresses that were tried. `localhost` is two addresses, and a service often listens on only one of
 * them.
 */
function addresses(error: unknown): string {
  const tried = new Set<string>();
  for (const one of error instanceof AggregateError ? error.errors : [error]) {
    const { address, port } = one as { address?: string; port?: number };
    if (address !== undefined)
      tried.add(address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`);
  }
  return tried.size === 0 ? "" : ` at ${[...tried].join(" and ")}`;
}
