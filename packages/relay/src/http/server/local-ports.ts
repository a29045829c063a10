import { once } from "node:events";
import type { Server } from "node:net";
import { TunnelError } from "mcp-tunnel-protocol";
import { listen } from "../../net/listen.js";
import type { VisitorServer } from "./server.js";

/** Loopback, over IPv4 and over IPv6. `localhost` means either, as each program likes. */
const [ipv4, ipv6] = ["127.0.0.1", "::1"] as const;

/** How often a port that is free over IPv4 is looked for, until one is free over IPv6 too. */
const maxTries = 10;

/** The listeners of single tunnels on loopback. */
export class LocalPorts {
  readonly #ports: ReadonlyMap<string, number>;
  readonly #serverFor: (name: string) => VisitorServer;
  readonly #onError: (error: Error) => void;
  readonly #servers: VisitorServer[] = [];
  readonly #bound = new Map<string, number>();

  /**
   * `ports`: the port of each name; 0 takes any free one. `serverFor` makes a server that leads to a name,
   * not yet listening.
   */
  constructor(
    ports: ReadonlyMap<string, number>,
    serverFor: (name: string) => VisitorServer,
    onError: (error: Error) => void,
  ) {
    this.#ports = ports;
    this.#serverFor = serverFor;
    this.#onError = onError;
  }

  /** The ports by name. Empty before they listen. */
  get bound(): ReadonlyMap<string, number> {
    return this.#bound;
  }

  /** All of them, two for a name that has both addresses. Empty before they listen. */
  get servers(): readonly Server[] {
    return this.#servers.map(({ server }) => server);
  }

  /**
   * If it fails, nothing stays open.
   * @throws TunnelError `unavailable` when a port is not available.
   */
  async listen(): Promise<void> {
    try {
      for (const [name, port] of this.#ports) this.#bound.set(name, await this.#open(name, port, maxTries));
    } catch (error) {
      await this.abandon();
      throw error;
    }
  }

  /** Closes everything at once. It may listen again. */
  async abandon(): Promise<void> {
    const listening = this.servers.filter((server) => server.listening);
    const closed = Promise.all(listening.map((server) => once(server, "close")));
    this.cut();
    await closed;
    this.#servers.length = 0;
    this.#bound.clear();
  }

  /** Takes no more connections. */
  drain(): void {
    for (const server of this.#servers) server.drain();
  }

  /** Closes all connections. */
  cut(): void {
    for (const server of this.#servers) server.cut();
  }

  async #open(name: string, port: number, tries: number): Promise<number> {
    const first = this.#serverFor(name);
    const { port: bound } = await listen(first.server, { host: ipv4, port }, "local port");
    this.#keep(first);
    const second = this.#serverFor(name);
    try {
      await listen(second.server, { host: ipv6, port: bound }, "local port");
      this.#keep(second);
    } catch (error) {
      const code = systemCode(error);
      if (code === "EADDRINUSE" && port === 0 && tries > 1) {
        this.#servers.pop();
        first.cut();
        return this.#open(name, port, tries - 1);
      }
      // A machine without IPv6 has no such address.
      if (code !== "EADDRNOTAVAIL" && code !== "EAFNOSUPPORT") throw error;
    }
    return bound;
  }

  #keep(server: VisitorServer): void {
    server.server.on("error", this.#onError);
    this.#servers.push(server);
  }
}

function systemCode(error: unknown): string | undefined {
  const cause = error instanceof TunnelError ? error.cause : error;
  return (cause as NodeJS.ErrnoException).code;
}
