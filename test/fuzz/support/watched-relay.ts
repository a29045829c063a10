import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { Socket } from "node:net";
import { createRelay, type Logger, type Relay, type RelayOptions } from "mcp-tunnel";

/** A relay in this process, under the eyes of the test: its sockets, and what goes wrong where nobody catches it. */
export class WatchedRelay {
  readonly port: number;
  /** Where visitors are redirected to HTTPS, if they are. */
  readonly redirectPort: number | undefined;
  readonly #relay: Relay;
  readonly #watch: Watch;

  private constructor(relay: Relay, port: number, redirectPort: number | undefined, watch: Watch) {
    this.#relay = relay;
    this.port = port;
    this.redirectPort = redirectPort;
    this.#watch = watch;
  }

  /** Starts one on free ports of loopback, for the domain `localhost`. Only one at a time may be watched for faults. */
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

  /** @throws Error when it logged one. */
  expectNoFault(): void {
    const [fault] = this.#watch.faults.splice(0);
    if (fault !== undefined) throw new Error(`the relay told of a fault: ${fault}`);
  }

  /** Requests that are open. */
  get openExchanges(): number {
    return this.#relay.openExchanges;
  }

  /** Which of these, the local ports of visitors, still have a socket here. */
  held(ports: readonly number[]): number[] {
    return ports.filter((port) => this.#watch.isOpen(port));
  }

  /** Ends these as a finding has left them, for the sake of what is tried next. */
  cut(ports: readonly number[]): void {
    this.#watch.cut(ports);
  }

  /** A relay that a finding keeps from ending is made to. */
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
  /** By the port of the other end, which the next one to have it replaces. */
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

  // It also hears of the sockets of other servers in this process, for which nobody asks.
  readonly #onSocket = (message: unknown): void => {
    const { socket } = message as { socket: Socket };
    if (socket.remotePort !== undefined) this.#accepted.set(socket.remotePort, socket);
  };
}
