import { connect } from "node:net";
import type { Socket } from "node:net";
import { isLocalhost, isLoopback, messageOf, portOf } from "mcp-tunnel-shared";

/** How long a connection to the service may take, in milliseconds. */
const connectTimeoutMs = 3_000;
/** How often the port of a service that was not there is tried again, in milliseconds. */
const againMs = 1_000;

/** The two of this machine, in the order in which the client tries them. */
const loopback = ["::1", "127.0.0.1"];

export interface ListeningOptions {
  /** The service's origin. */
  readonly origin: URL;
  /** Look again until something listens. */
  readonly isFollowed: boolean;
  /** Nothing takes connections, and this says so. Undefined: that is over. */
  onChange(message: string | undefined): void;
}

/**
 * Looks once whether something listens where the service should be. It connects and sends nothing: what the
 * service is, its visitors find out. If nothing does, it can look again until something does.
 */
export class ListeningWatch {
  readonly #options: ListeningOptions;
  #isStopped = false;
  /** It has said that nothing listens, and not yet that something does. */
  #isMissing = false;
  #timer: NodeJS.Timeout | undefined;
  /** The connection that is being tried. */
  #socket: Socket | undefined;

  constructor(options: ListeningOptions) {
    this.#options = options;
  }

  /** Resolves once it has looked for the first time. */
  async start(): Promise<void> {
    const { origin, isFollowed } = this.#options;
    const fault = await this.#look();
    if (fault === undefined || this.#isStopped) return;
    const isRefused = (fault as NodeJS.ErrnoException).code === "ECONNREFUSED";
    const message = isRefused
      ? `nothing listens on ${origin.host} yet (visitors get 502)`
      : `cannot connect to ${origin.host} yet: ${messageOf(fault)} (visitors get 502)`;
    this.#isMissing = true;
    this.#options.onChange(message);
    // Another machine is not asked again and again.
    if (isFollowed && isLoopback(origin.hostname)) this.#lookLater();
  }

  /** Looks no more. What it has said concerns nobody any more, and is taken back. */
  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    this.#socket?.destroy();
    this.#takeBack();
  }

  #takeBack(): void {
    if (!this.#isMissing) return;
    this.#isMissing = false;
    this.#options.onChange(undefined);
  }

  #lookLater(): void {
    this.#timer = setTimeout(() => void this.#lookAgain(), againMs);
    this.#timer.unref();
  }

  async #lookAgain(): Promise<void> {
    const fault = await this.#look();
    if (this.#isStopped) return;
    if (fault === undefined) this.#takeBack();
    else this.#lookLater();
  }

  /** Resolves with why no address takes a connection. */
  async #look(): Promise<Error | undefined> {
    const { origin } = this.#options;
    const host = hostOf(origin);
    const port = portOf(origin);
    let fault: Error | undefined;
    for (const address of isLocalhost(host) ? loopback : [host]) {
      fault = await this.#connect(address, port);
      if (fault === undefined || this.#isStopped) break;
    }
    return fault;
  }

  #connect(host: string, port: number): Promise<Error | undefined> {
    return new Promise((resolve) => {
      const socket = connect({ host, port, timeout: connectTimeoutMs });
      this.#socket = socket;
      let fault: Error | undefined;
      socket.on("connect", () => socket.destroy());
      socket.on("timeout", () => socket.destroy(new Error(`no answer within ${connectTimeoutMs / 1_000} s`)));
      socket.on("error", (error) => {
        fault = error;
      });
      socket.on("close", () => resolve(fault));
    });
  }
}

function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[|\]$/g, "");
}
