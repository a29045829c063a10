import { createPrivateKey, X509Certificate } from "node:crypto";
import { createSecureContext, type SecureContext } from "node:tls";
import { TunnelError } from "mcp-tunnel-protocol";
import { readRegularFile, readRegularFileSync } from "mcp-tunnel-config/files";

/** The paths of a certificate and its key, both as PEM. */
export interface CertificateFiles {
  /** The certificate, followed by the intermediate certificates (certbot calls the file `fullchain.pem`). */
  cert: string;
  /** Its private key, not encrypted. */
  key: string;
}

/** A certificate that can be served. */
export class Certificate {
  readonly cert: string;
  readonly key: string;
  readonly context: SecureContext;
  readonly leaf: X509Certificate;

  /**
   * `source` says in errors where the certificate comes from.
   * @throws TunnelError `invalid_option` when `cert` is no certificate, or `key` is not its key.
   */
  constructor(cert: string, key: string, source: string) {
    const invalid = (what: string, cause?: unknown): TunnelError =>
      new TunnelError("invalid_option", `${source}: ${what}`, { cause, file: source });
    try {
      this.leaf = new X509Certificate(cert);
    } catch (error) {
      throw invalid("this is no certificate in PEM form", error);
    }
    let matches: boolean;
    try {
      matches = this.leaf.checkPrivateKey(createPrivateKey(key));
    } catch (error) {
      throw invalid("its key is no private key in PEM form, or it is encrypted", error);
    }
    if (!matches) throw invalid("the key is not the key of this certificate");
    try {
      this.context = createSecureContext({ cert, key, honorCipherOrder: true });
    } catch (error) {
      throw invalid(`TLS cannot use it: ${(error as Error).message}`, error);
    }
    this.cert = cert;
    this.key = key;
  }

  /**
   * @throws TunnelError `unavailable` when the files cannot be read; `invalid_option` when they are no
   * certificate and its key.
   */
  static readSync({ cert, key }: CertificateFiles): Certificate {
    const readPem = (path: string): string => {
      try {
        return readRegularFileSync(path);
      } catch (error) {
        throw unreadable(path, error);
      }
    };
    return new Certificate(readPem(cert), readPem(key), cert);
  }

  /** The same, while connections are served. */
  static async read({ cert, key }: CertificateFiles): Promise<Certificate> {
    const readPem = (path: string): Promise<string> =>
      readRegularFile(path).catch((error: unknown) => {
        throw unreadable(path, error);
      });
    return new Certificate(await readPem(cert), await readPem(key), cert);
  }

  get notBefore(): Date {
    return new Date(this.leaf.validFrom);
  }

  get notAfter(): Date {
    return new Date(this.leaf.validTo);
  }

  /** Whether the certificate is for this host name. Only subject alternative names count, as in browsers. */
  covers(name: string, wildcards: boolean): boolean {
    return this.leaf.checkHost(name, { subject: "never", wildcards, partialWildcards: false }) !== undefined;
  }
}

function unreadable(path: string, error: unknown): TunnelError {
  const message = `cannot read ${path}: ${(error as Error).message}`;
  return new TunnelError("unavailable", message, { cause: error, file: path });
}
