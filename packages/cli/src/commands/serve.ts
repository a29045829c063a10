import { TunnelError } from "mcp-tunnel-protocol";
import { buildServeCommand, parseCommandLine } from "../options/command-line.js";
import { exitStatus } from "../options/exit-status.js";
import type { TunnelSettings } from "../options/tunnel-options.js";
import type { CommandOutput } from "../output/output.js";
import { HumanRenderer } from "../render/human.js";
import { JsonRenderer } from "../render/json.js";
import type { Renderer } from "../render/renderer.js";
import type { CommandTunnel, TunnelContext } from "../tunnel/command-tunnel.js";
import { atTerminal } from "../tunnel/terminal.js";
import type { CliCommand, CommandTable } from "./command.js";
import { failed } from "./failure.js";
import { runUntilEnded } from "./run.js";

/** The command that serves, as `http`. Without a name it is what main.ts runs when no other is asked for. */
export const http: CliCommand = { build: () => buildServeCommand(), run: serveCommand };

/**
 * Publishes what the command line names, until a signal or an error ends it, and returns the exit status.
 * @throws CommanderError for help and for mistakes that commander has printed; TunnelError `invalid_option`,
 * or `unavailable` for files that cannot be read or written, and for an OpenID provider that does not answer;
 * OptionMistakes for several mistakes in the options.
 */
async function serveCommand(
  args: readonly string[],
  output: CommandOutput,
  all: CommandTable = {},
): Promise<number> {
  const { json, tunnel: settings, inspect, copy, qr } = parseCommandLine(args, all);
  const drawQr = qr ? (await import("../render/qr.js")).qrLines : undefined;
  // The client is loaded when it is needed: with its HTTP library it would take half of the time in which
  // the command answers a mistake or --help.
  const { CommandTunnel } = await import("../tunnel/command-tunnel.js");
  // A program that is not there would show only when it is to be started.
  if (settings.mcp !== undefined) await checkWhole(settings);
  const createRenderer = (local: string): Renderer =>
    json ? new JsonRenderer(output) : new HumanRenderer(output, local, { copy, drawQr });
  const context: TunnelContext = {
    async openInspector(local, origins, renderer) {
      if (inspect === undefined) return undefined;
      // It is loaded when it is needed.
      const { openCommandInspector } = await import("../tunnel/inspect.js");
      return openCommandInspector(inspect, local, origins, renderer);
    },
    ...atTerminal(json),
    createRenderer,
  };
  let tunnel: CommandTunnel;
  try {
    tunnel = await CommandTunnel.open(settings, context);
  } catch (error) {
    // What the relay has said is told like what it says later. All else is a mistake in the options.
    const isOfRelay =
      error instanceof TunnelError && ["refused", "taken", "unsupported"].includes(error.code);
    if (!isOfRelay) {
      // All mistakes, where there are others besides this one. A start without any does not pay for the look.
      await checkWhole(settings);
      throw error;
    }
    return failed(error, settings, createRenderer(""));
  }
  const error = await runUntilEnded(tunnel, output);
  const isFirst = tunnel.client.url === undefined;
  const status = error === undefined ? exitStatus.ended : failed(error, settings, tunnel.renderer, isFirst);
  await tunnel.close();
  return status;
}

/** Throws what `checkSettings` throws, which is loaded when it is needed. */
async function checkWhole(settings: TunnelSettings): Promise<void> {
  const { checkSettings } = await import("../tunnel/check.js");
  await checkSettings(settings);
}
