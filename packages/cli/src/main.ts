import { CommanderError } from "commander";
import { TunnelError } from "mcp-tunnel-protocol";
import { printable, printableLines, stackOf } from "mcp-tunnel-shared";
import { endWithReader, letHeapGrow } from "mcp-tunnel-shared/command";
import type { TunnelClient } from "mcp-tunnel-client";
import type { GateEvent } from "mcp-tunnel-gate";
import type { Inspector } from "mcp-tunnel-inspector";
import { Approvals } from "./approvals.js";
import { bounding } from "./gate-events.js";
import type { McpServers, OnServerEvent } from "./mcp-servers.js";
import { observingBoth } from "./observing-both.js";
import { openMcpWarning, watchForOpenMcp } from "./open-mcp-watch.js";
import { exitStatus, parseCommandLine } from "./options.js";
import type { CliOptions } from "./options.js";
import { JsonRenderer } from "./render-json.js";
import { HumanRenderer } from "./render.js";
import type { Renderer } from "./render.js";
import { TerminalOutput } from "./terminal-output.js";
import type { VisitorGate } from "./visitor-gate.js";

letHeapGrow();

let onReaderGone = (): void => {};
const output = new TerminalOutput(() => onReaderGone());

// Help and questions are not written by `output`, which looks after itself.
endWithReader();

async function main(args: readonly string[]): Promise<number> {
  if (args[0] === "auth") return runAuth(args.slice(1));
  let client: TunnelClient;
  let renderer: Renderer;
  let mcp: McpServers | undefined;
  let gate: VisitorGate | undefined;
  let inspector: Inspector | undefined;
  let approvals: Approvals | undefined;
  // An open question would keep the process alive, and the terminal in its mode.
  const asking = new AbortController();
  const ask = (patterns: readonly string[]): Promise<string> => pick(patterns, asking.signal);
  try {
    const options = parseCommandLine(args);
    // The client is loaded when it is needed: with its HTTP library it would take half of the time in which
    // the command answers a mistake or --help.
    const { createService, TunnelClient } = await import("mcp-tunnel-client");
    const { observeLines } = await import("mcp-tunnel-inspector/lines");
    mcp = await openMcp(options, (name, event, text) => {
      renderer.server(name, event, text);
      inspector?.server(name, event);
    });
    const { port, target } = options.local ?? {};
    const local = mcp?.title ?? String(target ?? `http://localhost:${port}`);
    renderer = options.json ? new JsonRenderer(output) : new HumanRenderer(output, local);
    if (options.visitors !== undefined && askable(options)) {
      approvals = new Approvals(process.stdin, (number) => {
        if (gate?.approve(number) !== true) return;
        renderer.gate({ type: "notice", text: "Approved; its page goes on." }, 0, false);
      });
    }
    const tell = async (event: GateEvent, others: number): Promise<void> => {
      const canApprove = event.type === "asked" && (await approvals?.begin()) === true;
      renderer.gate(event, others, canApprove);
    };
    gate = await openGate(
      options,
      bounding((event, others) => void tell(event, others)),
    );
    const inner = mcp?.service ?? createService(options.local ?? {});
    inspector = await openInspector(options, local, mcp?.origins ?? [local], renderer);
    const inspected = inspector?.inspected(inner) ?? inner;
    const watch = options.isOpenByDefault
      ? watchForOpenMcp(() => renderer.warn(...openMcpWarning))
      : undefined;
    const lines = observeLines({
      opened: (line) => renderer.opened(line),
      over(line) {
        renderer.request(line);
        watch?.(line);
      },
    });
    client = new TunnelClient({
      ...options.client,
      service: gate?.guard(inspected) ?? inspected,
      observeExchange: inspector === undefined ? lines : observingBoth(inspector.observe, lines),
      ...(askable(options) ? { pick: ask } : {}),
    });
    inspector?.follow(client);
    renderer.follow(client, mcp?.places, gate?.auth);
    client.on("connected", (tunnel) => gate?.named(tunnel, mcp?.places ?? []));
  } catch (error) {
    await gate?.close();
    await inspector?.close();
    return usageStatus(error);
  }
  mcp?.probe();
  const status = await run(client, renderer, {
    drain: () => mcp?.drain(),
    stopAsking: () => {
      asking.abort();
      approvals?.stop();
    },
  });
  approvals?.stop();
  await gate?.close();
  // All requests are over, so a recording has all of them.
  await inspector?.close();
  return status;
}

/** What else has to let go when the client is asked to end. */
interface Others {
  /** Ends the streams of MCP servers on which nobody waits for an answer. */
  drain(): void;
  /** Takes a question at the terminal back. It would keep the process. */
  stopAsking(): void;
}

/** The MCP servers that are served in place of a local service. The bridge is loaded when it is needed. */
async function openMcp(
  { mcp, visitors }: CliOptions,
  onEvent: OnServerEvent,
): Promise<McpServers | undefined> {
  if (mcp === undefined) return undefined;
  const { openMcpServers } = await import("./mcp-servers.js");
  return openMcpServers(mcp, (visitors?.kinds.length ?? 0) > 0, onEvent);
}

/** The inspector, if something is to be kept. It is loaded when it is needed. */
async function openInspector(
  { inspect }: CliOptions,
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
  options: CliOptions,
  onEvent: (event: GateEvent) => void,
): Promise<VisitorGate | undefined> {
  if (options.visitors === undefined) return undefined;
  const { openVisitorGate } = await import("./visitor-gate.js");
  const isPersonThere = askable(options);
  const isTerminal = !options.json && process.stdout.isTTY;
  return openVisitorGate(options.visitors, options.client, { isTerminal, isPersonThere }, onEvent);
}

/** `mcp-tunnel-client auth`: a service is never called that. */
async function runAuth(args: readonly string[]): Promise<number> {
  const { authCommand } = await import("./auth-command.js");
  try {
    await authCommand(args, output);
    return exitStatus.ended;
  } catch (error) {
    return usageStatus(error);
  }
}

/** Serves until a signal or an error ends it, and returns the exit status. */
async function run(client: TunnelClient, renderer: Renderer, others: Others): Promise<number> {
  const closed = new Promise<TunnelError | undefined>((resolve) => {
    client.on("closed", ({ error }) => resolve(error));
  });
  let isClosing = false;
  const close = (): void => {
    if (isClosing) {
      void client.close();
      return;
    }
    isClosing = true;
    others.drain();
    // The requests that end by this have ended in the next turn.
    setImmediate(() => {
      // Not before: a client whose question is taken back ends for want of a name, unless it is being closed.
      others.stopAsking();
      renderer.closing(client.openRequests);
      void client.close();
    });
  };
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const signal of signals) process.on(signal, close);
  // An uncaught error is a bug. It costs one request at most. Without this listener it would cost the tunnel.
  process.on("uncaughtException", (error: unknown) => {
    output.err(`internal error, please report it: ${printableLines(stackOf(error))}`);
  });
  // The reader has left: `mcp-tunnel-client ... | head`. The client is closed once only, because a second
  // call cuts, and Ctrl-C ends the reader of a pipeline too.
  onReaderGone = () => {
    if (!isClosing) close();
  };
  // Its failure also comes with `closed`.
  client.start().catch(() => {});
  const error = await closed;
  // From here on signals have their usual effect.
  for (const signal of signals) process.off(signal, close);
  if (error === undefined) return exitStatus.ended;
  // The library names its own option.
  const [words, ours] = ["ask for one of them as the subdomain", "ask for one of them by --subdomain"];
  error.message = error.message.replace(words, ours);
  renderer.failed(error);
  return statusOf(error);
}

function statusOf(error: TunnelError): number {
  switch (error.code) {
    case "refused":
      return exitStatus.refused;
    case "evicted":
      return exitStatus.evicted;
    case "invalid_option":
      return exitStatus.usage;
    default:
      return exitStatus.failed;
  }
}

/**
 * The exit status for a mistake. commander has printed its own mistakes, and help and version, which are
 * none. A file that cannot be read is a mistake too, but an OpenID provider that does not answer is none: the
 * same command may work another time.
 */
function usageStatus(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitStatus.ended : exitStatus.usage;
  if (!(error instanceof TunnelError)) throw error;
  output.err(`error: ${printable(error.message)}`);
  return error.code === "unavailable" && error.file === undefined ? exitStatus.failed : exitStatus.usage;
}

/** Asks for a name. The code for that is loaded when it is needed, which is seldom. */
async function pick(patterns: readonly string[], signal: AbortSignal): Promise<string> {
  const { pickAtTerminal } = await import("./pick.js");
  return pickAtTerminal(patterns, signal);
}

/** Whether there is a person to ask. */
function askable(options: CliOptions): boolean {
  return !options.json && process.stdin.isTTY && process.stdout.isTTY;
}

// There is no await at the top of the module, because a bundle of one file is CommonJS, which does not allow
// it.
void main(process.argv.slice(2)).then((status) => output.exit(status));
