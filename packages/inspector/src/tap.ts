import type { ObserveExchange, Service, TunnelClient } from "mcp-tunnel-client";
import type { Recorder } from "./capture/recorder.js";
import type { Connection, TunnelState } from "./model.js";
import type { Replayer } from "./replay/replayer.js";
import type { ServerEvent, Servers } from "./servers.js";

/** One tunnel that an inspector follows. */
export interface InspectedTunnel {
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
}

/** What taps of one inspector share. */
export interface TapParts {
  readonly recorder: Recorder;
  readonly replayer: Replayer;
  readonly servers: Servers;
  /** The connection has changed. */
  onChange(): void;
}

/** Where what passes through a tunnel comes into the inspector. */
export class Tap implements InspectedTunnel {
  readonly observe: ObserveExchange;
  readonly #name: string | undefined;
  readonly #service: string;
  readonly #parts: TapParts;
  #connection: Connection = "connecting";
  #url: string | undefined;

  /** `name`: undefined for the only tunnel. `service`: as a person would name it. */
  constructor(name: string | undefined, service: string, parts: TapParts) {
    this.#name = name;
    this.#service = service;
    this.#parts = parts;
    this.observe = name === undefined ? parts.recorder.observe : parts.recorder.observerOf(name);
  }

  get url(): string | undefined {
    return this.#url;
  }

  get state(): TunnelState {
    return {
      name: this.#name ?? "",
      service: this.#service,
      ...(this.#url === undefined ? {} : { url: this.#url }),
      connection: this.#connection,
    };
  }

  inspected(service: Service): Service {
    return this.#parts.replayer.wrap(service, this.#name);
  }

  follow(client: TunnelClient): void {
    if (client.url !== undefined) this.#connected(client.url);
    client.on("connected", ({ url }) => this.#connected(url));
    client.on("disconnected", () => this.#setConnection("reconnecting"));
    client.on("closed", () => this.#setConnection("closed"));
    client.on("refused", (event) => this.#parts.recorder.refused(event, this.#name));
  }

  server(name: string | undefined, event: ServerEvent): void {
    this.#parts.servers.tell(name, event, this.#name);
  }

  #connected(url: string): void {
    this.#url = url;
    this.#setConnection("online");
  }

  #setConnection(connection: Connection): void {
    this.#connection = connection;
    this.#parts.onChange();
  }
}
