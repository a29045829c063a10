import type { Server, Socket } from "node:net";
import { type AddressRanges, plainAddress } from "../net/addresses.js";
import { type AddressKeys, Occupancy } from "./addresses.js";
import type { LimitReporter } from "../telemetry/limit-reporter.js";
import type { Limits } from "../limits.js";

/** An open connection. It knows its place, as exchanges do (http/exchange/active-exchanges.ts). */
interface OpenConnection {
  readonly socket: Socket;
  place: number;
}

/**
 * The connections of all servers that are watched. Those that are too many are closed before a byte of them has been
 * read. The others can be cut all at once, whatever has become of them: Node's HTTP server forgets a connection once
 * it has handed it over for an upgrade or a CONNECT.
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

  /** Watches every connection of `server`, whose own listeners have to be there already: they see only what may stay. */
  watch(server: Server): void {
    const serve = server.listeners("connection");
    server.removeAllListeners("connection");
    server.on("connection", (socket) => {
      if (!this.#admit(socket)) return;
      for (const listener of serve) listener.call(server, socket);
    });
  }

  /** Cuts every connection. Those over TLS and HTTP/2 go with the socket below them. */
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
    // A proxy speaks for many; its visitors are counted by their requests.
    const key = address === "" || this.#proxies.has(address) ? undefined : this.#keys.of(address);
    if (key !== undefined && !this.#addresses.enter(key)) {
      this.#reporter.hit("connections_per_address", { address });
      socket.destroy();
      return false;
    }
    const connection = { socket, place: this.#open.length };
    this.#open.push(connection);
    // It closes once; `once` would take 150 bytes more for each connection.
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
