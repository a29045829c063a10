import {
  abortError,
  abortSignal,
  checkOptions,
  claimFeature,
  closeCodes,
  maxTimerMs,
  parseChecked,
  supportedProtocols,
  text,
  TunnelError,
  wholeNumber,
} from "mcp-tunnel-protocol";
import type { CheckedMessage, RegisterMessage } from "mcp-tunnel-protocol";
import type { WebSocketLink } from "mcp-tunnel-protocol/ws";
import { checkSubdomain, resolveToken } from "../options.js";
import type { TunnelClientOptions } from "../options.js";
import { relayShapes, resolveRelay } from "../relay-place.js";
import type { RelayConnectionOptions } from "../relay-place.js";
import { relayClient, takesPackage } from "../relay-client.js";
import type { RelayClient } from "../relay-client.js";
import { version } from "../version.js";
import { closeError, isPublicUrl } from "./connect.js";
import { openLink, requireFeature } from "./open-link.js";
import type { LinkRequest } from "./open-link.js";

/** Which relay is asked, and what for. The options are those of a client. */
export interface CheckOptions
  extends RelayConnectionOptions,
    Pick<TunnelClientOptions, "token" | "subdomain"> {
  /**
   * How long the relay may take to open the WebSocket, and again to answer, in milliseconds. Default 10,000.
   */
  timeoutMs?: number;
  /** Gives the check up, which then rejects with `ABORT_ERR`. Default: no signal. */
  signal?: AbortSignal;
}

/**
 * What a registration would get. The texts are as the relay said them: escape control characters before you
 * print them.
 */
export interface CheckedRegistration {
  /** The name that it would get. Undefined if it would have to pick one of `patterns`, or gets none. */
  readonly subdomain: string | undefined;
  /** The public URL of that name. */
  readonly url: string | undefined;
  /**
   * Whether a client has that name now, or the relay keeps it for one that has lost its connection. That may
   * be any client, this user's own as well: the relay does not say whose it is.
   */
  readonly inUse: boolean | undefined;
  /** The patterns of names that the relay would offer. */
  readonly patterns: readonly string[] | undefined;
  /**
   * Why a registration with this token, which is good, would be refused: the name is reserved, say, or the
   * token has as many tunnels as it may. `isFinal`: another time will not help.
   */
  readonly refused: { readonly reason: string; readonly isFinal: boolean } | undefined;
  /** The relay takes only tunnels with a gate. */
  readonly requiresVisitorAuth: boolean;
  /** The version of the relay. */
  readonly relayVersion: string;
  /** The versions of the binary protocol that the relay speaks. */
  readonly protocols: readonly number[];
  /** How long the relay keeps a session whose connection is lost, in milliseconds. */
  readonly resumeTimeoutMs: number;
  /** The longest response body that the relay passes on, in bytes. */
  readonly maxResponseBody: number;
  /** The package of the client that the relay serves, if it says so. It does only over TLS. */
  readonly relayClient: RelayClient | undefined;
}

const shapes = {
  ...relayShapes,
  token: text().optional(),
  subdomain: text().optional(),
  timeoutMs: wholeNumber(1).optional(),
  signal: abortSignal.optional(),
} satisfies Record<keyof CheckOptions, unknown>;

/**
 * Asks a relay what a registration would get, and registers nothing: a tunnel that has the name goes on as if
 * nobody had asked. A relay that is too old to be asked is told nothing.
 *
 * @example
 * const relayUrl = "https://tunnel.example.com";
 * const { subdomain, inUse } = await checkRegistration({ relayUrl, token: "secret" });
 * @throws TunnelError `invalid_option`; `refused` when the relay does not take the token; `unsupported` when
 * the relay cannot be asked; `unreachable` also when the relay cannot judge the token now, or wants to hear
 * no more for a while; `timeout`, `protocol_error`; `ABORT_ERR` after `signal`, with its reason as the cause.
 */
export async function checkRegistration(options: CheckOptions): Promise<CheckedRegistration> {
  checkOptions(options, shapes);
  const request: LinkRequest = {
    ...resolveRelay(options),
    timeoutMs: Math.min(options.timeoutMs ?? 10_000, maxTimerMs),
    signal: options.signal ?? new AbortController().signal,
  };
  const message: RegisterMessage = {
    token: resolveToken(options.token),
    subdomain: options.subdomain === undefined ? null : checkSubdomain(options.subdomain),
    protocol: [...supportedProtocols],
    client: { name: "mcp-tunnel-client", version },
    claim: "check",
    ...(takesPackage(request.registerUrl) ? { clientPackage: true } : {}),
  };
  const opened = await openLink(request);
  requireFeature(
    opened,
    request,
    claimFeature,
    "cannot say what a registration would get without registering it",
  );
  const { checked } = await ask(opened.link, message, request);
  if (checked.url !== undefined && !isPublicUrl(checked.url)) {
    throw new TunnelError("protocol_error", "the relay answered with a URL that is not one");
  }
  const { subdomain, url, inUse, subdomains: patterns, refused, relay, clientPackage, ...terms } = checked;
  return {
    subdomain,
    url,
    inUse,
    patterns,
    refused: refused && {
      reason: refused.reason,
      isFinal: refused.code === closeCodes.authenticationFailed,
    },
    ...terms,
    relayVersion: relay.version,
    relayClient: relayClient(request.registerUrl, clientPackage),
  };
}

/** Sends the message and waits for the answer. The link is closed then, in any case. */
function ask(
  link: WebSocketLink,
  message: RegisterMessage,
  { timeoutMs, signal }: LinkRequest,
): Promise<CheckedMessage> {
  return new Promise<CheckedMessage>((resolve, reject) => {
    const onAbort = (): void => end(() => reject(abortError(signal)));
    const timer = setTimeout(() => {
      end(() => reject(new TunnelError("timeout", `the relay did not answer in ${timeoutMs} ms`)));
    }, timeoutMs);
    const end = (settle: () => void): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
      link.handler = undefined;
      link.close(closeCodes.normal, "");
      settle();
    };
    signal.addEventListener("abort", onAbort, { once: true });
    link.handler = {
      onMessage(given) {
        const answer = typeof given === "string" ? parseChecked(given) : undefined;
        if (answer !== undefined) end(() => resolve(answer));
      },
      onClose: (code, reason) => end(() => reject(closeError({ message }, code, reason))),
    };
    if (signal.aborted) onAbort();
    else link.send(JSON.stringify(message));
  });
}
