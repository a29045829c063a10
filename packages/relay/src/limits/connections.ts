import type { Server, Socket } from "node:net";
import { type AddressRanges, plainAddress } from "../http/forwarded.js";
import { type AddressKeys, Occupancy } from "./addresses.js";
import type { LimitReporter } from "./limit-reporter.js";
import type { Limits } from "./limits.js";

/** Closes connections that are too many, before a byte of them has been read. */
export class ConnectionLimit {
  readonly #keys: AddressKeys;
  readonly #proxies: AddressRanges;
  readonly #reporter: LimitReporter;
  readonly #max: number;
  readonly #addresses: Occupancy;
  /** Over all servers that are watched. */
  #open = 0;

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

  #admit(socket: Socket): boolean {
    const address = plainAddress(socket.remoteAddress ?? "");
    if (this.#open >= this.#max) {
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
    this.#open += 1;
    // It closes once; `once` would take 150 bytes more for each connection.
    socket.on("close", () => {
      this.#open -= 1;
      if (key !== undefined) this.#addresses.leave(key);
    });
    return true;
  }
}
