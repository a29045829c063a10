import { CommanderError } from "commander";
import { TunnelError } from "mcp-tunnel-protocol";
import { printable, printableLines, stackOf } from "mcp-tunnel-shared";
import { endWithReader, letHeapGrow } from "mcp-tunnel-shared/command";
import type { TunnelClient } from "mcp-tunnel-client";
import { exitStatus, parseCommandLine } from "./options.js";
import type { CliOptions } from "./options.js";
import { HumanRenderer, JsonRenderer } from "./render.js";
import type { Renderer } from "./render.js";
import { TerminalOutput } from "./terminal-output.js";

letHeapGrow();

let onReaderGone = (): void => {};
const output = new TerminalOutput(() => onReaderGone());

// For help and questions, which are not written by `output`.
endWithReader();

async function main(args: readonly string[]): Promise<number> {
  let options: CliOptions;
  let client: TunnelClient;
  // A question that is open would keep the process, and the terminal in its mode.
  const asking = new AbortController();
  const ask = (patterns: readonly string[]): Promise<string> => pick(patterns, asking.signal);
  try {
    options = parseCommandLine(args);
    // Loaded when it is needed: with its HTTP library it takes half of the time that a mistake or --help takes to answer.
    const { TunnelClient } = await import("mcp-tunnel-client");
    client = new TunnelClient({ ...options.client, ...(askable(options) ? { pick: ask } : {}) });
  } catch (error) {
    return usageStatus(error);
  }
  const { port, target } = options.client;
  const renderer = options.json
    ? new JsonRenderer(output)
    : new HumanRenderer(output, String(target ?? `http://localhost:${port}`));
  return run(client, renderer, () => asking.abort());
}

/** Serves until closed, by a signal or for good. `stopAsking` takes a question at the terminal back. */
async function run(client: TunnelClient, renderer: Renderer, stopAsking: () => void): Promise<number> {
  renderer.follow(client);
  const closed = new Promise<TunnelError | undefined>((resolve) => {
    client.on("closed", ({ error }) => resolve(error));
  });
  const close = (): void => {
    stopAsking();
    if (client.state !== "closing") renderer.closing(client.openRequests);
    void client.close();
  };
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const signal of signals) process.on(signal, close);
  // What nobody caught is a bug. One request at most is lost by it; without this the tunnel would be.
  process.on("uncaughtException", (error: unknown) => {
    output.err(`internal error, please report it: ${printableLines(stackOf(error))}`);
  });
  // Nobody reads any more: `mcp-tunnel-client ... | head`.
  // Not again: a second call cuts, and Ctrl-C ends the reader of a pipeline too.
  onReaderGone = () => {
    if (client.state !== "closing") close();
  };
  // Its failure is that of `closed`.
  client.start().catch(() => {});
  const error = await closed;
  // From here on a signal does what it does to any process.
  for (const signal of signals) process.off(signal, close);
  if (error === undefined) return exitStatus.ended;
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

/** commander has printed its own mistakes, and help and version, which are none. */
function usageStatus(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitStatus.ended : exitStatus.usage;
  if (!(error instanceof TunnelError)) throw error;
  output.err(`error: ${printable(error.message)}`);
  return exitStatus.usage;
}

/** Loaded when it is needed, which is seldom. */
async function pick(patterns: readonly string[], signal: AbortSignal): Promise<string> {
  const { pickAtTerminal } = await import("./pick.js");
  return pickAtTerminal(patterns, signal);
}

/** Whether there is a person to ask. */
function askable(options: CliOptions): boolean {
  return !options.json && process.stdin.isTTY && process.stdout.isTTY;
}

// No await at the top of the module: a bundle of one file is CommonJS, which has none.
void main(process.argv.slice(2)).then((status) => output.exit(status));
