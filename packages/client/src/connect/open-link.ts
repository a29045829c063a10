import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { abortError, closeCodes, featuresField, listValues, TunnelError } from "mcp-tunnel-protocol";
import { type Masks, WebSocketLink } from "mcp-tunnel-protocol/ws";
import { isLoopback } from "mcp-tunnel-shared";
import type { HttpsProxyAgent } from "https-proxy-agent";
import { WebSocket } from "ws";
import { lookup } from "../net/lookup.js";
import { version } from "../version.js";
import type { RelayPlace } from "../relay-place.js";
import { proxyFailed, proxyRefused, relayFailed, unexpectedAnswer, unreachable } from "./failures.js";

/**
 * The largest message that the client takes, in bytes. The original's JSON wire carries request bodies whole
 * and in base64, 5 MiB of them by default.
 */
const maxMessageBytes = 16 * 1024 * 1024;

/** Most fragments of a message. Relays send each message in one fragment. */
const maxMessageFragments = 1_024;

/** The way to a relay. */
export interface LinkRequest extends RelayPlace {
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
 * @throws TunnelError `unreachable`; `ABORT_ERR` after `signal`.
 */
export async function openLink(request: LinkRequest): Promise<OpenedLink> {
  const { registerUrl, proxyUrl, tls, headers, timeoutMs, signal } = request;
  // Ends the connection to a proxy that has not answered, of which `ws` knows nothing yet.
  const opening = new AbortController();
  const agent = proxyUrl === undefined ? undefined : await proxyAgent(proxyUrl, opening.signal);
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(abortError(signal));
      return;
    }
    const masks = masksFor(request);
    const ws = new WebSocket(registerUrl, {
      ...tls,
      agent,
      lookup,
      followRedirects: false,
      maxPayload: maxMessageBytes,
      perMessageDeflate: false,
      maxFragments: maxMessageFragments,
      headers: { "user-agent": `mcp-tunnel-client/${version}`, ...headers },
      ...(masks === "zeros" ? { generateMask: noMask } : {}),
    });
    let socket: Socket | undefined;
    let features: readonly string[] = [];
    const fail = (error: TunnelError): void => {
      reject(error);
      opening.abort();
      ws.terminate();
    };
    const onAbort = (): void => fail(abortError(signal));
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
      fail(unexpectedAnswer(request, response));
    });
    const onError = async (error: Error): Promise<void> =>
      fail(isAtProxy ? proxyFailed(request, error) : await relayFailed(request, error, signal));
    ws.on("error", (error) => void onError(error));
    const opened = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
    };
    ws.once("open", () => {
      opened();
      resolve({ link: new WebSocketLink(ws, socket as Socket, masks), features });
    });
    ws.once("close", opened);
  });
}

/** The way through a proxy. Few clients have one, so it is loaded for those alone. */
async function proxyAgent(url: URL, signal: AbortSignal): Promise<HttpsProxyAgent<string>> {
  const { HttpsProxyAgent } = await import("https-proxy-agent");
  return new HttpsProxyAgent(url, { signal, lookup });
}

/**
 * Masking keeps data from looking like something else to intermediaries that read along (RFC 6455 section
 * 10.3). Inside TLS, or inside this machine, no intermediary reads along, and masking is the larger part of
 * the work of sending a byte.
 */
function masksFor({ registerUrl, proxyUrl }: LinkRequest): Masks {
  const { protocol, hostname } = new URL(registerUrl);
  const isReadAlong = protocol === "ws:" && (proxyUrl !== undefined || !isLoopback(hostname));
  return isReadAlong ? "random" : "zeros";
}

/** With a mask of zeros `ws` does not touch the data. */
function noMask(mask: Buffer): void {
  mask.fill(0);
}

/**
 * Leaves a relay that does not announce a feature, before anything has been said. `lack`: what it cannot do,
 * in words.
 * @throws TunnelError `unsupported`.
 */
export function requireFeature(
  { link, features }: OpenedLink,
  { shownUrl }: LinkRequest,
  feature: string,
  lack: string,
): void {
  if (features.includes(feature)) return;
  link.close(closeCodes.normal, "");
  throw new TunnelError(
    "unsupported",
    `the relay at ${new URL(shownUrl).origin} ${lack}: it is an older one, or the original, or a ` +
      `proxy in front of it drops ${featuresField}. It was asked nothing, and nobody's tunnel has changed`,
  );
}
