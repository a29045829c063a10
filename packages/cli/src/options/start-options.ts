import { Option } from "commander";
import type { Command } from "commander";
import { unusable } from "mcp-tunnel-protocol";
import { mistakeLine } from "mcp-tunnel-shared/command";
import { isOn } from "./flags.js";
import { addInspectOptions, readInspectOptions } from "./inspect-options.js";
import type { InspectFlags, InspectOptions } from "./inspect-options.js";
import { subcommand } from "./subcommand.js";

/** Which tunnels of a config file are started, and how they are shown. */
export interface StartOptions {
  /** Undefined: all. */
  readonly names: readonly string[] | undefined;
  /** The config file; undefined: it is looked for. */
  readonly config: string | undefined;
  readonly waitForRelay: boolean;
  readonly json: boolean;
  readonly inspect: InspectOptions | undefined;
}

const description = `Starts tunnels of a config file, all in one process: those that are named, or --all.

The file is --config, or else mcp-tunnel-client.yaml in the current folder, or else that of the user, ~/.config/mcp-tunnel/mcp-tunnel-client.yaml. It is read again when it changes: new tunnels are started, those that are gone end, and all others are not touched.`;

const epilogue = `
A file with two tunnels:
  defaults:
    relay: https://tunnel.example.com
    token-file: ~/.config/mcp-tunnel/token
  tunnels:
    web:
      local: 3000
    tools:
      command: [npx, -y, "@modelcontextprotocol/server-everything", stdio]

The keys are the options of mcp-tunnel-client without their dashes. The relay is
asked for the name of the tunnel, unless it has a 'subdomain'.

Exit status: that of the first tunnel that failed (mcp-tunnel-client --help), or
0. The command goes on as long as one tunnel does.`;

interface Flags extends InspectFlags {
  all?: true;
  config?: string;
  waitForRelay?: true;
  json?: boolean;
}

/** `--config` of the commands that read the config file. */
export function configOption(): Option {
  // MCP_TUNNEL_CONFIG is the relay's.
  return new Option("--config <file>", "the config file").env("MCP_TUNNEL_CLIENT_CONFIG");
}

/**
 * Reads the command line of `mcp-tunnel-client start`.
 * @throws CommanderError for help and for mistakes that commander has printed; TunnelError `invalid_option`.
 */
export function parseStart(args: readonly string[]): StartOptions {
  const command = buildStart().parse(args, { from: "user" });
  const flags = command.opts<Flags>();
  const { args: names } = command;
  if ((flags.all === true) === names.length > 0) {
    throw unusable(
      mistakeLine("start takes the names of tunnels in the config file, or --all", command.name()),
    );
  }
  const json = isOn("json", flags.json);
  return {
    names: flags.all === true ? undefined : names,
    config: flags.config,
    waitForRelay: isOn("wait-for-relay", flags.waitForRelay),
    json,
    inspect: readInspectOptions(flags, command, !json && process.stdout.isTTY),
  };
}

/** The command `start`, with its options. */
export function buildStart(): Command {
  const command = subcommand("start", description)
    .argument("[name...]", "the tunnels to start")
    .addHelpText("after", epilogue)
    .addOption(new Option("--all", "start all tunnels of the file"))
    .addOption(configOption())
    .addOption(
      new Option(
        "--wait-for-relay",
        "go on trying for the first connection of each tunnel, also without hope",
      ),
    )
    .addOption(new Option("--json", "print one JSON object per event"));
  return addInspectOptions(command);
}
