import { isIP } from "node:net";
import { TunnelError } from "mcp-tunnel-protocol";

/** The local service. Fixed at start: nothing that the relay sends can change where requests go. */
export interface Target {
  /** Scheme, host and port as a URL has them, for messages and for undici. */
  readonly origin: string;
  readonly secure: boolean;
  /** A name or an address, IPv6 without brackets. `localhost` is tried as ::1 and as 127.0.0.1. */
  readonly hostname: string;
  readonly port: number;
  /** The Host that the service is told by default. */
  readonly authority: string;
}

/** The service on a port of this machine. */
export function targetOfPort(port: number): Target {
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new TunnelError("invalid_option", `the port must be a whole number from 1 to 65535, not ${port}`);
  }
  return parseTarget(`http://localhost:${port}`);
}

/** @throws TunnelError `invalid_option` for anything but the origin of an http or https URL. */
export function parseTarget(text: string): Target {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || (url.protocol !== "http:" && url.protocol !== "https:")) {
    throw new TunnelError(
      "invalid_option",
      `the local service '${text}' is not a URL such as http://localhost:3000 or https://[::1]:3000`,
    );
  }
  if (
    url.pathname !== "/" ||
    url.search !== "" ||
    url.hash !== "" ||
    url.username !== "" ||
    url.password !== ""
  ) {
    throw new TunnelError(
      "invalid_option",
      `the local service '${withoutPassword(text)}' may hold a scheme, a host and a port, and nothing else: paths pass unchanged`,
    );
  }
  const secure = url.protocol === "https:";
  const port = url.port === "" ? (secure ? 443 : 80) : Number(url.port);
  const hostname = url.hostname.replace(/^\[|\]$/g, "");
  return {
    origin: url.origin,
    secure,
    hostname,
    port,
    authority: isLoopback(hostname) ? `${url.hostname}:${port}` : url.host,
  };
}

/** Whether a name is `localhost` or below it, which always is this machine (RFC 6761 section 6.3). */
export function isLocalhost(hostname: string): boolean {
  return /(^|\.)localhost\.?$/i.test(hostname);
}

/**
 * Whether a name means this machine. Services that only listen there often guard against DNS rebinding, and some
 * want the port in Host even where it is the default one, so it is always given. IPv6 may be in brackets, as in a URL.
 */
export function isLoopback(hostname: string): boolean {
  if (isLocalhost(hostname) || hostname === "::1" || hostname === "[::1]") return true;
  return isIP(hostname) === 4 && hostname.startsWith("127.");
}

/** What can be shown of a URL, or of what should be one. */
export function withoutPassword(url: string): string {
  const at = url.lastIndexOf("@");
  if (at === -1) return url;
  const scheme = /^[a-z][a-z0-9+.-]*:\/+/i.exec(url.slice(0, at))?.[0] ?? "";
  return scheme + url.slice(at + 1);
}
