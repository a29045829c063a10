import { createService, TunnelClient } from "mcp-tunnel-client";
import type { GateEvent } from "mcp-tunnel-gate";
import type { Inspector } from "mcp-tunnel-inspector";
import { observeLines } from "mcp-tunnel-inspector/lines";
import type { TunnelError } from "mcp-tunnel-protocol";
import type { InspectOptions } from "../options/inspect-options.js";
import type { TunnelSettings } from "../options/tunnel-options.js";
import type { Renderer } from "../render/renderer.js";
import { Approvals } from "./approvals.js";
import { bounding } from "./gate-events.js";
import type { McpServers, OnServerEvent } from "./mcp-servers.js";
import { observingBoth } from "./observing-both.js";
import { openMcpWarning, watchForOpenMcp } from "./open-mcp-watch.js";
import type { Surroundings, VisitorGate } from "./visitor-gate.js";

/** What a tunnel needs of the command that runs it. */
export interface TunnelContext extends Surroundings {
  readonly inspect: InspectOptions | undefined;
  /** `local`: what is served, as a person would name it. */
  createRenderer(local: string): Renderer;
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
   * Opens all that stands around the client. Nothing is asked of the relay yet.
   * @throws TunnelError `invalid_option`, or `unavailable` for files that cannot be read or written, and for
   *   an OpenID provider that does not answer.
   */
  static async open(settings: TunnelSettings, context: TunnelContext): Promise<CommandTunnel> {
    const parts = new Parts();
    try {
      return await openTunnel(settings, context, parts);
    } catch (error) {
      await parts.close();
      throw error;
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
    // Its failure also comes with `closed`.
    this.client.start().catch(() => {});
  }

  get isClosing(): boolean {
    return this.#isClosing;
  }

  /** Asks the tunnel to end: open requests may finish. A second call cuts them. */
  end(): void {
    if (this.#isClosing) {
      void this.client.close();
      return;
    }
    this.#isClosing = true;
    this.#parts.mcp?.drain();
    // The requests that end by this have ended in the next turn.
    setImmediate(() => {
      // Not before: a client whose question is taken back ends for want of a name, unless it is being closed.
      this.#parts.stopAsking();
      this.renderer.closing(this.client.openRequests);
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
  inspector: Inspector | undefined;
  approvals: Approvals | undefined;
  // An open question would keep the process alive, and the terminal in its mode.
  readonly #asking = new AbortController();

  /** Asks for a name. The code for that is loaded when it is needed, which is seldom. */
  readonly ask = async (patterns: readonly string[]): Promise<string> => {
    const { pickAtTerminal } = await import("./pick.js");
    return pickAtTerminal(patterns, this.#asking.signal);
  };

  stopAsking(): void {
    this.#asking.abort();
    this.approvals?.stop();
  }

  async close(): Promise<void> {
    this.approvals?.stop();
    await this.gate?.close();
    // All requests are over, so a recording has all of them.
    await this.inspector?.close();
  }
}

async function openTunnel(
  settings: TunnelSettings,
  context: TunnelContext,
  parts: Parts,
): Promise<CommandTunnel> {
  const { isPersonThere } = context;
  parts.mcp = await openMcp(settings, (name, event, text) => {
    renderer.server(name, event, text);
    parts.inspector?.server(name, event);
  });
  const { mcp } = parts;
  const { port, target } = settings.local ?? {};
  const local = mcp?.title ?? String(target ?? `http://localhost:${port}`);
  const renderer = context.createRenderer(local);
  if (settings.visitors !== undefined && isPersonThere) {
    parts.approvals = new Approvals(process.stdin, (number) => {
      if (parts.gate?.approve(number) !== true) return;
      renderer.gate({ type: "notice", text: "Approved; its page goes on." }, 0, false);
    });
  }
  const tell = async (event: GateEvent, others: number): Promise<void> => {
    const canApprove = event.type === "asked" && (await parts.approvals?.begin()) === true;
    renderer.gate(event, others, canApprove);
  };
  parts.gate = await openGate(
    settings,
    context,
    bounding((event, others) => void tell(event, others)),
  );
  const { gate } = parts;
  const inner = mcp?.service ?? createService(settings.local ?? {});
  parts.inspector = await openInspector(context.inspect, local, mcp?.origins ?? [local], renderer);
  const { inspector } = parts;
  const inspected = inspector?.inspected(inner) ?? inner;
  const watch = settings.isOpenByDefault
    ? watchForOpenMcp(() => renderer.warn(...openMcpWarning))
    : undefined;
  const lines = observeLines({
    opened: (line) => renderer.opened(line),
    over(line) {
      renderer.request(line);
      watch?.(line);
    },
  });
  const client = new TunnelClient({
    ...settings.client,
    service: gate?.guard(inspected) ?? inspected,
    observeExchange: inspector === undefined ? lines : observingBoth(inspector.observe, lines),
    ...(isPersonThere ? { pick: parts.ask } : {}),
  });
  const tunnel = new CommandTunnel(client, renderer, parts);
  inspector?.follow(client);
  renderer.follow(client, mcp?.places, gate?.auth);
  client.on("connected", (connected) => gate?.named(connected, mcp?.places ?? []));
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

/** The inspector, if something is to be kept. It is loaded when it is needed. */
async function openInspector(
  inspect: InspectOptions | undefined,
  serviceName: string,
  origins: readonly string[],
  renderer: Renderer,
): Promise<Inspector | undefined> {
  if (inspect === undefined) return undefined;
  const { openCommandInspector } = await import("./inspect.js");
  return openCommandInspector(inspect, serviceName, origins, renderer);
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
