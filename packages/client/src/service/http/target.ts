import { unusable } from "mcp-tunnel-protocol";
import { isLoopback, portOf } from "mcp-tunnel-shared";

/** The local service. It is fixed at the start: nothing that the relay sends can change where requests go. */
export interface Target {
  /** The name in messages: the service's origin, or words for something in this program. */
  readonly name: string;
  /** Scheme, host and port as a URL has them, for undici. */
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
  return parseTarget(`http://localhost:${port}`);
}

/**
 * Stands for a service within this program, which messages call `name`. Requests go to it without TLS. It has
 * a host because an HTTP/1.1 request cannot do without one.
 */
export function targetWithin(name: string): Target {
  return { ...parseTarget("http://localhost"), name };
}

/** @throws TunnelError `invalid_option` for anything but the origin of an http or https URL. */
export function parseTarget(text: string): Target {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || (url.protocol !== "http:" && url.protocol !== "https:")) {
    throw unusable(
      `the local service '${text}' is not a URL such as http://localhost:3000 or https://[::1]:3000`,
      { options: ["target"] },
    );
  }
  if (
    url.pathname !== "/" ||
    url.search !== "" ||
    url.hash !== "" ||
    url.username !== "" ||
    url.password !== ""
  ) {
    throw unusable(
      `the local service '${withoutPassword(text)}' may hold a scheme, a host and a port, and nothing else: paths pass unchanged`,
      { options: ["target"] },
    );
  }
  const secure = url.protocol === "https:";
  const port = portOf(url);
  const hostname = url.hostname.replace(/^\[|\]$/g, "");
  return {
    name: url.origin,
    origin: url.origin,
    secure,
    hostname,
    port,
    // Services that only listen on this machine often guard against DNS rebinding, and some want the port in
    // Host even if it is the default port.
    authority: isLoopback(hostname) ? `${url.hostname}:${port}` : url.host,
  };
}

/** The part that may be shown of a URL, or of a text that should be a URL. */
export function withoutPassword(url: string): string {
  const at = url.lastIndexOf("@");
  if (at === -1) return url;
  const scheme = /^[a-z][a-z0-9+.-]*:\/+/i.exec(url.slice(0, at))?.[0] ?? "";
  return scheme + url.slice(at + 1);
}
