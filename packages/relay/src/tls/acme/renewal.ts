import { TunnelError } from "mcp-tunnel-protocol";
import { messageOf, printable } from "mcp-tunnel-shared";
import type { Logger } from "../../telemetry/log.js";
import type { Certificate } from "../certificate.js";
import type { CertificateSource, Certificates } from "../certificates.js";
import { obtainCertificate } from "./obtain.js";
import type { ResolvedAcmeOptions } from "./options.js";
import { type AcmeStore, turnMs } from "./store.js";

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

/**
 * Gets the first certificate of the relay's domain, and renews it, or takes what another process gets.
 * Serving never waits for this.
 */
export class AcmeRenewal {
  readonly #domain: string;
  readonly #options: ResolvedAcmeOptions;
  readonly #store: AcmeStore;
  readonly #certificates: Certificates;
  readonly #source: CertificateSource;
  readonly #logger: Logger;
  readonly #stopped = new AbortController();
  readonly #jitter = Math.random();
  #timer: NodeJS.Timeout | undefined;
  #watch: { close(): void } | undefined;
  #failures = 0;
  /** Whatever dates a certificate has, the authority is asked no sooner. In `performance.now()`. */
  #quietUntil = 0;
  #hasTurn = false;
  /** A new certificate that is in use, and could not be stored. */
  #unsaved: Certificate | undefined;
  /** Why the store could not be looked at the last time. */
  #blind = "";

  constructor(
    domain: string,
    options: ResolvedAcmeOptions,
    store: AcmeStore,
    certificates: Certificates,
    logger: Logger,
  ) {
    this.#domain = domain;
    this.#options = options;
    this.#store = store;
    this.#certificates = certificates;
    this.#source = certificates.addSource("acme", options.directory);
    this.#logger = logger;
  }

  /**
   * Serves the certificate of the last run, or of another relay, if there is one.
   * @throws TunnelError as {@link AcmeStore.certificate}.
   */
  async load(): Promise<void> {
    const stored = await this.#store.certificate(this.#domain);
    if (stored !== undefined) this.#certificates.replace(this.#source, stored);
  }

  /** Begins to renew the certificate when that is due, or to get the first certificate now. */
  start(): void {
    if (this.#source.certificate === undefined) {
      this.#logger.warn({}, "no certificate yet: HTTPS begins to work when the first one is there");
    }
    this.#watch = this.#store.follow?.(this.#domain, (isRetry) => this.#follow(isRetry));
    if (this.#watch === undefined) this.#schedule(0);
  }

  /** Takes the certificate that another process has stored. Returns whether it is usable. */
  async #follow(isRetry: boolean): Promise<boolean> {
    try {
      await this.load();
      return true;
    } catch (error) {
      const reason = printable(messageOf(error));
      if (this.#source.staleness.failed(reason) || !isRetry) {
        this.#logger.error({ reason }, "the stored certificate is not usable");
      }
      return false;
    }
  }

  /** Ends all renewals. A record that is being set at this moment may stay. */
  close(): void {
    clearTimeout(this.#timer);
    this.#watch?.close();
    this.#stopped.abort();
    // Another relay need not wait until this one counts as gone.
    if (this.#hasTurn) this.#store.endTurn(this.#domain).catch(() => {});
  }

  /** How long until the authority is to be asked, in milliseconds. */
  get #leftMs(): number {
    const { certificate } = this.#source;
    const dueMs =
      certificate === undefined ? 0 : renewalTime(certificate.notBefore, certificate.notAfter, this.#jitter);
    return Math.max(dueMs - Date.now(), this.#quietUntil - performance.now());
  }

  #schedule(leastMs: number): void {
    if (this.#stopped.signal.aborted) return;
    const waitMs = Math.min(Math.max(this.#leftMs, leastMs), this.#store.lookMs ?? longestWaitMs);
    this.#timer = setTimeout(() => void this.#wake(), waitMs);
    this.#timer.unref();
  }

  async #wake(): Promise<void> {
    if (await this.#isToAsk()) await this.#renew();
    if (this.#hasTurn && !this.#needsTurn) {
      this.#hasTurn = false;
      await this.#withStore(() => this.#store.endTurn(this.#domain));
    }
    this.#schedule(this.#store.lookMs ?? 0);
  }

  async #isToAsk(): Promise<boolean> {
    if (this.#store.lookMs !== undefined) {
      if (!(await this.#look())) return false;
      if (this.#needsTurn && !(await this.#takeTurn())) return false;
    }
    return this.#leftMs <= 0 && !this.#stopped.signal.aborted;
  }

  /**
   * A relay that has failed keeps the turn, and counts its failures, so that several relays ask the authority
   * no more often than one. So does one that could not store what it has, or another would ask for the same.
   */
  get #needsTurn(): boolean {
    return this.#leftMs <= 0 || this.#failures > 0 || this.#unsaved !== undefined;
  }

  /** Takes what another relay has stored. Returns whether the store could be had. */
  async #look(): Promise<boolean> {
    return await this.#withStore(async () => {
      if (this.#unsaved !== undefined) {
        await this.#store.saveCertificate(this.#domain, this.#unsaved);
        this.#unsaved = undefined;
        this.#source.staleness.refreshed();
      }
      const stored = await this.#store.certificate(this.#domain);
      const { certificate } = this.#source;
      // The store has lost it, as Redis does that keeps nothing on a disk.
      if (stored === undefined && certificate !== undefined) {
        await this.#store.saveCertificate(this.#domain, certificate);
      }
      if (stored === undefined || stored === certificate || this.#stopped.signal.aborted) return;
      this.#failures = 0;
      this.#certificates.replace(this.#source, stored);
    });
  }

  /** Takes or keeps the turn. */
  async #takeTurn(): Promise<boolean> {
    await this.#withStore(async () => {
      const hadTurn = this.#hasTurn;
      this.#hasTurn = await this.#store.takeTurn(this.#domain);
      // Another relay may have had the turn until now, and stored a certificate.
      if (this.#hasTurn && !hadTurn) await this.#look();
    });
    return this.#hasTurn;
  }

  /**
   * Returns whether the store could be had. If not, what was read before stays, and it is looked at again.
   */
  async #withStore(action: () => Promise<void>): Promise<boolean> {
    try {
      await action();
      if (this.#blind !== "") this.#logger.info({}, "the cluster's certificate can be read again");
      this.#blind = "";
      return true;
    } catch (error) {
      const reason = printable(messageOf(error));
      if (reason !== this.#blind && !this.#stopped.signal.aborted) {
        this.#logger.warn({ reason }, "the cluster's certificate cannot be looked at; the one in use stays");
      }
      this.#blind = reason;
      return false;
    }
  }

  async #renew(): Promise<void> {
    // An order may take minutes, because records have to spread first.
    const keeping = setInterval(() => void this.#takeTurn(), turnMs / 3).unref();
    try {
      this.#logger.info(
        { domain: this.#domain, directory: this.#options.directory },
        "asking for a certificate",
      );
      const certificate = await obtainCertificate(
        this.#domain,
        this.#options,
        this.#store,
        this.#logger,
        this.#stopped.signal,
      );
      if (this.#stopped.signal.aborted) return;
      this.#failures = 0;
      const unsaved = await this.#save(certificate);
      this.#certificates.replace(this.#source, certificate);
      if (unsaved !== undefined) this.#source.staleness.failed(unsaved);
      this.#quietUntil = performance.now() + firstRetryMs;
    } catch (error) {
      if (this.#stopped.signal.aborted) return;
      this.#failures += 1;
      const retryMs = retryDelayMs(this.#failures, Math.random());
      this.#quietUntil = performance.now() + retryMs;
      const reason = error instanceof TunnelError ? error.message : printable(String(error));
      this.#source.staleness.failed(reason);
      this.#logger.error(
        { reason, retryInS: Math.round(retryMs / 1_000), expires: this.#source.certificate?.notAfter },
        "no new certificate",
      );
    } finally {
      clearInterval(keeping);
    }
  }

  /**
   * Returns why the certificate could not be saved. It is good all the same, and the authority issues only a
   * limited number.
   */
  async #save(certificate: Certificate): Promise<string | undefined> {
    try {
      await this.#store.saveCertificate(this.#domain, certificate);
      return undefined;
    } catch (error) {
      this.#unsaved = certificate;
      const reason = printable(String(error));
      this.#logger.error({ reason }, "the new certificate is not saved: a restart asks for another");
      return reason;
    }
  }
}
