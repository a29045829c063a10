import { TunnelError } from "mcp-tunnel-protocol";
import { printable } from "mcp-tunnel-shared";
import type { Logger } from "../../telemetry/log.js";
import type { Certificate } from "../certificate.js";
import type { CertificateSource, Certificates } from "../certificates.js";
import { obtainCertificate } from "./obtain.js";
import { type AcmeOptions, type ResolvedAcmeOptions, resolveAcmeOptions } from "./options.js";
import { AcmeStorage } from "./storage.js";

/** The longest wait before the clock is looked at again, because it may be set and the machine may sleep. */
const longestWaitMs = 3_600_000;
/**
 * The first wait after a failure; it doubles with each further one. Let's Encrypt allows 5 failures in an
 * hour.
 */
const firstRetryMs = 120_000;
const longestRetryMs = 6 * 3_600_000;

/**
 * When a certificate is renewed, in milliseconds since the epoch: after two thirds of its life, as Let's
 * Encrypt advises, and up to a twentieth of its life later (`jitter` is 0 to 1), so that relays set up
 * together do not all come at once.
 */
export function renewalTime(notBefore: Date, notAfter: Date, jitter: number): number {
  const lifetimeMs = notAfter.getTime() - notBefore.getTime();
  return notBefore.getTime() + lifetimeMs * (2 / 3 + jitter / 20);
}

/** How long to wait after the nth failure (from 1) in a row; `jitter` is 0 to 1. */
export function retryDelayMs(failures: number, jitter: number): number {
  return Math.min(firstRetryMs * 2 ** (failures - 1), longestRetryMs) * (1 + jitter / 4);
}

/** Gets the first certificate of the relay's domain, and renews it. Serving never waits for this. */
export class AcmeRenewal {
  readonly #domain: string;
  readonly #options: ResolvedAcmeOptions;
  readonly #storage: AcmeStorage;
  readonly #certificates: Certificates;
  readonly #source: CertificateSource;
  readonly #logger: Logger;
  readonly #stopped = new AbortController();
  readonly #jitter = Math.random();
  #timer: NodeJS.Timeout | undefined;
  #failures = 0;

  /** @throws TunnelError `invalid_option`. */
  constructor(domain: string, options: AcmeOptions, certificates: Certificates, logger: Logger) {
    this.#domain = domain;
    this.#options = resolveAcmeOptions(options);
    this.#storage = new AcmeStorage(this.#options.storage, this.#options.directory);
    this.#certificates = certificates;
    this.#source = certificates.addSource("acme", this.#options.directory);
    this.#logger = logger;
  }

  /**
   * Serves the certificate of the last run, if there is one.
   * @throws TunnelError as {@link AcmeStorage.certificate}.
   */
  async load(): Promise<void> {
    const stored = await this.#storage.certificate(this.#domain);
    if (stored !== undefined) this.#certificates.replace(this.#source, stored);
  }

  /** Begins to renew the certificate when that is due, or to get the first certificate now. */
  start(): void {
    if (this.#source.certificate === undefined) {
      this.#logger.warn({}, "no certificate yet: HTTPS begins to work when the first one is there");
    }
    this.#schedule(0);
  }

  /** Ends all renewals. A record that is being set at this moment may stay. */
  close(): void {
    clearTimeout(this.#timer);
    this.#stopped.abort();
  }

  #schedule(leastMs: number): void {
    const { certificate } = this.#source;
    const dueMs =
      certificate === undefined ? 0 : renewalTime(certificate.notBefore, certificate.notAfter, this.#jitter);
    this.#wait(Math.max(dueMs - Date.now(), leastMs));
  }

  #wait(leftMs: number): void {
    if (this.#stopped.signal.aborted) return;
    const waitMs = Math.min(Math.max(leftMs, 0), longestWaitMs);
    this.#timer = setTimeout(() => {
      if (leftMs <= longestWaitMs) void this.#renew();
      else if (this.#failures === 0) this.#schedule(0);
      else this.#wait(leftMs - longestWaitMs);
    }, waitMs);
    this.#timer.unref();
  }

  async #renew(): Promise<void> {
    try {
      this.#logger.info(
        { domain: this.#domain, directory: this.#options.directory },
        "asking for a certificate",
      );
      const certificate = await obtainCertificate(
        this.#domain,
        this.#options,
        this.#storage,
        this.#logger,
        this.#stopped.signal,
      );
      if (this.#stopped.signal.aborted) return;
      this.#failures = 0;
      const unsaved = await this.#save(certificate);
      this.#certificates.replace(this.#source, certificate);
      if (unsaved !== undefined) this.#source.staleness.failed(unsaved);
      // Whatever dates the certificate has, the relay does not ask the authority again at once.
      this.#schedule(firstRetryMs);
    } catch (error) {
      if (this.#stopped.signal.aborted) return;
      this.#failures += 1;
      const retryMs = retryDelayMs(this.#failures, Math.random());
      const reason = error instanceof TunnelError ? error.message : printable(String(error));
      this.#source.staleness.failed(reason);
      this.#logger.error(
        { reason, retryInS: Math.round(retryMs / 1_000), expires: this.#source.certificate?.notAfter },
        "no new certificate",
      );
      this.#wait(retryMs);
    }
  }

  /**
   * Returns why the certificate could not be saved. It is good all the same, and the authority issues only a
   * limited number.
   */
  async #save(certificate: Certificate): Promise<string | undefined> {
    try {
      await this.#storage.saveCertificate(this.#domain, certificate);
      return undefined;
    } catch (error) {
      const reason = printable(String(error));
      this.#logger.error({ reason }, "the new certificate is not saved: a restart asks for another");
      return reason;
    }
  }
}
