import type { IncomingMessage } from "node:http";
import { registrationPath, TunnelError } from "mcp-tunnel-protocol";
import { messageOf } from "mcp-tunnel-shared";
import { isMissingName } from "../net/missing-name.js";
import { speaksTls } from "../net/speaks-tls.js";
import { isCertificateFault, isPlainAnswer, tlsFault } from "../net/tls-errors.js";
import type { RelayPlace } from "../relay-place.js";

/** How long a port is asked whether it speaks TLS, in milliseconds. */
const tlsQuestionMs = 2_000;

/** The relay could not be reached. `why`: the reason, with what to do about it. */
export function unreachable(
  { shownUrl, proxyUrl }: RelayPlace,
  why: string,
  details: { cause?: Error; isHopeless?: boolean } = {},
): TunnelError {
  const way = proxyUrl === undefined ? "" : ` through the proxy ${proxyUrl.origin}`;
  return new TunnelError(
    "unreachable",
    `cannot reach the relay at ${new URL(shownUrl).origin}${way}: ${why}`,
    details,
  );
}

const headerAdvice = "--relay-header, relayHeaders in a program";

/** The handshake got another answer than that of a relay. */
export function unexpectedAnswer({ shownUrl }: RelayPlace, response: IncomingMessage): TunnelError {
  const { statusCode = 0, statusMessage = "" } = response;
  const answer = `${statusCode} ${statusMessage}`.trim();
  const movedTo = redirection(shownUrl, response);
  const isGuarded = statusCode === 401 || statusCode === 403;
  const guard = isGuarded ? `, and does something in front of it want header fields (${headerAdvice})` : "";
  const question =
    movedTo === undefined ? `is an mcp-tunnel relay there${guard}?` : `is the relay at ${movedTo} now?`;
  return new TunnelError("unreachable", `${shownUrl} answered ${answer}: ${question}`, {
    isHopeless: !mayPass(statusCode),
  });
}

/**
 * Whether a status stands for a trouble that may pass. A proxy says 5xx while the relay behind it restarts,
 * and both say 408 and 429 when they have too much to do.
 */
function mayPass(status: number): boolean {
  return status >= 500 || status === 408 || status === 429;
}

/**
 * The target of a redirect, as the URL of a relay and without a query. Undefined if the answer is no
 * redirect.
 */
function redirection(shownUrl: string, { statusCode = 0, headers }: IncomingMessage): string | undefined {
  const { location } = headers;
  const base = shownUrl.replace(/^ws/, "http");
  if (statusCode < 300 || statusCode > 399 || location === undefined) return undefined;
  if (!URL.canParse(location, base)) return undefined;
  const { protocol, host, pathname } = new URL(location, base);
  if (protocol !== "https:" && protocol !== "http:") return undefined;
  const path = pathname.replace(/\/$/, "");
  const prefix = path.endsWith(registrationPath) ? path.slice(0, -registrationPath.length) : path;
  return `${protocol}//${host}${prefix}`;
}

/** The connection to the relay failed. Resolves soon: one kind of failure is looked into. */
export async function relayFailed(
  place: RelayPlace,
  error: Error,
  signal: AbortSignal,
): Promise<TunnelError> {
  const { code = "" } = error as NodeJS.ErrnoException;
  const isPlain = place.registerUrl.startsWith("ws:");
  // A server that expects TLS resets the connection. A relay that ends does the same.
  if (isPlain && code === "ECONNRESET" && place.proxyUrl === undefined) {
    const { hostname, port } = new URL(place.registerUrl);
    const isTls = await speaksTls(hostname, Number(port || 80), tlsQuestionMs, signal);
    if (isTls) return unreachable(place, "it speaks TLS: use https://", { cause: error, isHopeless: true });
  }
  const isForeign = code.startsWith("HPE_") || /^Invalid (?:Sec-WebSocket|Upgrade)/.test(error.message);
  const isHopeless = isMissingName(error) || isForeign || isPlainAnswer(error) || isCertificateFault(error);
  const advice = isForeign ? ": is an mcp-tunnel relay there?" : (advices[code] ?? "");
  return unreachable(place, `${tlsFault(error, "relay") ?? messageOf(error)}${advice}`, {
    cause: error,
    isHopeless,
  });
}

/** What to do, by the code of the error. */
const advices: Readonly<Record<string, string>> = {
  EAI_AGAIN: " (no answer from the name server: is this machine online?)",
  ECONNREFUSED: " (nothing listens there: is the relay running, and is the port right?)",
  ECONNRESET: " (the connection was closed without an answer)",
  ENOTFOUND: " (no such name in the DNS: is it spelled rightly, and is this machine online?)",
};

const proxyAdvices: Readonly<Record<string, string>> = {
  ECONNREFUSED: " (nothing listens there: is the proxy running, and is its port right?)",
  ENOTFOUND: " (no such name in the DNS: is the proxy's name spelled rightly, and is this machine online?)",
};

/** The proxy has not answered yet, so the error says nothing of the relay. */
export function proxyFailed(place: RelayPlace, error: Error): TunnelError {
  const fault = tlsFault(error, "proxy");
  const isHopeless = isMissingName(error) || isPlainAnswer(error) || isCertificateFault(error);
  const advice = proxyAdvices[(error as NodeJS.ErrnoException).code ?? ""] ?? "";
  const why = fault === undefined ? `${messageOf(error)}${advice}` : `of the proxy: ${fault}`;
  return unreachable(place, why, { cause: error, isHopeless });
}

export function proxyRefused(place: RelayPlace, status: number, reason: string): TunnelError {
  const hint = status === 407 ? ": it wants a user and a password, as in http://user:password@proxy" : "";
  return unreachable(place, `the proxy answered ${`${status} ${reason}`.trim()}${hint}`, {
    isHopeless: !mayPass(status),
  });
}
