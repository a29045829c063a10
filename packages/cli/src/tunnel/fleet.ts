import { setImmediate as nextTurn } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { TunnelError } from "mcp-tunnel-protocol";
import type { NamedTunnel } from "../config/tunnels-file.js";
import { exitStatus } from "../options/exit-status.js";
import type { TunnelSettings } from "../options/tunnel-options.js";
import type { Changes, FleetScreen } from "../render/fleet-screen.js";
import type { Renderer } from "../render/renderer.js";
import { CommandTunnel } from "./command-tunnel.js";
import type { TunnelContext, TunnelInspector } from "./command-tunnel.js";

/** What the tunnels of a config file need of the command that runs them. */
export interface FleetContext extends Pick<TunnelContext, "isTerminal" | "terminal"> {
  readonly screen: FleetScreen;
  /** The part of the inspector that follows a tunnel. Undefined: nothing is kept. */
  inspect(tunnel: string, local: string): TunnelInspector | undefined;
  /** `local`: what the tunnel serves, as a person would name it. */
  createRenderer(tunnel: string, local: string): Renderer;
  /**
   * Tells why a tunnel has ended, and returns the exit status for that. `isFirst`: it was never connected.
   * Default: it was, or the relay has answered.
   */
  failed(
    error: TunnelError,
    settings: TunnelSettings,
    renderer: Pick<Renderer, "failed">,
    isFirst?: boolean,
  ): number;
}

interface Member {
  readonly config: NamedTunnel;
  readonly tunnel: CommandTunnel;
}

type Tunnels = ReadonlyMap<string, NamedTunnel>;

/**
 * The tunnels of a config file, in one process. Each ends for itself. The fleet has ended when all have, and
 * its exit status is that of the first tunnel that has failed.
 */
export class Fleet {
  readonly #context: FleetContext;
  /** The tunnels that the file has, and that have not ended. */
  readonly #members = new Map<string, Member>();
  /** All that is not closed: also tunnels that give way to a changed one, or are gone from the file. */
  readonly #open = new Set<CommandTunnel>();
  /** Exit statuses by tunnel, in the order of the failures. */
  readonly #failures = new Map<string, number>();
  /** Aborted when all is to end. */
  readonly #closing = new AbortController();
  /** Changes come one after the other. */
  #changing: Promise<unknown> = Promise.resolve();
  #changes = 0;
  readonly ended: Promise<number>;
  #resolveEnded!: (status: number) => void;

  constructor(context: FleetContext) {
    this.#context = context;
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
  }

  get isClosing(): boolean {
    return this.#closing.signal.aborted;
  }

  /** Asks all tunnels to end: open requests may finish. A second call cuts them. */
  end(): void {
    const isFirst = !this.isClosing;
    this.#closing.abort();
    // Tunnels that are ending already have been asked once, and a second time would cut them.
    for (const tunnel of this.#open) if (!isFirst || !tunnel.isClosing) tunnel.end();
    this.#checkEnd();
  }

  /**
   * Makes the tunnels those of the file. Those that are new, have failed or have other settings are started,
   * and those that are gone end. All others are not touched. A tunnel with other settings takes over from
   * its predecessor, whose open requests may finish. If it cannot be opened, the predecessor goes on.
   */
  change(tunnels: Tunnels): Promise<Changes> {
    this.#changes += 1;
    const changed = this.#changing.then(async () => {
      try {
        return await this.#change(tunnels);
      } finally {
        this.#changes -= 1;
        this.#checkEnd();
      }
    });
    this.#changing = changed.catch(() => {});
    return changed;
  }

  async #change(tunnels: Tunnels): Promise<Changes> {
    const changes = { started: [] as string[], restarted: [] as string[], ended: [] as string[] };
    for (const [name, { tunnel }] of this.#members) {
      if (tunnels.has(name)) continue;
      this.#leave(name, tunnel);
      changes.ended.push(name);
    }
    for (const name of this.#failures.keys()) if (!tunnels.has(name)) this.#failures.delete(name);
    const due = [...tunnels.values()].filter(
      (config) => !isDeepStrictEqual(this.#members.get(config.name)?.config, config),
    );
    // An OpenID provider may take its time to answer, and the others need not wait for it.
    await Promise.all(
      due.map(async (config) => {
        const { name } = config;
        const tunnel = await this.#openTunnel(config);
        if (tunnel === undefined) return;
        const before = this.#members.get(name)?.tunnel;
        if (before !== undefined) this.#leave(name, before);
        this.#failures.delete(name);
        this.#members.set(name, { config, tunnel });
        // The client of the predecessor says that it leaves, so the relay gives the name away without
        // evicting it. That message is on its way before the connection of the new client is made: it leaves
        // two turns later, and what comes to the relay over two connections at once may be read in any order.
        if (before !== undefined) for (let turn = 0; turn < 2; turn += 1) await nextTurn();
        tunnel.start();
        (before === undefined ? changes.started : changes.restarted).push(name);
      }),
    );
    return changes;
  }

  /** Undefined if it cannot be opened, which has been told, or if all is about to end. */
  async #openTunnel({ name, settings }: NamedTunnel): Promise<CommandTunnel | undefined> {
    if (this.isClosing) return undefined;
    // The predecessor has the name until it leaves. Nobody has to be asked about that.
    const isAsking = settings.takeover === "ask" && this.#members.has(name);
    let renderer: Renderer | undefined;
    try {
      const tunnel = await CommandTunnel.open(isAsking ? { ...settings, takeover: "never" } : settings, {
        isTerminal: this.#context.isTerminal,
        terminal: this.#context.terminal,
        tunnel: name,
        openInspector: (local) => Promise.resolve(this.#context.inspect(name, local)),
        createRenderer: (local) => (renderer = this.#context.createRenderer(name, local)),
        signal: this.#closing.signal,
      });
      this.#open.add(tunnel);
      void this.#follow(name, settings, tunnel);
      // A signal came meanwhile. A client that was not started ends at once.
      if (!this.isClosing) return tunnel;
      tunnel.end();
    } catch (error) {
      if (!(error instanceof TunnelError)) throw error;
      // It was given up because all is about to end.
      if (this.isClosing) return undefined;
      renderer ??= this.#context.createRenderer(name, name);
      if (this.#members.has(name)) {
        this.#context.failed(error, settings, renderer);
        renderer.warn("config", "the tunnel goes on with the settings that it had");
      } else this.#failed(name, error, settings, renderer);
    }
    return undefined;
  }

  /** A tunnel that is no member any more: its end is no failure. */
  #leave(name: string, tunnel: CommandTunnel): void {
    this.#members.delete(name);
    tunnel.end(false);
  }

  async #follow(name: string, settings: TunnelSettings, tunnel: CommandTunnel): Promise<void> {
    const error = await tunnel.ended;
    const isMember = this.#members.get(name)?.tunnel === tunnel;
    if (isMember) this.#members.delete(name);
    if (isMember && error !== undefined) {
      this.#failed(name, error, settings, tunnel.renderer, tunnel.client.url === undefined);
    }
    await tunnel.close();
    this.#open.delete(tunnel);
    this.#checkEnd();
  }

  #failed(
    name: string,
    error: TunnelError,
    settings: TunnelSettings,
    renderer: Renderer,
    isFirst = false,
  ): void {
    this.#failures.set(name, this.#context.failed(error, settings, renderer, isFirst));
    const others = this.#members.size;
    if (others > 0 && !this.isClosing) this.#context.screen.goingOn(name, others);
  }

  #checkEnd(): void {
    if (this.#open.size > 0 || this.#changes > 0) return;
    const [first = exitStatus.ended] = this.#failures.values();
    this.#resolveEnded(first);
  }
}
