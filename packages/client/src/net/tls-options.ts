import { X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { checkOptions, flag, passing, text, unusable } from "mcp-tunnel-protocol";

/** A text in PEM form. */
export type Pem = string | Buffer;

/** TLS with another end: whom this end believes, and what it shows. */
export interface TlsOptions {
  /**
   * The certificates that are believed, as PEM: those of authorities, or that of the other end itself. One
   * text may hold several. They take the place of the authorities that Node knows, and of
   * NODE_EXTRA_CA_CERTS. Add `rootCertificates` of node:tls to believe those, too. Default: the authorities
   * that Node knows.
   * @example relayTls: { ca: readFileSync("ca.pem") }
   */
  ca?: Pem | readonly Pem[];
  /**
   * The certificate that this end shows if it is asked for one, as PEM, followed by those that lead to its
   * authority. It needs {@link key}. Default: none.
   */
  cert?: Pem;
  /** The private key of {@link cert}, as PEM, not encrypted. */
  key?: Pem;
  /**
   * The name that the other end is asked for, and that its certificate has to be for. Default: the host of
   * its URL.
   */
  servername?: string;
}

/** TLS with the local service. */
export interface ServiceTlsOptions extends TlsOptions {
  /**
   * False believes any certificate. Whoever can answer in the service's place then gets the requests of
   * visitors: it is for services of this machine that draw a new certificate with each start. Default true.
   */
  rejectUnauthorized?: boolean;
}

/** {@link ServiceTlsOptions}, checked, in the form in which node:tls takes them. */
export interface TlsSettings {
  readonly ca?: (string | Buffer)[];
  readonly cert?: Pem;
  readonly key?: Pem;
  readonly servername?: string;
  readonly rejectUnauthorized?: boolean;
}

const isPem = (value: unknown): value is Pem => typeof value === "string" || Buffer.isBuffer(value);
const pem = passing<Pem>(isPem, "a string or a Buffer with PEM");

const shapes = {
  ca: passing<Pem | Pem[]>(
    (value) => isPem(value) || (Array.isArray(value) && value.length > 0 && value.every(isPem)),
    "a string or a Buffer with PEM, or an array of them",
  ).optional(),
  cert: pem.optional(),
  key: pem.optional(),
  servername: text().optional(),
} satisfies Record<keyof TlsOptions, unknown>;

/** @throws TunnelError `invalid_option` that names a part of `relayTls`. */
export function resolveRelayTls(given: TlsOptions): TlsSettings {
  checkOptions(given, shapes, { within: "relayTls" });
  return resolve(given, "relayTls");
}

/** @throws TunnelError `invalid_option` that names a part of `serviceTls`. */
export function resolveServiceTls(given: ServiceTlsOptions): TlsSettings {
  checkOptions(given, { ...shapes, rejectUnauthorized: flag.optional() }, { within: "serviceTls" });
  const { rejectUnauthorized } = given;
  const settings = resolve(given, "serviceTls");
  return rejectUnauthorized === undefined ? settings : { ...settings, rejectUnauthorized };
}

function resolve({ ca, cert, key, servername }: TlsOptions, within: string): TlsSettings {
  if ((cert === undefined) !== (key === undefined)) {
    const [has, lacks] = cert === undefined ? ["key", "cert"] : ["cert", "key"];
    throw unusable(`${within}.${has} needs ${within}.${lacks}`, { options: [`${within}.${lacks}`] });
  }
  const believed = ca === undefined ? undefined : isPem(ca) ? [ca] : [...ca];
  for (const one of believed ?? []) checkCertificates(String(one), `${within}.ca`);
  if (cert !== undefined) checkCertificates(String(cert), `${within}.cert`);
  // An address is no name that a handshake may ask for (RFC 6066 section 3).
  if (servername !== undefined && (servername === "" || isIP(servername) !== 0)) {
    throw unusable(`${within}.servername has to be the name of a host, and no address`, {
      options: [`${within}.servername`],
    });
  }
  return {
    ...(believed === undefined ? {} : { ca: believed }),
    ...(cert === undefined || key === undefined ? {} : { cert, key }),
    ...(servername === undefined ? {} : { servername }),
  };
}

const certificateForm = /-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----[^-]+-----END [A-Z0-9 ]+-----/g;

/**
 * Node takes a text without a certificate for a list of none, and would then believe nobody.
 * @throws TunnelError `invalid_option` that names `option`.
 */
export function checkCertificates(pemText: string, option: string): void {
  const found = pemText.match(certificateForm) ?? [];
  if (found.length === 0) {
    throw unusable(`${option} has no certificate in PEM form (-----BEGIN CERTIFICATE-----)`, {
      options: [option],
    });
  }
  for (const [i, one] of found.entries()) {
    try {
      new X509Certificate(one);
    } catch (error) {
      const which = found.length === 1 ? "the certificate" : `certificate ${i + 1} of ${found.length}`;
      throw unusable(`${which} in ${option} cannot be read`, { cause: error, options: [option] });
    }
  }
}
