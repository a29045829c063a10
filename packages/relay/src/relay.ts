import { once } from "node:events";
import type { Server } from "node:http";
import type { AddressInfo, Server as NetServer } from "node:net";
import { abortError, abortSignal, checkOptions, TunnelError } from "mcp-tunnel-protocol";
import { isLocalhost, stackOf } from "mcp-tunnel-shared";
import { memberHost } from "./cluster/host.js";
import { ClusterPlace } from "./cluster/place.js";
import { clusterView, type RelayCluster } from "./cluster/view.js";
import { Holds } from "./tunnels/holds.js";
import { ActiveExchanges } from "./http/exchange/active-exchanges.js";
import { WaitingHeads } from "./http/exchange/waiting-heads.js";
import type { ExchangeContext } from "./http/exchange/context.js";
import { ClientDownload } from "./http/answer/client-download.js";
import { createRedirectServer } from "./http/server/redirect.js";
import { LocalPorts } from "./http/server/local-ports.js";
import { createVisitorServer } from "./http/server/server.js";
import { frontDoor, localDoor } from "./http/route/door.js";
import { Router } from "./http/route/router.js";
import { Admission } from "./admission/admission.js";
import { AddressKeys, Occupancy } from "./admission/addresses.js";
import { Connections } from "./admission/connections.js";
import { LimitReporter } from "./telemetry/limit-reporter.js";
import { LastConnections } from "./net/last-connections.js";
import { listen } from "./net/listen.js";
import type { Traffic } from "./telemetry/observer.js";
import { Observers } from "./telemetry/observers.js";
import { type RelayOptions, resolveOptions } from "./options.js";
import { publicUrl } from "./tunnels/public-url.js";
import { ClientConnections } from "./registration/client-connections.js";
import { Registrar } from "./registration/registrar.js";
import type { StaleSource } from "./files/staleness.js";
import { type TunnelStatus, tunnelStatus } from "./tunnels/status.js";
import type { CertificateStatus } from "./tls/certificate-status.js";
import { Tls } from "./tls/tls.js";
import { goingAway } from "./tunnels/tunnel.js";
import { Tunnels } from "./tunnels/tunnels.js";

/** For how long no request may be open before a relay that shuts down closes visitors' connections. */
const quietMs = 1_000;

/** How long connections that are cut may take to close, so that the last written bytes leave. */
const cutMs = 500;

/** Options of {@link Relay.listen}. */
export interface ListenOptions {
  /**
   * Closes the relay when it is aborted, as {@link Relay.close} without a time does, also while it is about
   * to listen. A call of `close` then resolves when the relay is closed, and a shorter time hurries it.
   * Default: only `close` closes the relay.
   */
  readonly signal?: AbortSignal | undefined;
}

/** A relay in this process. */
export interface Relay {
  /**
   * Starts to listen and resolves with the address. In a cluster the relay takes its place before that. Call
   * it until it has succeeded once: if it fails, nothing stays open, and it may be called again.
   * @throws TunnelError `unavailable` when a port or the cluster cannot be had; `invalid_state` when the
   * relay listens already or was closed, also meanwhile; `invalid_option` when the open file `fd` is no
   * socket to listen on, or an option of this call is wrong; `ABORT_ERR` when the signal was aborted, before
   * or meanwhile: the relay is closed then.
   */
  listen(options?: ListenOptions): Promise<{ host: string; port: number }>;
  /**
   * Shuts down in order. The relay takes the connections that wait at its port, for up to 250 ms, and frees
   * the port. It takes no more tunnels, and asks the clients to go elsewhere. Open exchanges may finish for
   * up to `graceMs` (default 30,000), and visitors who are connected are served meanwhile. Then the rest is
   * cut. A second call with a shorter time hurries the first.
   */
  close(graceMs?: number): Promise<void>;
  /** Closes the relay at the end of an `await using`, as {@link Relay.close} without a time does. */
  [Symbol.asyncDispose](): Promise<void>;
  /**
   * Reads certificates and tokens again, changed or not. Files that are not usable are logged and change
   * nothing.
   */
  reload(): Promise<void>;
  /** The domain below which tunnels have their names, in lower case. */
  readonly domain: string;
  /** Who decides about tokens: {@link Authenticator.mode}. */
  readonly authMode: string;
  /** The relay shuts down, and takes no new tunnels. */
  readonly draining: boolean;
  /**
   * The ports on this machine that lead to single tunnels, by name, once they listen: see
   * {@link RelayOptions.localPorts}.
   */
  readonly localPorts: ReadonlyMap<string, number>;
  /** Requests that are going on. */
  readonly openExchanges: number;
  /** Body bytes of these requests so far. Observers are told of a request when it is over. */
  openTraffic(): Traffic;
  /**
   * When the first of the certificates in use expires; `undefined` without TLS, or before ACME has brought
   * one.
   */
  readonly certificateExpiry: Date | undefined;
  /** The certificates in use; none without TLS, or before ACME has brought one. */
  readonly certificates: readonly CertificateStatus[];
  /** Files and certificates that could not be read or renewed again. Their former content is still in use. */
  readonly stale: readonly StaleSource[];
  /**
   * The tunnels that are open now. Of several with one name the last has it. The others, and perhaps the
   * last, are `leaving`, unless they are members of a pool.
   */
  tunnels(): TunnelStatus[];
  /**
   * Closes the tunnel `name` for good, all of them if it is a pool, and the tunnels that have left this name
   * and are not over. The client is told not to come back: now or, if its connection is lost, when it returns
   * within a day. False when there is no such tunnel.
   */
  disconnect(name: string): boolean;
  /** All relays together, for the operator of this one; `undefined` for a relay that is alone. */
  readonly cluster: RelayCluster | undefined;
}

/**
 * Puts a relay together; nothing happens before `listen`.
 * @throws TunnelError `invalid_option`; `unavailable` when a file that the options name cannot be read.
 */
export function createRelay(options: RelayOptions): Relay {
  const resolved = resolveOptions(options);
  const { domain, host, logger } = resolved;
  const publicUrlOf = (name: string): string =>
    publicUrl(resolved.publicUrl, name, domain, boundPort(visitorServer.server));
  /**
   * The URL that a client is told. Of two that lead to this machine alone it is the one that every program
   * reaches. A gate with OAuth is bound to it.
   */
  const announcedUrlOf = (name: string): string => {
    const url = publicUrlOf(name);
    const localPort = localPorts.bound.get(name);
    return localPort === undefined || !isLocalhost(new URL(url).hostname) ? url : localUrl(localPort);
  };
  const { directory } = resolved;
  const holds = new Holds(resolved, directory);
  const observers = new Observers(resolved.observers, logger);
  const limits = new LimitReporter(observers, logger);
  const addressKeys = new AddressKeys(resolved.limitExempt);
  const download = resolved.clientPackage && new ClientDownload(resolved.clientPackage, resolved.operator);
  const context: ExchangeContext = {
    options: resolved,
    directory,
    holds,
    observers,
    limits,
    requests: new Occupancy(resolved.maxRequestsPerAddress),
    addressKeys,
    publicUrl: publicUrlOf,
    download,
    exchanges: new ActiveExchanges(),
    heads: new WaitingHeads(),
    draining: false,
  };
  const redirectServer = (httpsPort: string): Server =>
    createRedirectServer(domain, httpsPort, resolved.headerTimeoutMs, resolved.operator, logger);
  const tls = resolved.tls === undefined ? undefined : new Tls(resolved.tls, { ...resolved, redirectServer });
  const tunnels = new Tunnels(resolved, directory, observers, limits);
  const admission = new Admission(resolved, addressKeys, limits);
  const handedOut = download && { version: download.version, path: download.path };
  const registrar = new Registrar({ ...resolved, handedOut }, tunnels, admission, limits, announcedUrlOf);
  const clients = new ClientConnections(resolved, admission, registrar, limits);
  const router = new Router(context, frontDoor(resolved, clients.onUpgrade), resolved.judges);
  const connections = new Connections(resolved, addressKeys, resolved.trustedProxies, limits);
  const limited = { limits: resolved, connections, reporter: limits };
  const visitorServer = createVisitorServer(router, tls, limited);
  const localPorts = new LocalPorts(
    resolved.localPorts,
    (name) =>
      createVisitorServer(
        new Router(context, localDoor(name, resolved), resolved.judges),
        undefined,
        limited,
      ),
    onServerError,
  );
  const { member } = resolved;
  const status = (): TunnelStatus[] => {
    const open = context.exchanges.traffic();
    return Array.from(tunnels.all(), (tunnel) => tunnelStatus(tunnel, open.get(tunnel)));
  };
  const trafficElsewhere = (): Record<string, Traffic> =>
    Object.fromEntries(context.exchanges.trafficByName((route) => !tunnels.has(route)));
  const cluster =
    member &&
    new ClusterPlace(
      member,
      memberHost({ domain: resolved.domain, tunnels, clients, status, trafficElsewhere }),
      resolved,
    );
  let opening: Promise<{ host: string; port: number }> | undefined;
  let closing: Promise<void> | undefined;
  /** Lets go of the signal that closes the relay. */
  let unfollow = (): void => {};
  let hurry: (graceMs: number) => void = () => {};

  async function shutDown(givenMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const graceOver = new Promise<void>((resolve) => {
      hurry = (ms) => {
        clearTimeout(timer);
        timer = setTimeout(resolve, ms);
      };
    });
    hurry(givenMs);
    unfollow();
    context.draining = true;
    // A relay that is half open cannot be closed: it would get its port afterwards.
    if (opening !== undefined) await opening.catch(() => {});
    const servers = [visitorServer.server, ...localPorts.servers, ...(tls?.redirects ?? [])].filter(
      ({ listening }) => listening,
    );
    // Visitors whom the system has let in already have to be answered here: nobody else can.
    const last = new LastConnections(servers);
    await Promise.race([last.gathered(), graceOver]);
    // Then the other relays are told that they send nobody here any more. The links of clients whose
    // sessions other relays have are cut in the same turn as the port becomes free, so none of them comes
    // back here.
    cluster?.drain();
    // The port becomes free next, for the process that takes over.
    const closed = Promise.all(servers.map((server) => once(server, "close")));
    visitorServer.drain();
    localPorts.drain();
    tls?.close();
    last.serve();
    // Then the clients are told, so that they find that process rather than this one, and have a new tunnel
    // before the old one ends.
    clients.drain();
    tunnels.drain();
    holds.stop();

    // A connection that has been quiet for that long was not about to bring a request.
    const quiet = Promise.race([context.exchanges.quiet(quietMs), closed]);
    await Promise.race([graceOver, cluster === undefined ? quiet : quiet.then(() => restWith(cluster))]);
    hurry = () => {};
    clearTimeout(timer);

    // Exchanges before sessions: an answer of the relay's own says more than a dropped request.
    context.exchanges.cut(goingAway);
    tunnels.close();
    visitorServer.cut();
    localPorts.cut();
    tls?.cut();
    // Most connections have ended in order by now. The others are cut, so that the end depends on no peer.
    const late = setTimeout(() => connections.cut(), cutMs);
    await closed;
    clearTimeout(late);
    // The place is given up last. Until then other relays brought requests for tunnels that were draining,
    // and visitors here were served by tunnels of other relays. What the tunnels' ends mean for their names
    // and sessions has been told by now.
    await cluster?.giveUp();
    await resolved.authenticator.close?.();
  }

  /** Requests of visitors elsewhere are open on tunnels, and come over no connection of a visitor here. */
  async function restWith(place: ClusterPlace): Promise<void> {
    await tunnels.idle();
    await place.awaitOthers();
    // Visitors who are still connected may have gone on meanwhile.
    await Promise.all([context.exchanges.quiet(0), tunnels.idle()]);
  }

  async function open(): Promise<{ host: string; port: number }> {
    // Before the port: the first visitor may ask for a tunnel of another relay, and the first client may come
    // back to a session of another. The certificate may be one that another relay has obtained.
    await cluster?.take();
    try {
      await tls?.load();
      refuseClosed();
      return await openPort();
    } catch (error) {
      await cluster?.giveUp();
      throw error;
    }
  }

  async function openPort(): Promise<{ host: string; port: number }> {
    const place = resolved.fd === undefined ? { host, port: resolved.port } : { fd: resolved.fd };
    const { server } = visitorServer;
    const address = await listen(server, place, "port");
    server.on("error", onServerError);
    try {
      holds.start();
      refuseClosed();
      await localPorts.listen();
      refuseClosed();
      await tls?.start(new URL(publicUrlOf("name")).port, connections);
      refuseClosed();
      for (const [name, port] of localPorts.bound) {
        logger.info({ name, url: localUrl(port) }, "local port listening");
      }
      return address;
    } catch (error) {
      holds.stop();
      await localPorts.abandon();
      server.close();
      connections.cut();
      await once(server, "close");
      server.off("error", onServerError);
      throw error;
    }
  }

  /** An error while a connection is accepted is no reason to end. */
  function onServerError(error: Error): void {
    logger.error({ error: String(error) }, "server error");
  }

  function refuseClosed(): void {
    if (closing !== undefined)
      throw new TunnelError("invalid_state", "the relay was closed: make another one");
  }

  /** Closes the relay when the signal is aborted. It may have been before. */
  function follow(signal: AbortSignal): void {
    const onAbort = (): void => {
      close().catch((error: unknown) => logger.error({ error: stackOf(error) }, "the relay's end failed"));
    };
    unfollow = () => signal.removeEventListener("abort", onAbort);
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort);
  }

  function close(graceMs = 30_000): Promise<void> {
    if (closing === undefined) closing = shutDown(graceMs);
    else hurry(graceMs);
    return closing;
  }

  return {
    async listen(listenOptions = {}) {
      checkOptions(listenOptions, listenShapes);
      const { signal } = listenOptions;
      refuseClosed();
      if (opening !== undefined || visitorServer.server.listening) {
        throw new TunnelError("invalid_state", "the relay listens already: call listen() once");
      }
      if (signal !== undefined) follow(signal);
      refuseAborted(signal);
      opening = open();
      try {
        return await opening;
      } catch (error) {
        unfollow();
        refuseAborted(signal);
        throw error;
      } finally {
        opening = undefined;
      }
    },
    async reload() {
      await Promise.all([tls?.reload(), resolved.authenticator.reload?.()]);
    },
    domain,
    authMode: resolved.authenticator.mode,
    get draining() {
      return context.draining;
    },
    get localPorts() {
      return localPorts.bound;
    },
    get openExchanges() {
      return context.exchanges.size;
    },
    get certificateExpiry() {
      return tls?.certificates.expiry;
    },
    get certificates() {
      return tls?.certificates.status ?? [];
    },
    get stale() {
      return [...(resolved.authenticator.stale ?? []), ...(tls?.certificates.stale ?? [])];
    },
    openTraffic() {
      const all = { requestBytes: 0, responseBytes: 0 };
      for (const { requestBytes, responseBytes } of context.exchanges.traffic().values()) {
        all.requestBytes += requestBytes;
        all.responseBytes += responseBytes;
      }
      return all;
    },
    tunnels: status,
    cluster: member && clusterView(member),
    disconnect: (name) => tunnels.disconnect(name),
    close,
    [Symbol.asyncDispose]: () => close(),
  };
}

/** @throws TunnelError `ABORT_ERR`. */
function refuseAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw abortError(signal);
}

const listenShapes = { signal: abortSignal.optional() } satisfies Record<keyof ListenOptions, unknown>;

function boundPort(server: NetServer): number {
  return (server.address() as AddressInfo | null)?.port ?? 0;
}

/** By the name that means this machine to all programs. Each of them knows which loopback address that is. */
function localUrl(port: number): string {
  return `http://localhost:${port}`;
}
