import { headerValue, type RequestHead } from "mcp-tunnel-protocol";
import type { ServedTunnel } from "../../service.js";
import { originOf, References } from "./references.js";

/** What the relay says of the tunnel that a request belongs to. */
export type PublicSide = Pick<ServedTunnel, "origin" | "isForwardedOwn">;

/** What a visitor calls the service. */
export interface PublicName {
  /** The origin that the visitor asked. */
  readonly origin: string;
  /**
   * To the tunnel's own origins: the one that the visitor asked, and the one that the relay made public,
   * which is the right one behind a proxy that does not tell the scheme. Exact in the scheme as well: a page
   * that came without TLS is a stranger to one with TLS.
   */
  readonly references: References;
}

/**
 * What the visitors of a session call the service. One tunnel may be reached over http and https, and at
 * several ports, but nearly all requests ask the same origin as the one before: what is made of it is kept.
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

  /** The one by which a request asks. */
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
   * The https that the relay made public is not given up for http at the same place: a proxy with TLS that the
   * relay does not know as one says nothing of its own, and a page that came without TLS would be taken for one
   * of the tunnel's.
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
