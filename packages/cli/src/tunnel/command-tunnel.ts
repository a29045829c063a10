import { createService, TunnelClient } from "mcp-tunnel-client";
import type { GateEvent } from "mcp-tunnel-gate";
import type { InspectedTunnel } from "mcp-tunnel-inspector";
import { observeLines } from "mcp-tunnel-inspector/lines";
import type { TunnelError } from "mcp-tunnel-protocol";
import { originOf } from "../options/flags.js";
import type { TunnelSettings } from "../options/tunnel-options.js";
import type { Renderer } from "../render/renderer.js";
import { bounding } from "./gate-events.js";
import { ListeningWatch } from "./listening.js";
import { Naming } from "./naming.js";
import { claimOf } from "./takeover.js";
import type { McpServers, OnServerEvent } from "./mcp-servers.js";
import { watchForMcp } from "./mcp-watch.js";
import { observingBoth } from "./observing-both.js";
import { openMcpWarning, watchForOpenMcp } from "./open-mcp-watch.js";
import type { Approver, Terminal } from "./terminal.js";
import type { Surroundings, VisitorGate } from "./visitor-gate.js";

/** What a tunnel needs of the command that runs it. */
export interface TunnelContext {
  /** The standard output is a terminal, and no program reads it: secrets may be shown. */
  readonly isTerminal: boolean;
  /** The person who may approve visitors and choose a name; undefined: nobody is there. */
  readonly terminal: Terminal | undefined;
  /**
   * The inspector of the tunnel, if something is to be kept. `local`: what is served, as a person would name
   * it. `origins`: where it is.
   */
  openInspector(
    local: string,
    origins: readonly string[],
    renderer: Renderer,
  ): Promise<TunnelInspector | undefined>;
  /** The tunnel's name in the config file; undefined: the command line says what it is. */
  readonly tunnel?: string;
  /** `local`: what is served, as a person would name it. */
  createRenderer(local: string): Renderer;
  /** Gives the tunnel up while it is being opened: nobody answers its questions any more. Default: never. */
  readonly signal?: AbortSignal;
}

/** An inspector, or the part of one that follows this tunnel. */
export interface TunnelInspector extends InspectedTunnel {
  close(): Promise<void>;
}

/** A tunnel of the command: the client, what it serves, and what stands around that. */
export class CommandTunnel {
  readonly client: TunnelClient;
  readonly renderer: Renderer;
  /** Why the client has ended, once it has. Undefined if it was asked to end. */
  readonly ended: Promise<TunnelError | undefined>;
  readonly #parts: Parts;
  #isClosing = false;

  /**
   * Opens all that stands around the client. The relay is asked only for `--takeover ask` and
   * `--strict-subdomain`.
   * @throws TunnelError `invalid_option`, or `unavailable` for files that cannot be read or written, and for
   *   an OpenID provider that does not answer; those of {@link claimOf}.
   */
  static async open(settings: TunnelSettings, context: TunnelContext): Promise<CommandTunnel> {
    const parts = new Parts(context.terminal);
    const giveUp = (): void => parts.stopAsking();
    context.signal?.addEventListener("abort", giveUp, { once: true });
    try {
      return await openTunnel(settings, context, parts);
    } catch (error) {
      await parts.close();
      throw error;
    } finally {
      context.signal?.removeEventListener("abort", giveUp);
    }
  }

  constructor(client: TunnelClient, renderer: Renderer, parts: Parts) {
    this.client = client;
    this.renderer = renderer;
    this.#parts = parts;
    this.ended = new Promise((resolve) => {
      client.on("closed", ({ error }) => resolve(error));
    });
  }

  start(): void {
    this.#parts.mcp?.probe();
    void this.#parts.listening?.start();
    // Its failure also comes with `closed`.
    this.client.start().catch(() => {});
  }

  get isClosing(): boolean {
    return this.#isClosing;
  }

  /**
   * Asks the tunnel to end: open requests may finish. A second call cuts them. `isTold`: the screen says that
   * the tunnel waits for them. Default true.
   */
  end(isTold = true): void {
    if (this.#isClosing) {
      void this.client.close();
      return;
    }
    this.#isClosing = true;
    // A successor with another port says itself whether something listens there.
    this.#parts.listening?.stop();
    this.#parts.mcp?.drain();
    // The requests that end by this have ended in the next turn.
    setImmediate(() => {
      // Not before: a client whose question is taken back ends for want of a name, unless it is being closed.
      this.#parts.stopAsking();
      if (isTold) this.renderer.closing(this.client.openRequests);
      void this.client.close();
    });
  }

  /** Closes what stands around the client, once that has ended. */
  close(): Promise<void> {
    return this.#parts.close();
  }
}

/** What stands around a client, and has to be closed after it. */
class Parts {
  mcp: McpServers | undefined;
  gate: VisitorGate | undefined;
  inspector: TunnelInspector | undefined;
  readonly #terminal: Terminal | undefined;
  /** What the terminal knows of the gate. */
  approver: Approver | undefined;
  listening: ListeningWatch | undefined;
  // An open question would keep the process alive, and the terminal in its mode.
  readonly #asking = new AbortController();

  constructor(terminal: Terminal | undefined) {
    this.#terminal = terminal;
  }

  /** Aborted when nothing is asked any more. */
  get asking(): AbortSignal {
    return this.#asking.signal;
  }

  // The code for questions is loaded when it is needed, which is seldom.

  /**
   * Asks for a name at the terminal. `tunnel`: its name in the config file. `kept`: the one of the last time.
   */
  async askName(
    terminal: Terminal,
    patterns: readonly string[],
    about: { readonly tunnel: string | undefined; readonly kept: string | undefined },
  ): Promise<string> {
    const { pickAtTerminal } = await import("./pick.js");
    return terminal.ask(() => pickAtTerminal(patterns, { ...about, signal: this.#asking.signal }));
  }

  /** Asks whether to take a name from another client. */
  async askTakeover(terminal: Terminal, name: string): Promise<boolean> {
    const { mayTakeOver } = await import("./pick.js");
    return terminal.ask(() => mayTakeOver(name, this.#asking.signal));
  }

  stopAsking(): void {
    this.#asking.abort();
    if (this.approver !== undefined) this.#terminal?.leave(this.approver);
  }

  async close(): Promise<void> {
    this.stopAsking();
    this.listening?.stop();
    await this.gate?.close();
    // All requests are over, so a recording has all of them.
    await this.inspector?.close();
  }
}

const wrongNumber = {
  type: "denied",
  reason: "wrong_number",
  clientName: undefined,
  address: undefined,
} as const;

async function openTunnel(
  settings: TunnelSettings,
  context: TunnelContext,
  parts: Parts,
): Promise<CommandTunnel> {
  const { terminal } = context;
  parts.mcp = await openMcp(settings, (name, event, text) => {
    renderer.server(name, event, text);
    parts.inspector?.server(name, event);
  });
  const { mcp } = parts;
  const local = mcp?.title ?? originOf(settings.local ?? {});
  const renderer = context.createRenderer(local);
  const warn = (code: string, message: string): void => renderer.warn(code, message);
  const naming = new Naming({
    client: settings.client,
    served: local,
    ask:
      terminal &&
      ((patterns, kept) => {
        // A question has the screen for itself.
        renderer.asking();
        return parts.askName(terminal, patterns, { tunnel: context.tunnel, kept });
      }),
    warn,
  });
  const ask =
    terminal &&
    ((name: string) => {
      renderer.asking();
      return parts.askTakeover(terminal, name);
    });
  const claim = await claimOf(settings, { pick: naming.pick, ask, warn, signal: parts.asking });
  const approver = {
    approve(number: string): boolean {
      if (parts.gate?.approve(number) !== true) return false;
      renderer.gate({ type: "notice", text: "Approved; its page goes on." }, 0, false);
      return true;
    },
    refused: () => renderer.gate(wrongNumber, 0, false),
  };
  parts.approver = approver;
  const tell = async (event: GateEvent, others: number): Promise<void> => {
    // Each gate that was asked about a number says so. The terminal tells it once, if it was none of any.
    if (event.type === "denied" && event.reason === "wrong_number") return;
    const canApprove = event.type === "asked" && (await terminal?.begin(approver)) === true;
    renderer.gate(event, others, canApprove);
  };
  parts.gate = await openGate(
    settings,
    { isTerminal: context.isTerminal, isPersonThere: terminal !== undefined },
    bounding((event, others) => void tell(event, others)),
  );
  const { gate } = parts;
  const inner = mcp?.service ?? createService(settings.local ?? {});
  if (settings.local !== undefined) {
    parts.listening = new ListeningWatch({
      origin: new URL(local),
      isFollowed: context.isTerminal,
      onChange: (message) => renderer.listening(message),
    });
  }
  parts.inspector = await context.openInspector(local, mcp?.origins ?? [local], renderer);
  const { inspector } = parts;
  const inspected = inspector?.inspected(inner) ?? inner;
  const watch = settings.isOpenByDefault
    ? watchForOpenMcp(() => renderer.warn(...openMcpWarning))
    : undefined;
  const watchMcp =
    settings.local === undefined ? undefined : watchForMcp((found) => renderer.foundMcp(found));
  const lines = observeLines({
    opened: (line) => renderer.opened(line),
    over(line) {
      renderer.request(line);
      watch?.(line);
      watchMcp?.(line);
    },
  });
  const client = new TunnelClient({
    ...settings.client,
    service: gate?.guard(inspected) ?? inspected,
    observeExchange: inspector === undefined ? lines : observingBoth(inspector.observe, lines),
    claim,
    pick: naming.pick,
  });
  const tunnel = new CommandTunnel(client, renderer, parts);
  inspector?.follow(client);
  renderer.follow(client, mcp?.places, gate?.auth);
  client.on("connected", (connected) => {
    naming.connected(connected.subdomain);
    gate?.named(connected, mcp?.places ?? []);
  });
  return tunnel;
}

/** The MCP servers that are served in place of a local service. The bridge is loaded when it is needed. */
async function openMcp(
  { mcp, visitors }: TunnelSettings,
  onEvent: OnServerEvent,
): Promise<McpServers | undefined> {
  if (mcp === undefined) return undefined;
  const { openMcpServers } = await import("./mcp-servers.js");
  return openMcpServers(mcp, (visitors?.kinds.length ?? 0) > 0, onEvent);
}

/** The gate before the service, if visitors have to prove something. It is loaded when it is needed. */
async function openGate(
  { visitors, client }: TunnelSettings,
  surroundings: Surroundings,
  onEvent: (event: GateEvent) => void,
): Promise<VisitorGate | undefined> {
  if (visitors === undefined) return undefined;
  const { openVisitorGate } = await import("./visitor-gate.js");
  return openVisitorGate(visitors, client, surroundings, onEvent);
}
