import { TunnelError } from "mcp-tunnel-protocol";
import { parseCommandLine } from "../options/command-line.js";
import { exitStatus } from "../options/exit-status.js";
import type { CommandOutput } from "../output/output.js";
import { HumanRenderer } from "../render/human.js";
import { JsonRenderer } from "../render/json.js";
import type { Renderer } from "../render/renderer.js";
import type { CommandTunnel } from "../tunnel/command-tunnel.js";
import { Terminal } from "../tunnel/terminal.js";
import { failed } from "./failure.js";
import { runUntilEnded } from "./run.js";

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
  const createRenderer = (local: string): Renderer =>
    json ? new JsonRenderer(output) : new HumanRenderer(output, local);
  const context = {
    inspect,
    isTerminal: !json && process.stdout.isTTY,
    terminal: !json && process.stdin.isTTY && process.stdout.isTTY ? new Terminal() : undefined,
    createRenderer,
  };
  let tunnel: CommandTunnel;
  try {
    tunnel = await CommandTunnel.open(settings, context);
  } catch (error) {
    // What the relay has said is told like what it says later. All else is a mistake in the options.
    const isOfRelay =
      error instanceof TunnelError && ["refused", "taken", "unsupported"].includes(error.code);
    if (!isOfRelay) throw error;
    return failed(error, settings, createRenderer(""));
  }
  const error = await runUntilEnded(tunnel, output);
  const status = error === undefined ? exitStatus.ended : failed(error, settings, tunnel.renderer);
  await tunnel.close();
  return status;
}
