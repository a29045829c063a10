import type { Server } from "node:http";
import type { Member, SharedStore } from "mcp-tunnel-cluster/relay";
import { listOf, onlyObjectOf, unusable } from "mcp-tunnel-protocol";
import { fileNumber, filePath, portNumber } from "../check.js";
import type { Connections } from "../admission/connections.js";
import { listen, type ListenPlace } from "../net/listen.js";
import type { Logger } from "../telemetry/log.js";
import { type AcmeOptions, acmeShape, type ResolvedAcmeOptions, resolveAcmeOptions } from "./acme/options.js";
import type { AcmeRenewal } from "./acme/renewal.js";
import type { CertificateFiles } from "./certificate.js";
import { Certificates } from "./certificates.js";
import { OwnRotation, type Rotation, TicketKeys } from "./ticket-keys.js";

/** How a relay speaks TLS. At least one of `files` and `acme` is needed. */
export interface TlsOptions {
  /**
   * Certificates, each chosen by the names in it. The first one also serves visitors that ask for none of
   * these names. The files are read again when they change. Default none.
   */
  files?: readonly CertificateFiles[];
  /** Get a certificate for the domain and all names below it, and renew it. Default: no. */
  acme?: AcmeOptions;
  /** Port at which HTTP requests are redirected to HTTPS; 0 takes any free one. Default none. */
  redirectPort?: number;
  /** Number of an open file that is a listening socket, to use instead of `redirectPort`. */
  redirectFd?: number;
}

const filesShape = onlyObjectOf(
  { cert: filePath, key: filePath } satisfies Record<keyof CertificateFiles, unknown>,
  "an object with the paths 'cert' and 'key'",
);

export const tlsShape = onlyObjectOf({
  files: listOf(filesShape, "an array of objects with the paths 'cert' and 'key'").optional(),
  acme: acmeShape.optional(),
  redirectPort: portNumber.optional(),
  redirectFd: fileNumber.optional(),
} satisfies Record<keyof TlsOptions, unknown>);

/** The facts about its relay that TLS has to know. */
interface TlsRelay {
  readonly domain: string;
  readonly host: string | undefined;
  readonly member: Member | undefined;
  /**
   * Makes the server that redirects visitors to HTTPS. It does not listen yet. `httpsPort` is the port that
   * visitors see; empty for 443.
   */
  readonly redirectServer: (httpsPort: string) => Server;
  readonly logger: Logger;
}

/**
 * The parts of a relay's TLS that have to be started and stopped. Those that only some relays need are loaded
 * with {@link load}.
 */
export class Tls {
  readonly certificates: Certificates;
  readonly ticketKeys = new TicketKeys();
  #rotation: Rotation = new OwnRotation(this.ticketKeys);
  readonly #acmeOptions: ResolvedAcmeOptions | undefined;
  #acme: AcmeRenewal | undefined;
  readonly #store: SharedStore | undefined;
  readonly #domain: string;
  readonly #redirectPlace: ListenPlace | undefined;
  readonly #redirectServer: (httpsPort: string) => Server;
  readonly #logger: Logger;
  #redirect: Server | undefined;

  /**
   * @throws TunnelError `invalid_option` or `unavailable` when the certificates are not usable, among others.
   */
  constructor(options: TlsOptions, relay: TlsRelay) {
    const { domain, host, member, logger } = relay;
    if (options.acme === undefined && (options.files ?? []).length === 0) {
      throw unusable("TLS needs a certificate with its key, or ACME to get one", { options: ["tls"] });
    }
    this.certificates = new Certificates(logger);
    for (const files of options.files ?? []) this.certificates.addFiles(files);
    this.#acmeOptions = options.acme === undefined ? undefined : resolveAcmeOptions(options.acme);
    this.#store = member?.store;
    this.#domain = domain;
    const { redirectPort: port, redirectFd: fd } = options;
    if (fd !== undefined) this.#redirectPlace = { fd };
    else if (port !== undefined) this.#redirectPlace = { host, port };
    this.#redirectServer = relay.redirectServer;
    this.#logger = logger;
  }

  /**
   * Loads what an earlier run, or another relay of the cluster, has stored. To be called before the relay
   * listens, and once it has joined the cluster.
   * @throws TunnelError `unavailable` or `invalid_option` when the ACME storage cannot be read or is not
   * usable.
   */
  async load(): Promise<void> {
    const store = this.#store;
    if (this.#acmeOptions !== undefined) {
      const { acmeRenewal } = await import("./acme/acme.js");
      this.#acme = acmeRenewal(this.#domain, this.#acmeOptions, store, this.certificates, this.#logger);
      await this.#acme.load();
    }
    if (store === undefined) return;
    const { SharedRotation } = await import("./shared-rotation.js");
    const shared = new SharedRotation(this.ticketKeys, store, this.#logger);
    await shared.load();
    this.#rotation = shared;
  }

  /**
   * `httpsPort` is the port that visitors see; empty for 443. `connections` also bounds the connections of
   * the redirect.
   * @throws TunnelError `unavailable` when, for example, the port of the redirect is not available.
   */
  async start(httpsPort: string, connections: Connections): Promise<void> {
    if (this.#redirectPlace !== undefined)
      await this.#openRedirect(this.#redirectPlace, httpsPort, connections);
    this.certificates.watch();
    this.#rotation.start();
    this.#warnOfNames();
    this.#acme?.start();
  }

  async #openRedirect(place: ListenPlace, httpsPort: string, connections: Connections): Promise<void> {
    const server = this.#redirectServer(httpsPort);
    connections.watch(server);
    const address = await listen(server, place, "redirect port");
    server.on("error", (error) => this.#logger.error({ error: String(error) }, "server error"));
    this.#redirect = server;
    this.#logger.info(address, "redirecting to HTTPS");
  }

  /** Warns of a relay whose certificate is for other names: it seems to work until somebody visits it. */
  #warnOfNames(): void {
    // A certificate that is still to come by ACME is for all names.
    if (this.certificates.fallback === undefined) return;
    const names = [this.#domain, `*.${this.#domain}`];
    for (const name of names) {
      if (this.certificates.find(name.replace("*", "any-name")) !== undefined) continue;
      this.#logger.warn({ name }, "no certificate is for this name: who connects there will be warned");
    }
  }

  /** Reads the certificate files again. */
  reload(): Promise<void> {
    return this.certificates.reload();
  }

  /** The server that redirects visitors to HTTPS. None before it listens. */
  get redirects(): readonly Server[] {
    return this.#redirect === undefined ? [] : [this.#redirect];
  }

  /** Stops everything except the connections of visitors. */
  close(): void {
    this.certificates.close();
    this.#rotation.close();
    this.#acme?.close();
    this.#redirect?.close();
  }

  /** Closes the connections of visitors who are being redirected. */
  cut(): void {
    this.#redirect?.closeAllConnections();
  }
}
