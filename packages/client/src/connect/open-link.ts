import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import {
  claimFeature,
  closeCodes,
  featuresField,
  listValues,
  registrationPath,
  TunnelError,
} from "mcp-tunnel-protocol";
import { WebSocketLink } from "mcp-tunnel-protocol/ws";
import { isLoopback, messageOf } from "mcp-tunnel-shared";
import { HttpsProxyAgent } from "https-proxy-agent";
import { WebSocket } from "ws";
import { lookup } from "../net/lookup.js";
import { tlsFault } from "../net/tls-errors.js";
import { version } from "../version.js";

/**
 * The largest message that the client takes, in bytes. The original's JSON wire carries request bodies whole
 * and in base64, 5 MiB of them by default.
 */
const maxMessageBytes = 16 * 1024 * 1024;

/** Most fragments of a message. Relays send each message in one fragment. */
const maxMessageFragments = 1_024;

/** The way to a relay. */
export interface LinkRequest {
  /** The registration endpoint: `resolveOptions` makes it of the relay's URL. */
  readonly registerUrl: string;
  /** The HTTP proxy on the way to it. */
  readonly proxyUrl: URL | undefined;
  /** How long the relay may take to open the WebSocket, and again to answer, in milliseconds. */
  readonly timeoutMs: number;
  /** Gives the attempt up. */
  readonly signal: AbortSignal;
}

/** An open link on which nothing has been said, and what the relay announces that it can do. */
export interface OpenedLink {
  readonly link: WebSocketLink;
  readonly features: readonly string[];
}

/**
 * Opens the WebSocket to the relay.
 * @throws TunnelError `unreachable`; `session_closed` after `signal`.
 */
export function openLink(request: LinkRequest): Promise<OpenedLink> {
  const { registerUrl, proxyUrl, timeoutMs, signal } = request;
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(givenUp());
      return;
    }
    // Ends the connection to a proxy that has not answered, of which `ws` knows nothing yet.
    const opening = new AbortController();
    const agent =
      proxyUrl === undefined ? undefined : new HttpsProxyAgent(proxyUrl, { signal: opening.signal, lookup });
    const ws = new WebSocket(registerUrl, {
      agent,
      lookup,
      followRedirects: false,
      maxPayload: maxMessageBytes,
      perMessageDeflate: false,
      maxFragments: maxMessageFragments,
      headers: { "user-agent": `mcp-tunnel-client/${version}` },
      ...(masked(request) ? {} : { generateMask: noMask }),
    });
    let socket: Socket | undefined;
    let features: readonly string[] = [];
    const fail = (error: TunnelError): void => {
      reject(error);
      opening.abort();
      ws.terminate();
    };
    const onAbort = (): void => fail(givenUp());
    signal.addEventListener("abort", onAbort, { once: true });
    const timer = setTimeout(() => fail(unreachable(request, `timed out after ${timeoutMs} ms`)), timeoutMs);
    let isAtProxy = agent !== undefined;
    agent?.once("proxyConnect", ({ statusCode, statusText }) => {
      if (statusCode === 200) isAtProxy = false;
      else fail(proxyRefused(request, statusCode, statusText));
    });
    ws.once("upgrade", (response: IncomingMessage) => {
      socket = response.socket.setNoDelay(true);
      features = listValues(response.rawHeaders, featuresField.toLowerCase());
    });
    ws.once("unexpected-response", (_request, response: IncomingMessage) => {
      fail(unexpectedAnswer(registerUrl, response));
    });
    ws.on("error", (error) => fail(isAtProxy ? proxyFailed(request, error) : relayFailed(request, error)));
    const opened = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
    };
    ws.once("open", () => {
      opened();
      resolve({ link: new WebSocketLink(ws, socket as Socket), features });
    });
    ws.once("close", opened);
  });
}

/**
 * Masking keeps data from looking like something else to intermediaries that read along (RFC 6455 section
 * 10.3). Inside TLS, or inside this machine, no intermediary reads along, and masking is the larger part of
 * the work of sending a byte.
 */
function masked({ registerUrl, proxyUrl }: LinkRequest): boolean {
  const { protocol, hostname } = new URL(registerUrl);
  return protocol === "ws:" && (proxyUrl !== undefined || !isLoopback(hostname));
}

/** With a mask of zeros `ws` does not touch the data. */
function noMask(mask: Buffer): void {
  mask.fill(0);
}

/**
 * Leaves a relay that does not announce claims, before anything has been said. `lack`: what it cannot do, in
 * words.
 * @throws TunnelError `unsupported`.
 */
export function requireClaims(
  { link, features }: OpenedLink,
  { registerUrl }: LinkRequest,
  lack: string,
): void {
  if (features.includes(claimFeature)) return;
  link.close(closeCodes.normal, "");
  throw new TunnelError(
    "unsupported",
    `the relay at ${new URL(registerUrl).origin} ${lack}: it is an older one, or the original, or a ` +
      `proxy in front of it drops ${featuresField}. It was asked nothing, and nobody's tunnel has changed`,
  );
}

function unexpectedAnswer(registerUrl: string, response: IncomingMessage): TunnelError {
  const answer = `${response.statusCode} ${response.statusMessage ?? ""}`.trim();
  const movedTo = redirection(registerUrl, response);
  const question =
    movedTo === undefined ? "is an mcp-tunnel relay there?" : `is the relay at ${movedTo} now?`;
  return new TunnelError("unreachable", `${registerUrl} answered ${answer}: ${question}`);
}

/**
 * The target of a redirect, as the URL of a relay and without a query. Undefined if the answer is no
 * redirect.
 */
function redirection(registerUrl: string, { statusCode = 0, headers }: IncomingMessage): string | undefined {
  const { location } = headers;
  const base = registerUrl.replace(/^ws/, "http");
  if (statusCode < 300 || statusCode > 399 || location === undefined) return undefined;
  if (!URL.canParse(location, base)) return undefined;
  const { protocol, host, pathname } = new URL(location, base);
  if (protocol !== "https:" && protocol !== "http:") return undefined;
  const path = pathname.replace(/\/$/, "");
  const prefix = path.endsWith(registrationPath) ? path.slice(0, -registrationPath.length) : path;
  return `${protocol}//${host}${prefix}`;
}

function unreachable({ registerUrl, proxyUrl }: LinkRequest, why: string, cause?: Error): TunnelError {
  const way = proxyUrl === undefined ? "" : ` through the proxy ${proxyUrl.origin}`;
  const options = cause === undefined ? undefined : { cause };
  return new TunnelError(
    "unreachable",
    `cannot reach the relay at ${new URL(registerUrl).origin}${way}: ${why}`,
    options,
  );
}

function relayFailed(request: LinkRequest, error: Error): TunnelError {
  // A server that expects TLS resets the connection. A relay that ends does the same.
  const hungUp =
    request.registerUrl.startsWith("ws:") && (error as NodeJS.ErrnoException).code === "ECONNRESET";
  const hint = hungUp ? " (does it speak TLS? then use https://)" : "";
  return unreachable(request, `${tlsFault(error) ?? messageOf(error)}${hint}`, error);
}

/** The proxy has not answered yet, so the error says nothing of the relay. */
function proxyFailed(request: LinkRequest, error: Error): TunnelError {
  const fault = tlsFault(error);
  return unreachable(request, fault === undefined ? messageOf(error) : `of the proxy: ${fault}`, error);
}

function proxyRefused(request: LinkRequest, status: number, reason: string): TunnelError {
  const hint = status === 407 ? ": it wants a user and a password, as in http://user:password@proxy" : "";
  return unreachable(request, `the proxy answered ${`${status} ${reason}`.trim()}${hint}`);
}

export function givenUp(): TunnelError {
  return new TunnelError("session_closed", "the client was closed while it was connecting");
}
