import type { SecureContext } from "node:tls";
import { printable } from "mcp-tunnel-shared";
import type { Logger } from "../telemetry/log.js";
import { type StaleKind, type StaleSource, Staleness } from "../files/staleness.js";
import { Certificate, type CertificateFiles } from "./certificate.js";
import { certificateStatus, type CertificateStatus } from "./certificate-status.js";
import { FileTask, FileWatch } from "mcp-tunnel-config/files";

/** A source of a certificate. It may have none yet. */
export interface CertificateSource {
  readonly kind: StaleKind;
  readonly name: string;
  certificate: Certificate | undefined;
  /** Whether the source failed to give a newer certificate. */
  readonly staleness: Staleness;
}

/**
 * The certificates of a relay. A connection keeps the certificate that is current when its handshake begins,
 * so a new certificate touches no open connection.
 */
export class Certificates {
  readonly #logger: Logger;
  readonly #sources: CertificateSource[] = [];
  readonly #watches: FileWatch[] = [];
  #closed = false;
  #onFallback: (certificate: Certificate) => void = () => {};

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** The certificate for connections that ask for no name, or for a name that no certificate has. */
  get fallback(): Certificate | undefined {
    return this.#sources.find((source) => source.certificate !== undefined)?.certificate;
  }

  /** When the first of the certificates in use expires. */
  get expiry(): Date | undefined {
    const times = this.#sources.flatMap(({ certificate }) => certificate?.notAfter.getTime() ?? []);
    return times.length === 0 ? undefined : new Date(Math.min(...times));
  }

  /** The certificates in use. */
  get status(): CertificateStatus[] {
    return this.#sources.flatMap(({ kind, certificate, staleness }) => {
      if (certificate === undefined) return [];
      return certificateStatus(certificate, kind === "acme" ? "acme" : "files", staleness.current?.problem);
    });
  }

  /** The sources that could not be read, or renewed, again. */
  get stale(): StaleSource[] {
    return this.#sources.flatMap(({ staleness }) => staleness.current ?? []);
  }

  /** Calls `changed` with the {@link fallback}, if there is one, and with each later one. */
  followFallback(changed: (certificate: Certificate) => void): void {
    this.#onFallback = changed;
    if (this.fallback !== undefined) changed(this.fallback);
  }

  /**
   * The certificate for a host name. A certificate that spells the name out goes before one with a wildcard,
   * and otherwise the given order decides.
   */
  find(name: string): Certificate | undefined {
    const certificates = this.#sources.flatMap(({ certificate }) => certificate ?? []);
    return (
      certificates.find((certificate) => certificate.covers(name, false)) ??
      certificates.find((certificate) => certificate.covers(name, true))
    );
  }

  /** For `tls.createServer`. */
  readonly sniCallback = (
    name: string,
    done: (error: Error | null, context?: SecureContext) => void,
  ): void => {
    done(null, (this.find(name) ?? this.fallback)?.context);
  };

  /**
   * Serves the certificate of the files, and follows the files once {@link watch} is called. If they are not
   * usable later on, the old certificate stays. The files are logged, and are {@link stale} until they are
   * usable again.
   * @throws TunnelError as {@link Certificate.readSync}, when the files are not usable now.
   */
  addFiles(files: CertificateFiles): void {
    const source = this.addSource("certificate", files.cert);
    this.replace(source, Certificate.readSync(files));
    const reading = new FileTask(() => Certificate.read(files));
    const read = async (isRetry: boolean): Promise<boolean> => {
      try {
        const certificate = await reading.run();
        if (this.#closed) return false;
        if (source.staleness.current !== undefined) {
          this.#logger.info({ source: source.name }, "the certificate is usable again");
        }
        this.replace(source, certificate);
        return true;
      } catch (error) {
        if (this.#closed) return false;
        const reason = printable((error as Error).message);
        const isNews = source.staleness.failed(reason);
        if (isNews || !isRetry) {
          this.#logger.error({ reason }, "the certificate is not usable; the one that was read before stays");
        }
        return false;
      }
    };
    this.#watches.push(new FileWatch([files.cert, files.key], read));
  }

  /**
   * Adds a source whose certificate comes by {@link replace}. The order of the calls is the order of
   * preference.
   */
  addSource(kind: StaleKind, name: string): CertificateSource {
    const staleness = new Staleness(kind, name);
    const source: CertificateSource = { kind, name, certificate: undefined, staleness };
    this.#sources.push(source);
    return source;
  }

  /** New connections get `certificate` from now on. */
  replace(source: CertificateSource, certificate: Certificate): void {
    source.staleness.refreshed();
    if (certificate.cert === source.certificate?.cert) return;
    source.certificate = certificate;
    if (this.fallback === certificate) this.#onFallback(certificate);
    const { leaf, notAfter } = certificate;
    const fields = {
      source: source.name,
      names: printable(leaf.subjectAltName ?? ""),
      expires: notAfter.toISOString(),
    };
    if (notAfter.getTime() > Date.now()) this.#logger.info(fields, "certificate in use");
    else this.#logger.warn(fields, "certificate in use, but expired: visitors will be warned of this relay");
  }

  /** Reads the files again when they change. */
  watch(): void {
    for (const watch of this.#watches) watch.start();
  }

  /** Reads all files again, changed or not. Never rejects. */
  async reload(): Promise<void> {
    await Promise.all(this.#watches.map((watch) => watch.changed(false)));
  }

  /** Stops following the files. */
  close(): void {
    this.#closed = true;
    for (const watch of this.#watches) watch.close();
  }
}
