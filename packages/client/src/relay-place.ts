import { registrationPath, someObject, text, textOrUrl, unusable } from "mcp-tunnel-protocol";
import { withoutTrailing } from "mcp-tunnel-shared";
import { resolveRelayTls } from "./net/tls-options.js";
import type { TlsOptions, TlsSettings } from "./net/tls-options.js";
import { checkRelayHeaders, headersShape } from "./relay-headers.js";
import { withoutPassword } from "./service/http/target.js";

/** Which relay is meant, and how it is reached. */
export interface RelayConnectionOptions {
  /**
   * The relay: `https://`, `http://`, `wss://` or `ws://`, or no scheme for `wss://`. A trailing slash is
   * dropped.
   */
  relayUrl: string;
  /**
   * An HTTP proxy through which the relay is reached (CONNECT, RFC 9110 section 9.3.6): `http://` or
   * `https://`, with user and password if it asks for them. Default: no proxy. Only the command looks for a
   * proxy in the environment.
   */
  proxyUrl?: string | URL;
  /**
   * TLS with the relay: a certificate that the client believes or shows. Behind a proxy it is the relay's
   * own. Checking cannot be switched off, because whoever answers gets the token: give the relay's
   * certificate as `ca` if nobody has signed it. Only for a relay with `https` or `wss`. Default: the
   * authorities that Node knows.
   * @example startTunnelClient({ port: 3000, relayUrl, relayTls: { ca: readFileSync("ca.pem") } })
   */
  relayTls?: TlsOptions;
  /**
   * Header fields for the WebSocket handshake with the relay, by their names: for something in front of it
   * that lets only those in who show them, such as Cloudflare Access. Fields that the handshake has itself,
   * and those of a single connection (RFC 9110 section 7.6.1), are refused. Default: none.
   * @example relayHeaders: { "CF-Access-Client-Id": id, "CF-Access-Client-Secret": secret }
   */
  relayHeaders?: Readonly<Record<string, string>>;
}

/** Where a relay is, and the way to it. */
export interface RelayPlace {
  /** The address of the relay's registration endpoint. */
  readonly registerUrl: string;
  /** The same with the scheme that the user wrote, `https` for a URL without one. Messages have it. */
  readonly shownUrl: string;
  /** The HTTP proxy on the way to it. */
  readonly proxyUrl: URL | undefined;
  readonly tls: TlsSettings;
  /** Header fields for the handshake. */
  readonly headers: Readonly<Record<string, string>>;
}

/** The types of {@link RelayConnectionOptions}. What they hold is checked where it is read. */
export const relayShapes = {
  relayUrl: text("the URL of a relay, such as https://tunnel.example.com"),
  proxyUrl: textOrUrl.optional(),
  relayTls: someObject("an object with ca, cert, key or servername").optional(),
  relayHeaders: headersShape.optional(),
} satisfies Record<keyof RelayConnectionOptions, unknown>;

/**
 * The place of options whose types have been checked.
 * @throws TunnelError `invalid_option`.
 */
export function resolveRelay(options: RelayConnectionOptions): RelayPlace {
  const { relayUrl, proxyUrl, relayTls, relayHeaders } = options;
  const place = {
    registerUrl: registerUrl(relayUrl),
    shownUrl: shownUrl(relayUrl),
    proxyUrl: resolveProxy(proxyUrl),
    tls: relayTls === undefined ? {} : resolveRelayTls(relayTls),
    headers: relayHeaders === undefined ? {} : checkRelayHeaders(relayHeaders),
  };
  if (relayTls !== undefined && !place.registerUrl.startsWith("wss:")) {
    throw unusable(`relayTls has no effect with ${new URL(place.shownUrl).origin}, which has no TLS`, {
      options: ["relayTls"],
    });
  }
  return place;
}

/**
 * The registration endpoint of a relay, whose URL is given the way users write it. A path in that URL stays
 * in front of the endpoint, so that a relay may sit below a prefix of a reverse proxy.
 */
export function registerUrl(relayUrl: string): string {
  const given = relayUrl.trim();
  if (given === "") throw unusable("the relay URL is empty", { options: ["relayUrl"] });
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(given)?.[1]?.toLowerCase();
  const secure = { https: "wss", wss: "wss", http: "ws", ws: "ws" }[scheme ?? "wss"];
  if (secure === undefined) {
    throw unusable(`the relay URL '${given}' has the scheme '${scheme}': use https, http, wss or ws`, {
      options: ["relayUrl"],
    });
  }
  const rest = scheme === undefined ? given : given.slice(scheme.length + 3);
  if (!URL.canParse(`${secure}://${rest}`))
    throw unusable(`the relay URL '${given}' is not a URL`, { options: ["relayUrl"] });
  const url = new URL(`${secure}://${rest}`);
  if (url.search !== "" || url.hash !== "" || url.username !== "" || url.password !== "") {
    throw unusable(
      `the relay URL '${withoutPassword(given)}' may hold a scheme, a host, a port and a path, and nothing else`,
      { options: ["relayUrl"] },
    );
  }
  return `${secure}://${url.host}${withoutTrailing(url.pathname, "/")}${registrationPath}`;
}

/**
 * The relay, in one spelling: an https or http URL without a slash at its end. Two spellings of one URL are
 * the same relay.
 * @throws TunnelError `invalid_option`.
 */
export function relayName(relayUrl: string): string {
  return registerUrl(relayUrl).slice(0, -registrationPath.length).replace(/^ws/, "http");
}

/** {@link registerUrl} with the scheme that the user wrote, and with `https` for a URL without one. */
export function shownUrl(relayUrl: string): string {
  const scheme = /^[a-z]+(?=:\/\/)/i.exec(relayUrl.trim())?.[0].toLowerCase() ?? "https";
  return registerUrl(relayUrl).replace(/^wss?/, scheme);
}

/** @throws TunnelError `invalid_option`. */
export function resolveProxy(given: string | URL | undefined): URL | undefined {
  if (given === undefined) return undefined;
  const url = URL.canParse(String(given)) ? new URL(given) : undefined;
  if (url === undefined || !["http:", "https:"].includes(url.protocol)) {
    const shown = withoutPassword(String(given));
    throw unusable(`the proxy '${shown}' is not the URL of an HTTP proxy, such as http://proxy.lan:3128`, {
      options: ["proxyUrl"],
    });
  }
  if (/%(?![0-9a-f]{2})/i.test(url.username + url.password)) {
    throw unusable("the user or the password of the proxy has a % that begins no escape: write %25 for it", {
      options: ["proxyUrl"],
    });
  }
  return url;
}
