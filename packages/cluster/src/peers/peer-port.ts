import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { type SecureContext, TLSSocket } from "node:tls";
import { TunnelError } from "mcp-tunnel-protocol";
import { formatPeerAddress, type PeerPlace } from "./address.js";
import type { OpenSockets } from "./open-sockets.js";
import type { RefusalLog } from "./refusal-log.js";
import { closeToOthers, prepareFolder, removeStale } from "./unix-socket.js";

/**
 * Connections that have not proved anything yet. A relay has a few open with each other relay, and more only
 * when many clients come back at once (`spliceHandshakes`). Each costs some 10 KB, with TLS some 50.
 */
const maxPending = 1_024;
/** Connections that may wait to be accepted: many clients may come back through others at once. */
const backlog = 4_096;

export interface PeerPortOptions {
  readonly listen: PeerPlace;
  /** For a port. Unix sockets have no TLS. */
  readonly tls: SecureContext | undefined;
  readonly handshakeTimeoutMs: number;
}

/** A connection that has proved nothing yet. It is cut after the time of a handshake, whatever it sends. */
export interface Stranger {
  /** For the log. */
  readonly address: string;
  /** The other end has proved that it is a relay, and the connection may stay. */
  admit(): void;
}

/** The port for other relays: takes connections, as many and for as long as strangers may have them. */
export class PeerPort {
  readonly #options: PeerPortOptions;
  readonly #sockets: OpenSockets;
  readonly #log: RefusalLog;
  readonly #server: Server;
  readonly #onConnection: (socket: Socket, stranger: Stranger) => void;
  /** The oldest first. */
  readonly #pending = new Set<Socket>();

  /** `onConnection` is given each connection; with TLS before its handshake. */
  constructor(
    options: PeerPortOptions,
    sockets: OpenSockets,
    log: RefusalLog,
    onConnection: (socket: Socket, stranger: Stranger) => void,
  ) {
    this.#options = options;
    this.#sockets = sockets;
    this.#log = log;
    this.#onConnection = onConnection;
    this.#server = createServer({ noDelay: true }, (socket) => this.#take(socket));
    // When the process has no more file descriptors, say. Without a listener the process would end.
    this.#server.on("error", (error: NodeJS.ErrnoException) => {
      if (this.#server.listening) log.refused("not accepted by the system", { error: error.code });
    });
  }

  /**
   * Takes connections from now on, and resolves with the address that the system has given.
   * @throws TunnelError `unavailable`, `invalid_option`.
   */
  async listen(): Promise<string> {
    const { listen } = this.#options;
    if (!("path" in listen)) {
      await this.#listen(listen);
      return formatPeerAddress({ host: listen.host, port: (this.#server.address() as AddressInfo).port });
    }
    prepareFolder(listen.path);
    try {
      await this.#listen(listen);
    } catch (error) {
      const { code } = (error as TunnelError).cause as NodeJS.ErrnoException;
      if (code !== "EADDRINUSE" || !(await removeStale(listen.path))) throw error;
      await this.#listen(listen);
    }
    closeToOthers(listen.path);
    return formatPeerAddress(listen);
  }

  /** Takes no more connections. Those that are open stay, except for strangers. */
  close(): void {
    if (this.#server.listening) this.#server.close();
    for (const socket of this.#pending) socket.destroy();
  }

  async #listen(place: PeerPlace): Promise<void> {
    // In a worker of node:cluster: the port of this relay, and not of all workers.
    this.#server.listen({ ...place, backlog, exclusive: true });
    try {
      await once(this.#server, "listening");
    } catch (error) {
      throw listenError(error, place);
    }
  }

  #take(socket: Socket): void {
    this.#sockets.add(socket);
    // A connection that breaks is closed, and that is what matters.
    socket.on("error", () => {});
    const { remoteAddress, remotePort } = socket;
    const address = remoteAddress === undefined ? "unix" : `${remoteAddress}:${remotePort}`;
    this.#makeRoom();
    this.#pending.add(socket);
    const timer = setTimeout(() => {
      this.#log.refused("no handshake in time", { address });
      socket.destroy();
    }, this.#options.handshakeTimeoutMs);
    const admit = (): void => {
      clearTimeout(timer);
      this.#pending.delete(socket);
    };
    socket.once("close", admit);
    this.#onConnection(this.#secure(socket, address), { address, admit });
  }

  /** The oldest makes way: the handshake of a relay takes a round trip or two. */
  #makeRoom(): void {
    if (this.#pending.size < maxPending) return;
    const [oldest] = this.#pending;
    if (oldest === undefined) return;
    this.#log.refused("too many connections without a handshake", { max: maxPending });
    this.#pending.delete(oldest);
    oldest.destroy();
  }

  #secure(socket: Socket, address: string): Socket {
    const { tls } = this.#options;
    if (tls === undefined) return socket;
    const secure = new TLSSocket(socket, { isServer: true, secureContext: tls });
    secure.on("error", (error: NodeJS.ErrnoException) => {
      // After the handshake the reason is told elsewhere, if there is one.
      if (this.#pending.has(socket)) this.#log.refused("no TLS", { address, error: error.code ?? "unknown" });
    });
    return secure;
  }
}

function listenError(error: unknown, place: PeerPlace): TunnelError {
  const { code } = error as NodeJS.ErrnoException;
  const why =
    code === "EADDRINUSE"
      ? "another program has it; stop that one, or choose another"
      : code === "EACCES"
        ? "this user may not"
        : code === "EADDRNOTAVAIL" || code === "ENOTFOUND"
          ? "this machine has no such address"
          : String(error);
  const message = `cannot listen for other relays on ${formatPeerAddress(place)}: ${why}`;
  return new TunnelError("unavailable", message, { cause: error });
}
