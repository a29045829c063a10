import { X509Certificate } from "node:crypto";
import { isIP, type Socket } from "node:net";
import {
  checkServerIdentity,
  type ConnectionOptions,
  createSecureContext,
  type SecureContext,
  TLSSocket,
} from "node:tls";
import { messageOf } from "mcp-tunnel-shared";
import { TunnelError } from "mcp-tunnel-protocol";

/** TLS on the links between relays, in PEM. Links over unix sockets never have it. */
export interface PeerTls {
  /** The certificate that this relay shows, and those behind it. */
  readonly cert: string | Buffer;
  /** The private key of the certificate. */
  readonly key: string | Buffer;
  /**
   * Who vouches for the certificates of other relays. A certificate that is listed here itself is pinned: it
   * has signed itself, and need not name the address at which the relay is reached. Default: the authorities
   * that Node knows.
   */
  readonly ca?: string | Buffer;
}

/**
 * The exporter that binds a handshake to its connection needs TLS 1.3 (RFC 9266 section 4.2), which every
 * relay has.
 */
const minVersion = "TLSv1.3";
const certificateForm = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** @throws TunnelError `invalid_option` for a certificate or key that is none, or for two that do not fit. */
export function serverContext({ cert, key }: PeerTls): SecureContext {
  try {
    return createSecureContext({ cert, key, minVersion });
  } catch (error) {
    throw unusable(error);
  }
}

/** @throws TunnelError `invalid_option` for a `ca` that is no certificate. */
export function clientOptions({ ca }: PeerTls): ConnectionOptions {
  if (ca === undefined) return { minVersion };
  try {
    const listed = ca.toString().match(certificateForm) ?? [];
    const pinned = new Set(listed.map((pem) => new X509Certificate(pem).fingerprint256));
    return {
      minVersion,
      secureContext: createSecureContext({ ca, minVersion }),
      checkServerIdentity: (host, certificate) =>
        pinned.has(certificate.fingerprint256) ? undefined : checkServerIdentity(host, certificate),
    };
  } catch (error) {
    throw unusable(error);
  }
}

/** The name that the TLS of a connection asks for: addresses have none (RFC 6066 section 3). */
export function serverName(host: string): { servername?: string } {
  return isIP(host) === 0 ? { servername: host } : {};
}

/** What only the two ends of this connection know; empty without TLS. */
export function bindingOf(socket: Socket): string {
  if (!(socket instanceof TLSSocket)) return "";
  return socket.exportKeyingMaterial(32, "EXPORTER-Channel-Binding", Buffer.alloc(0)).toString("base64url");
}

function unusable(error: unknown): TunnelError {
  const message = `the certificates for the links between relays cannot be used: ${messageOf(error)}`;
  return new TunnelError("invalid_option", message, { cause: error });
}
