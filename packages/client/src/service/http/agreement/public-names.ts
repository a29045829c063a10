import { headerValue, type RequestHead } from "mcp-tunnel-protocol";
import type { ServedTunnel } from "../../service.js";
import { originOf, References } from "./references.js";

/** What the relay says of the tunnel that a request belongs to. */
export type PublicSide = Pick<ServedTunnel, "origin" | "isForwardedOwn">;

/** A visitor's name for the service. */
export interface PublicName {
  /** The origin that the visitor asked for. */
  readonly origin: string;
  /**
   * References to the tunnel's own origins: the origin that the visitor asked for, and the origin that the
   * relay made public. The latter is right behind a proxy that does not tell the scheme. The scheme has to
   * match as well, because a page that came without TLS is a stranger to a page with TLS.
   */
  readonly references: References;
}

/**
 * The visitors' names for the service in a session. One tunnel may be reached over http and https, and at
 * several ports. But nearly all requests ask for the same origin as the request before, so the last name is
 * kept.
 */
export class PublicNames {
  readonly #tunnel: PublicSide;
  readonly #acknowledged: PublicName;
  #host = "";
  #scheme = "";
  #asked: PublicName;

  constructor(tunnel: PublicSide) {
    this.#tunnel = tunnel;
    this.#acknowledged = { origin: tunnel.origin, references: References.toOrigins([tunnel.origin]) };
    this.#asked = this.#acknowledged;
  }

  /** The name by which a request asks. */
  of({ headers }: RequestHead): PublicName {
    if (!this.#tunnel.isForwardedOwn) return this.#acknowledged;
    const host = headerValue(headers, "x-forwarded-host") ?? "";
    const scheme = headerValue(headers, "x-forwarded-proto") ?? "";
    if (host !== this.#host || scheme !== this.#scheme) {
      this.#asked = this.#named(host, scheme);
      this.#host = host;
      this.#scheme = scheme;
    }
    return this.#asked;
  }

  /**
   * If the relay made https public, http at the same host and port does not replace it. A relay that does not
   * know the proxy with TLS in front of it writes `http`, and a page that came without TLS would be taken for
   * one of the tunnel's.
   */
  #named(host: string, scheme: string): PublicName {
    // A trusted proxy in front of the relay may have said anything.
    if (!authorityPattern.test(host) || (scheme !== "http" && scheme !== "https")) return this.#acknowledged;
    const origin = originOf(scheme, host);
    const known = this.#tunnel.origin;
    if (origin === known || origin === known.replace(/^https:/, "http:")) return this.#acknowledged;
    return { origin, references: References.toOrigins([origin, known]) };
  }
}

/** A name or an address, with or without a port: what may stand in a URL between `//` and the path. */
const authorityPattern = /^(?:[\w.~-]+|\[[\da-f:.]+\])(?::\d{1,5})?$/i;
