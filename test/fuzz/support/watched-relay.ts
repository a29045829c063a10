import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { Socket } from "node:net";
import { createRelay, type Logger, type Relay, type RelayOptions } from "mcp-tunnel";

/** A relay in this process that the test watches: its sockets, and the errors that nothing catches. */
export class WatchedRelay {
  readonly port: number;
  /** The port that redirects visitors to HTTPS, if there is one. */
  readonly redirectPort: number | undefined;
  readonly #relay: Relay;
  readonly #watch: Watch;

  private constructor(relay: Relay, port: number, redirectPort: number | undefined, watch: Watch) {
    this.#relay = relay;
    this.port = port;
    this.redirectPort = redirectPort;
    this.#watch = watch;
  }

  /**
   * Starts a relay on free ports of loopback, for the domain `localhost`. Only one relay at a time may be
   * watched for faults.
   */
  static async start(options: Partial<RelayOptions>): Promise<WatchedRelay> {
    const watch = new Watch();
    const relay = createRelay({
      domain: "localhost",
      host: "127.0.0.1",
      port: 0,
      startupHoldMs: 0,
      logger: watch,
      observers: [],
      ...options,
    });
    const { port } = await relay.listen();
    return new WatchedRelay(relay, port, watch.redirectPort, watch);
  }

  /** @throws Error when the relay logged a fault. */
  expectNoFault(): void {
    const [fault] = this.#watch.faults.splice(0);
    if (fault !== undefined) throw new Error(`the relay told of a fault: ${fault}`);
  }

  /** The number of open requests. */
  get openExchanges(): number {
    return this.#relay.openExchanges;
  }

  /** Those of `ports`, the local ports of visitors, that still have a socket here. */
  held(ports: readonly number[]): number[] {
    return ports.filter((port) => this.#watch.isOpen(port));
  }

  /** Ends the connections that a finding has left, before the next attempt. */
  cut(ports: readonly number[]): void {
    this.#watch.cut(ports);
  }

  /** Ends the relay. If a finding keeps it from ending, its connections are cut. */
  async close(): Promise<void> {
    const closed = this.#relay.close(0);
    const timer = setTimeout(() => this.#watch.cut(), 1_000);
    await closed;
    clearTimeout(timer);
    this.#watch.close();
  }
}

class Watch implements Logger {
  readonly faults: string[] = [];
  redirectPort: number | undefined;
  /** Sockets by the port of the other end. A new socket from the same port replaces the old one. */
  readonly #accepted = new Map<number, Socket>();

  constructor() {
    subscribe("net.server.socket", this.#onSocket);
  }

  isOpen(port: number): boolean {
    return this.#accepted.get(port)?.destroyed === false;
  }

  cut(ports: Iterable<number> = this.#accepted.keys()): void {
    for (const port of ports) this.#accepted.get(port)?.destroy();
  }

  close(): void {
    unsubscribe("net.server.socket", this.#onSocket);
  }

  debug(): void {}

  info(fields: object, message: string): void {
    if (message === "redirecting to HTTPS") this.redirectPort = (fields as { port: number }).port;
  }

  warn(): void {}

  error(fields: object, message: string): void {
    this.faults.push(`${message} ${JSON.stringify(fields)}`);
  }

  // The channel also reports the sockets of other servers in this process. No test asks for those.
  readonly #onSocket = (message: unknown): void => {
    const { socket } = message as { socket: Socket };
    if (socket.remotePort !== undefined) this.#accepted.set(socket.remotePort, socket);
  };
}
