import { randomBytes } from "node:crypto";
import type { ObserveExchange, Service, TunnelClient } from "mcp-tunnel-client";
import {
  callback,
  checkOptions,
  someObject,
  text,
  TunnelError,
  unusable,
  wholeNumber,
} from "mcp-tunnel-protocol";
import { withoutQuery } from "mcp-tunnel-shared";
import { Recorder } from "./capture/recorder.js";
import type { CaptureListener } from "./captured.js";
import { defaultMaxBytes, defaultMaxExchanges } from "./limits.js";
import { Attention } from "./mcp/attention.js";
import { McpView } from "./mcp/view.js";
import type { Connection, InspectorState, TunnelState } from "./model.js";
import type { RecordOptions } from "./record/recording.js";
import type { ReplayEvent } from "./replay/event.js";
import { Replayer } from "./replay/replayer.js";
import { StreamHub } from "./server/hub.js";
import type { InspectorPage, ListenOptions } from "./server/page-server.js";
import type { ServerParts } from "./server/parts.js";
import { type ServerEvent, Servers } from "./servers.js";
import { type InspectedTunnel, Tap } from "./tap.js";
import { version } from "./version.js";
import { Views } from "./views/views.js";

export type { RecordOptions } from "./record/recording.js";
export type { ReplayEvent } from "./replay/event.js";
export type { InspectorPage, ListenOptions } from "./server/page-server.js";
export type { ServerEvent } from "./servers.js";
export type { InspectedTunnel } from "./tap.js";

/** What an inspector keeps, and whom it tells. */
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

const shapes = {
  serviceName: text().optional(),
  maxBytes: wholeNumber(1).optional(),
  maxExchanges: wholeNumber(1).optional(),
  privatePaths: someObject("an array of paths").optional(),
  onReplay: callback().optional(),
} satisfies Record<keyof InspectorOptions, unknown>;

/** A HAR file that is being written. */
export interface Recording {
  /** Why nothing more is recorded, once the file is as long as it may be or cannot be written. */
  readonly ended: string | undefined;
  /** Writes what is left. */
  close(): Promise<void>;
}

/**
 * Captures what passes through one client, or through several by {@link Inspector.tunnel}, in a ring in
 * memory. It holds up nothing. Under load it gives way, and says how much it has missed.
 */
export interface Inspector extends InspectedTunnel {
  /**
   * One of several tunnels: its exchanges carry the name, and are sent again to its own service. A tunnel of
   * a name that was there takes its place. `serviceName`: as a person would name it; default as in
   * {@link InspectorOptions}.
   * @throws TunnelError `invalid_option` for a name that is empty or has a space.
   */
  tunnel(name: string, serviceName?: string): InspectedTunnel;
  /** A tunnel of {@link Inspector.tunnel} is gone. What passed through it stays. */
  forget(tunnel: InspectedTunnel): void;
  /**
   * Serves the page on this machine, each time with a secret of its own.
   * @throws TunnelError `invalid_option` for a host that is not of this machine, `unavailable` if the port is
   *   taken, `invalid_state` after {@link close}.
   */
  listen(options?: ListenOptions): Promise<InspectorPage>;
  /**
   * Writes each exchange that is over to a HAR file (HTTP Archive 1.2), which is valid at any time.
   * @throws TunnelError `unavailable` if the file cannot be written, `invalid_state` after {@link close}.
   */
  record(file: string, options?: RecordOptions): Promise<Recording>;
  /** Cuts replays that are open, closes the page, and writes what the recordings have not written yet. */
  close(): Promise<void>;
}

/**
 * @throws TunnelError `invalid_option`
 * @example
 * const inspector = createInspector();
 * const service = inspector.inspected(createService({ port: 3000 }));
 * const tunnel = await startTunnelClient({ service, observeExchange: inspector.observe, relayUrl });
 * inspector.follow(tunnel);
 * console.log((await inspector.listen()).url);
 */
export function createInspector(options: InspectorOptions = {}): Inspector {
  checkOptions(options, shapes);
  return new LocalInspector(options);
}

interface Closable {
  close(): Promise<void>;
}

class LocalInspector implements Inspector {
  readonly #serviceName: string;
  readonly #startedAt = Date.now();
  readonly #recorder: Recorder;
  readonly #mcp: McpView;
  readonly #attention: Attention;
  readonly #views: Views;
  readonly #replayer: Replayer;
  readonly #servers = new Servers((text) => this.#views.exportedText(text));
  readonly #hub = new StreamHub();
  /** Told of all that is captured. A recording joins them. */
  readonly #listeners: CaptureListener[] = [];
  /** What `close` closes: the page, and recordings. */
  readonly #opened: Closable[] = [];
  #state: "open" | "closed" = "open";
  /** The tunnel without a name. */
  readonly #only: Tap;
  /** The tunnels that have names. */
  readonly #named = new Map<string, Tap>();

  constructor({
    serviceName = "the local service",
    maxBytes = defaultMaxBytes,
    maxExchanges = defaultMaxExchanges,
    privatePaths = [],
    onReplay,
  }: InspectorOptions) {
    this.#serviceName = serviceName;
    this.#recorder = new Recorder({ maxBytes, maxExchanges }, this.#listeners);
    this.#mcp = new McpView(
      this.#recorder.ring,
      (keys, gone) => this.#hub.sessionsChanged(keys, gone),
      () => this.#views.hider(),
    );
    this.#attention = new Attention(this.#mcp, this.#recorder.ring);
    this.#replayer = new Replayer(this.#recorder, this.#mcp, {
      look: () => this.#attention.look(),
      secretOf: (entry, mark) => this.#views.hidden(entry, mark),
      ...(onReplay === undefined ? {} : { onReplay: (event) => onReplay(this.#told(event)) }),
    });
    this.#views = new Views({
      mcp: this.#mcp,
      key: randomBytes(32),
      privatePaths,
      publicUrl: ({ tunnel }) => (tunnel === undefined ? this.#only : this.#named.get(tunnel))?.url,
      whyNot: (entry) => this.#replayer.whyNot(entry),
      warning: (entry) => this.#replayer.warning(entry),
    });
    this.#only = this.#tap(undefined, serviceName);
    // What is read as MCP is there when the others are told.
    this.#listeners.push(this.#attention, this.#hub);
    this.#recorder.onChange = () => this.#hub.stateChanged();
    this.#servers.onChange = () => this.#hub.serversChanged();
  }

  get observe(): ObserveExchange {
    return this.#only.observe;
  }

  inspected(service: Service): Service {
    return this.#only.inspected(service);
  }

  follow(client: TunnelClient): void {
    this.#only.follow(client);
  }

  tunnel(name: string, serviceName = this.#serviceName): InspectedTunnel {
    if (typeof name !== "string" || !/^\S+$/.test(name)) {
      throw unusable("the name of a tunnel is a text without spaces", { options: ["name"] });
    }
    const tap = this.#tap(name, serviceName);
    this.#named.set(name, tap);
    this.#hub.stateChanged();
    return tap;
  }

  forget(tunnel: InspectedTunnel): void {
    for (const [name, tap] of this.#named) if (tap === tunnel) this.#named.delete(name);
    this.#hub.stateChanged();
  }

  #tap(name: string | undefined, serviceName: string): Tap {
    return new Tap(name, serviceName, {
      recorder: this.#recorder,
      replayer: this.#replayer,
      servers: this.#servers,
      onChange: () => this.#hub.stateChanged(),
    });
  }

  /** What is told of a replay leaves the ring, too. */
  #told(event: ReplayEvent): ReplayEvent {
    const entry = this.#recorder.ring.find(event.id);
    // Others have pushed it out of the ring.
    if (entry === undefined) return { ...event, path: withoutQuery(event.path) };
    const { path, mcp } = this.#views.exportedSummary(entry);
    return { ...event, path, mcp };
  }

  server(name: string | undefined, event: ServerEvent): void {
    this.#only.server(name, event);
  }

  async listen(options: ListenOptions = {}): Promise<InspectorPage> {
    // A run that only records needs no server.
    const { openPage } = await import("./server/page-server.js");
    return this.#kept(await openPage(this.#parts(), this.#hub, options));
  }

  async record(file: string, options: RecordOptions = {}): Promise<Recording> {
    const { openRecording } = await import("./record/recording.js");
    const recording = await this.#kept(await openRecording(file, options, this.#views));
    // It needs all that is read, until its end.
    this.#attention.look();
    await this.#attention.caughtUp;
    this.#listeners.push(recording);
    return recording;
  }

  /** What has been opened while the inspector was closed is closed as well. */
  async #kept<Opened extends Closable>(opened: Opened): Promise<Opened> {
    if (this.#state === "open") {
      this.#opened.push(opened);
      return opened;
    }
    await opened.close();
    throw new TunnelError("invalid_state", "the inspector is closed");
  }

  async close(): Promise<void> {
    this.#state = "closed";
    this.#replayer.close();
    this.#attention.close();
    await Promise.all(this.#opened.map((opened) => opened.close()));
  }

  #parts(): ServerParts {
    return {
      ring: this.#recorder.ring,
      mcp: this.#mcp,
      attention: this.#attention,
      replayer: this.#replayer,
      servers: this.#servers,
      views: this.#views,
      state: () => this.#inspectorState(),
      pause: (paused) => {
        this.#recorder.paused = paused;
      },
      clear: () => {
        this.#recorder.clear();
        this.#mcp.clear();
        this.#hub.cleared();
      },
    };
  }

  #inspectorState(): InspectorState {
    const { ring, paused, missed } = this.#recorder;
    const tunnels = [...this.#named.values()].map(({ state }) => state);
    const [first] = tunnels;
    const { service, url, connection } =
      tunnels.length === 1 && first !== undefined ? first : this.#only.state;
    return {
      version,
      service,
      ...(url === undefined ? {} : { url }),
      connection: tunnels.length === 0 ? connection : connectionOf(tunnels),
      ...(tunnels.length === 0 ? {} : { tunnels }),
      paused,
      startedAt: this.#startedAt,
      kept: {
        exchanges: ring.size,
        bytes: ring.bytes,
        maxExchanges: ring.maxEntries,
        maxBytes: ring.maxBytes,
      },
      missed,
    };
  }
}

/** What all tunnels together are: the first that is not online tells. */
function connectionOf(tunnels: readonly TunnelState[]): Connection {
  return tunnels.find(({ connection }) => connection !== "online")?.connection ?? "online";
}
