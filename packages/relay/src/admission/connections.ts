import type { Server, Socket } from "node:net";
import { type AddressRanges, plainAddress } from "mcp-tunnel-shared";
import { type AddressKeys, Occupancy } from "./addresses.js";
import type { LimitReporter } from "../telemetry/limit-reporter.js";
import type { Limits } from "../limits.js";

/**
 * An open connection, with its place in the list, as exchanges have one (http/exchange/active-exchanges.ts).
 */
interface OpenConnection {
  readonly socket: Socket;
  place: number;
}

/**
 * The connections of all servers that are watched. Connections over a limit are closed before a byte of them
 * has been read. All others can be cut at once, also those that Node's HTTP server has forgotten because it
 * handed them over for an upgrade or a CONNECT.
 */
export class Connections {
  readonly #keys: AddressKeys;
  readonly #proxies: AddressRanges;
  readonly #reporter: LimitReporter;
  readonly #max: number;
  readonly #addresses: Occupancy;
  readonly #open: OpenConnection[] = [];

  constructor(limits: Limits, keys: AddressKeys, proxies: AddressRanges, reporter: LimitReporter) {
    this.#keys = keys;
    this.#proxies = proxies;
    this.#reporter = reporter;
    this.#max = limits.maxConnections;
    this.#addresses = new Occupancy(limits.maxConnectionsPerAddress);
  }

  /**
   * Watches every connection of `server`. The server's own listeners have to be there already. They see only
   * the connections that may stay.
   */
  watch(server: Server): void {
    const serve = server.listeners("connection");
    server.removeAllListeners("connection");
    server.on("connection", (socket) => {
      if (!this.#admit(socket)) return;
      for (const listener of serve) listener.call(server, socket);
    });
  }

  /** Cuts every connection. Connections over TLS and HTTP/2 end with the socket below them. */
  cut(): void {
    for (const { socket } of [...this.#open]) socket.destroy();
  }

  #admit(socket: Socket): boolean {
    const address = plainAddress(socket.remoteAddress ?? "");
    if (this.#open.length >= this.#max) {
      this.#reporter.hit("connections", { address });
      socket.destroy();
      return false;
    }
    // A proxy speaks for many visitors. These are counted by their requests.
    const key = address === "" || this.#proxies.has(address) ? undefined : this.#keys.of(address);
    if (key !== undefined && !this.#addresses.enter(key)) {
      this.#reporter.hit("connections_per_address", { address });
      socket.destroy();
      return false;
    }
    const connection = { socket, place: this.#open.length };
    this.#open.push(connection);
    // A socket closes once, so `on` will do. `once` would take 150 bytes more for each connection.
    socket.on("close", () => {
      this.#forget(connection);
      if (key !== undefined) this.#addresses.leave(key);
    });
    return true;
  }

  #forget({ place }: OpenConnection): void {
    const last = this.#open.pop() as OpenConnection;
    if (last.place === place) return;
    this.#open[place] = last;
    last.place = place;
  }
}
