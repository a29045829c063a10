import type { TunnelError } from "mcp-tunnel-protocol";
import { printableLines, stackOf } from "mcp-tunnel-shared";
import { parseCommandLine } from "../options/command-line.js";
import { exitStatus } from "../options/exit-status.js";
import type { CommandOutput } from "../output/output.js";
import type { Renderer } from "../render/renderer.js";
import { HumanRenderer } from "../render/human.js";
import { JsonRenderer } from "../render/json.js";
import type { CommandTunnel } from "../tunnel/command-tunnel.js";

/**
 * Publishes what the command line names, until a signal or an error ends it, and returns the exit status.
 * @throws CommanderError for help and for mistakes that commander has printed; TunnelError `invalid_option`,
 * or `unavailable` for files that cannot be read or written, and for an OpenID provider that does not answer.
 */
export async function serveCommand(args: readonly string[], output: CommandOutput): Promise<number> {
  const { json, tunnel: settings, inspect } = parseCommandLine(args);
  // The client is loaded when it is needed: with its HTTP library it would take half of the time in which
  // the command answers a mistake or --help.
  const { CommandTunnel } = await import("../tunnel/command-tunnel.js");
  const tunnel = await CommandTunnel.open(settings, {
    inspect,
    isTerminal: !json && process.stdout.isTTY,
    isPersonThere: !json && process.stdin.isTTY && process.stdout.isTTY,
    createRenderer: (local) => (json ? new JsonRenderer(output) : new HumanRenderer(output, local)),
  });
  const error = await run(tunnel, output);
  const status = error === undefined ? exitStatus.ended : failed(error, tunnel.renderer);
  await tunnel.close();
  return status;
}

/** Serves until a signal or an error ends it. */
async function run(tunnel: CommandTunnel, output: CommandOutput): Promise<TunnelError | undefined> {
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  const end = (): void => tunnel.end();
  for (const signal of signals) process.on(signal, end);
  // The reader has left: `mcp-tunnel-client ... | head`. The client is closed once only, because a second
  // call cuts, and Ctrl-C ends the reader of a pipeline too.
  output.onReaderGone = () => {
    if (!tunnel.isClosing) tunnel.end();
  };
  // An uncaught error is a bug. It costs one request at most. Without this listener it would cost the tunnel.
  process.on("uncaughtException", (error: unknown) => {
    output.err(`internal error, please report it: ${printableLines(stackOf(error))}`);
  });
  tunnel.start();
  const error = await tunnel.ended;
  // From here on signals have their usual effect.
  for (const signal of signals) process.off(signal, end);
  return error;
}

function failed(error: TunnelError, renderer: Renderer): number {
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
