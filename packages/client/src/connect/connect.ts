import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import {
  closeCodes,
  gateRequiredReason,
  parseAcknowledge,
  parseOffer,
  providerUnavailableReason,
  registrationPath,
  TunnelError,
  unusable,
} from "mcp-tunnel-protocol";
import type { AcknowledgeMessage, RegisterMessage } from "mcp-tunnel-protocol";
import { WebSocketLink } from "mcp-tunnel-protocol/ws";
import { isLoopback, messageOf } from "mcp-tunnel-shared";
import { HttpsProxyAgent } from "https-proxy-agent";
import { WebSocket } from "ws";
import { lookup } from "../net/lookup.js";
import type { PickSubdomain } from "../options.js";
import { tlsFault } from "../net/tls-errors.js";
import { version } from "../version.js";

/**
 * The largest message that the client takes, in bytes. The original's JSON wire carries request bodies whole
 * and in base64, 5 MiB of them by default.
 */
const maxMessageBytes = 16 * 1024 * 1024;

/** Most fragments of a message. Relays send each message in one fragment. */
const maxMessageFragments = 1_024;

export interface RegisterRequest {
  /** The registration endpoint: `resolveOptions` makes it of the relay's URL. */
  readonly registerUrl: string;
  /** The HTTP proxy on the way to it. */
  readonly proxyUrl: URL | undefined;
  readonly message: RegisterMessage;
  readonly pick: PickSubdomain;
  /** How long the relay may take to open the WebSocket, and again to answer, in milliseconds. */
  readonly timeoutMs: number;
  /** Gives the attempt up: for {@link anotherAttempt}, or for good. */
  readonly signal: AbortSignal;
}

/**
 * The reason for which an attempt is given up when another one replaces it. The relay must not take that for
 * the end of the session.
 */
export const anotherAttempt = "another attempt is made";

/** The relay has accepted us. The next message on the link belongs to the session. */
export interface Registration {
  readonly link: WebSocketLink;
  readonly acknowledge: AcknowledgeMessage;
}

/**
 * One attempt to register: opens the WebSocket, says who we are, picks from an offer, waits for the
 * acknowledgement.
 * @throws TunnelError `refused` and `evicted` (final); `unreachable`, `timeout`, `protocol_error` (worth
 * another try); `session_closed` after `signal`; any error that `pick` throws.
 */
export async function register(request: RegisterRequest): Promise<Registration> {
  const link = await openLink(request);
  const attempt = new RegistrationAttempt(link, request);
  return attempt.result;
}

function openLink(request: RegisterRequest): Promise<WebSocketLink> {
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
      resolve(new WebSocketLink(ws, socket as Socket));
    });
    ws.once("close", opened);
  });
}

/**
 * Masking keeps data from looking like something else to intermediaries that read along (RFC 6455 section
 * 10.3). Inside TLS, or inside this machine, no intermediary reads along, and masking is the larger part of
 * the work of sending a byte.
 */
function masked({ registerUrl, proxyUrl }: RegisterRequest): boolean {
  const { protocol, hostname } = new URL(registerUrl);
  return protocol === "ws:" && (proxyUrl !== undefined || !isLoopback(hostname));
}

/** With a mask of zeros `ws` does not touch the data. */
function noMask(mask: Buffer): void {
  mask.fill(0);
}

class RegistrationAttempt {
  readonly result: Promise<Registration>;
  readonly #link: WebSocketLink;
  readonly #request: RegisterRequest;
  #settle!: { resolve(registration: Registration): void; reject(error: unknown): void };
  #timer: NodeJS.Timeout | undefined;
  #picking: "not yet" | "now" | "done" = "not yet";
  #closed: TunnelError | undefined;
  #done = false;

  constructor(link: WebSocketLink, request: RegisterRequest) {
    this.#link = link;
    this.#request = request;
    this.result = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    link.handler = {
      onMessage: (message) => this.#onMessage(message),
      onClose: (code, reason) => this.#onClose(closeError(request, code, reason)),
    };
    request.signal.addEventListener("abort", this.#onAbort, { once: true });
    if (request.signal.aborted) this.#onAbort();
    this.#send(request.message);
  }

  readonly #onAbort = (): void => {
    this.#fail(givenUp(), this.#request.signal.reason !== anotherAttempt);
  };

  #send(message: object): void {
    this.#link.send(JSON.stringify(message));
    this.#timer = setTimeout(() => {
      const { timeoutMs } = this.#request;
      this.#fail(new TunnelError("timeout", `the relay did not answer the registration in ${timeoutMs} ms`));
    }, this.#request.timeoutMs);
  }

  #onMessage(message: Buffer | string): void {
    if (typeof message !== "string") return;
    const offer = this.#picking === "not yet" ? parseOffer(message) : undefined;
    if (offer !== undefined) {
      void this.#pick(offer.subdomains);
      return;
    }
    const acknowledge = parseAcknowledge(message);
    if (acknowledge === undefined) return; // Skipped, as the original does.
    if (!isPublicUrl(acknowledge.url)) {
      this.#fail(new TunnelError("protocol_error", "the relay acknowledged with a URL that is not one"));
      return;
    }
    this.#finish();
    // From here on messages wait in the link until the session takes it over.
    this.#link.handler = undefined;
    this.#settle.resolve({ link: this.#link, acknowledge });
  }

  /** The clocks for registering do not run while a person thinks: neither the relay's nor ours. */
  async #pick(patterns: readonly string[]): Promise<void> {
    this.#picking = "now";
    clearTimeout(this.#timer);
    try {
      const subdomain = await this.#request.pick(patterns);
      this.#picking = "done";
      if (this.#closed !== undefined) this.#fail(this.#closed);
      else if (!this.#done) this.#send({ subdomain });
    } catch (error) {
      this.#fail(error);
    }
  }

  /**
   * The relay may close the connection while a person thinks. The answer is still wanted, for the next
   * attempt.
   */
  #onClose(error: TunnelError): void {
    if (this.#picking === "now") this.#closed = error;
    else this.#fail(error);
  }

  /** `isGoodbye`: no other attempt follows. */
  #fail(error: unknown, isGoodbye = false): void {
    if (this.#done) return;
    this.#finish();
    this.#link.handler = undefined;
    // Otherwise no goodbye is said. If the relay has accepted us and its answer was lost, the next attempt
    // resumes that session.
    if (isGoodbye) this.#link.close(closeCodes.normal, "");
    else this.#link.terminate();
    this.#settle.reject(error);
  }

  #finish(): void {
    this.#done = true;
    clearTimeout(this.#timer);
    this.#request.signal.removeEventListener("abort", this.#onAbort);
  }
}

/** Picks without a person: the only pattern, if it is a name. */
export function pickOnly(patterns: readonly string[]): string {
  const [only] = patterns;
  if (only === undefined) throw new TunnelError("refused", "the relay allows this token no name at all");
  if (patterns.length === 1 && !only.includes("*")) return only;
  throw unusable(
    `the relay allows this token names like ${patterns.map((pattern) => `'${pattern}'`).join(", ")}: ` +
      "ask for one of them as the subdomain",
    { options: ["subdomain"] },
  );
}

function isPublicUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol } = new URL(text);
  return protocol === "https:" || protocol === "http:";
}

function closeError({ message }: RegisterRequest, code: number, reason: string): TunnelError {
  const said = reason === "" ? `code ${code}` : `code ${code}: ${reason}`;
  switch (code) {
    case closeCodes.authenticationFailed:
      // An original relay has no other code for an unavailable provider. Ours says 1013 to a client that
      // returns. A client that registers for the first time is told at once.
      if (message.returning === true && reason === providerUnavailableReason) break;
      if (reason.startsWith(gateRequiredReason)) return new TunnelError("refused", gateRequired(message));
      return new TunnelError("refused", `the relay refused the registration: ${reason || "no reason given"}`);
    case closeCodes.evicted:
      return new TunnelError("evicted", reason || "another client holds the name");
  }
  return new TunnelError("unreachable", `the relay closed the connection while registering (${said})`);
}

/** What to do is told in the client's own words. Those of the relay are a stranger's. */
function gateRequired({ gate }: RegisterMessage): string {
  const own = gate === undefined ? "has none" : `declares ${gate.kinds.join(", ") || "addresses alone"}`;
  return (
    "the relay takes only tunnels with a gate that asks visitors for a proof (bearer, basic or oauth), and " +
    `this one ${own}: add --visitor-auth oauth,bearer to the command, or put a gate before the service ` +
    "of a program"
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

function unreachable({ registerUrl, proxyUrl }: RegisterRequest, why: string, cause?: Error): TunnelError {
  const way = proxyUrl === undefined ? "" : ` through the proxy ${proxyUrl.origin}`;
  const options = cause === undefined ? undefined : { cause };
  return new TunnelError(
    "unreachable",
    `cannot reach the relay at ${new URL(registerUrl).origin}${way}: ${why}`,
    options,
  );
}

function relayFailed(request: RegisterRequest, error: Error): TunnelError {
  // A server that expects TLS resets the connection. A relay that ends does the same.
  const hungUp =
    request.registerUrl.startsWith("ws:") && (error as NodeJS.ErrnoException).code === "ECONNRESET";
  const hint = hungUp ? " (does it speak TLS? then use https://)" : "";
  return unreachable(request, `${tlsFault(error) ?? messageOf(error)}${hint}`, error);
}

/** The proxy has not answered yet, so the error says nothing of the relay. */
function proxyFailed(request: RegisterRequest, error: Error): TunnelError {
  const fault = tlsFault(error);
  return unreachable(request, fault === undefined ? messageOf(error) : `of the proxy: ${fault}`, error);
}

function proxyRefused(request: RegisterRequest, status: number, reason: string): TunnelError {
  const hint = status === 407 ? ": it wants a user and a password, as in http://user:password@proxy" : "";
  return unreachable(request, `the proxy answered ${`${status} ${reason}`.trim()}${hint}`);
}

function givenUp(): TunnelError {
  return new TunnelError("session_closed", "the client was closed while it was connecting");
}
