import type { ObserveExchange, Service, TunnelClient } from "mcp-tunnel-client";
import type { ReplayEvent } from "./replay/event.js";
import type { ServerEvent } from "./servers.js";

export type { ReplayEvent } from "./replay/event.js";
export type { ServerEvent } from "./servers.js";

export interface InspectorOptions {
  /** The service, as a person would name it. Default: `the local service`. */
  readonly serviceName?: string;
  /** Bytes that all captured exchanges may take together. Default: 64 MiB. */
  readonly maxBytes?: number;
  /** Exchanges that are kept; the oldest goes first. Default: 2,000. */
  readonly maxExchanges?: number;
  /** Paths below which every value of a query and of a form is hidden. Default: none. */
  readonly privatePaths?: readonly string[];
  /** Called when a replay begins, and when it is over. Default: nobody is told. */
  readonly onReplay?: (event: ReplayEvent) => void;
}

/** Where the page is. */
export interface InspectorPage {
  /** With the secret, in the fragment. */
  readonly url: string;
  readonly host: string;
  readonly port: number;
  readonly secret: string;
  close(): Promise<void>;
}

export interface ListenOptions {
  /** An address of this machine (loopback). Default: 127.0.0.1. */
  readonly host?: string;
  /** Default: 0, any port that is free. */
  readonly port?: number;
}

export interface Recording {
  /** Why nothing more is recorded, once the file is as long as it may be or cannot be written. */
  readonly ended: string | undefined;
  /** Writes what is left. */
  close(): Promise<void>;
}

export interface RecordOptions {
  /** The longest file, in bytes. Default: 64 MiB. */
  readonly maxBytes?: number;
  /** Called once if nothing more is recorded. */
  readonly onEnded?: (why: string) => void;
}

/**
 * Captures what passes through one client, in a ring in memory. It holds up nothing. Under load it gives way,
 * and says how much it has missed.
 */
export interface Inspector {
  /** The option `observeExchange` of the client. */
  readonly observe: ObserveExchange;
  /**
   * Wraps the service of the client. What is sent again goes to that service, and nowhere else. Call it once,
   * and put a gate around the result: a replay needs no proof.
   */
  inspected(service: Service): Service;
  /** Tells the page of the client's connection, and of what the relay has refused. */
  follow(client: TunnelClient): void;
  /** Tells the page of a process of an MCP server on stdio. `name`: that in the config file. */
  server(name: string | undefined, event: ServerEvent): void;
  /**
   * Serves the page on this machine. Call it once.
   * @throws TunnelError `invalid_option` for a host that is not of this machine, `unavailable` if the port is
   *   taken.
   */
  listen(options?: ListenOptions): Promise<InspectorPage>;
  /**
   * Writes each exchange that is over to a HAR file (HTTP Archive 1.2), which is valid at any time.
   * @throws TunnelError `unavailable` if the file cannot be written.
   */
  record(file: string, options?: RecordOptions): Promise<Recording>;
  /** Closes the page and the recordings. */
  close(): Promise<void>;
}
