import { Command, Option } from "commander";
import { oneLine, printable } from "mcp-tunnel-shared";
import { optionDescription } from "mcp-tunnel-shared/command";
import { version } from "../version.js";
import { isOn } from "./flags.js";
import type { LocalService } from "./flags.js";
import { addInspectOptions, readInspectOptions } from "./inspect-options.js";
import type { InspectFlags, InspectOptions } from "./inspect-options.js";
import { splitArguments } from "./mcp-options.js";
import { addTunnelOptions, readTunnelOptions } from "./tunnel-options.js";
import type { TunnelFlags, TunnelSettings } from "./tunnel-options.js";

/** The options of the command line and the environment. */
export interface CliOptions {
  readonly json: boolean;
  readonly tunnel: TunnelSettings;
  /** What is kept of the requests; undefined: nothing. */
  readonly inspect: InspectOptions | undefined;
}

const description = `Gives a local MCP server, over HTTP or stdio, or any HTTP service, a public URL through an mcp-tunnel relay.

The relay sends visitors' requests through one outgoing connection, so nothing on this machine has to be reachable. If that connection is lost, the client reconnects by itself.`;

const epilogue = `
Each option can also be set in the environment, as MCP_TUNNEL_CLIENT_ and its
name, or as MCP_TUNNEL_ and its name: MCP_TUNNEL_RELAY for --relay. The command
line wins. MCP_TUNNEL_TOKEN_FILE is the relay's, and not read: --token-file is
MCP_TUNNEL_CLIENT_TOKEN_FILE. What is drawn for visitors, and what they were
granted, is kept in MCP_TUNNEL_STATE_DIR.

Examples:
  Publish http://localhost:3000 under the name that goes with the token
    $ mcp-tunnel-client 3000 --relay https://tunnel.example.com --token s3cret

  Ask for demo.tunnel.example.com; a relay without a scheme is wss://
    $ mcp-tunnel-client localhost:8000 --relay tunnel.example.com \\
        --subdomain demo

  Publish an MCP server that speaks over stdin and stdout, at /mcp
    $ mcp-tunnel-client --stdio --relay https://tunnel.example.com \\
        -- npx -y @modelcontextprotocol/server-everything stdio

  Keep relay and token, so that the port is enough; see them; forget them
    $ mcp-tunnel-client login --relay https://tunnel.example.com
    $ mcp-tunnel-client 3000
    $ mcp-tunnel-client whoami
    $ mcp-tunnel-client logout

  See again, renew and take back what lets visitors in
    $ mcp-tunnel-client auth --help

  See each request in a browser, and keep all of them in a file
    $ mcp-tunnel-client 3000 --relay tunnel.example.com \\
        --inspect --record traffic.har

  For programs: one JSON object a line (connected, opened, request, refused,
  disconnected, reconnecting, closing, evicted, warning, error, server, auth,
  inspector, replay)
    $ mcp-tunnel-client 5173 --relay ws://127.0.0.1:8080 --json

Exit status:
  0  ended by a signal, or because nobody read its output any more (| head)
  1  the relay stayed away for --max-reconnect-time, or something else failed
  2  an option is wrong or missing, or a name has to be chosen with --subdomain
  3  the relay refused the token or the name, or its operator closed the tunnel
  4  another client has the name: it has taken it, or --takeover leaves it`;

interface Flags extends TunnelFlags, InspectFlags {
  json?: boolean;
}

/**
 * Reads the command line. For `--help`, `--version` and mistakes commander prints its text and throws an
 * error that carries the exit status.
 * @throws CommanderError, or TunnelError `invalid_option`, or `unavailable` for a file that cannot be read.
 */
export function parseCommandLine(args: readonly string[]): CliOptions {
  const { own, command: serverCommand } = splitArguments(args);
  const command = buildCommand();
  command.parse(own, { from: "user" });
  const flags = command.opts<Flags>();
  const tunnel = readTunnelOptions(command, {
    local: command.processedArgs[0] as LocalService | undefined,
    serverCommand,
  });
  const json = isOn("json", flags.json);
  return { json, tunnel, inspect: readInspectOptions(flags, command, !json && process.stdout.isTTY) };
}

function buildCommand(): Command {
  const command = new Command("mcp-tunnel-client")
    .description(description)
    .version(version, "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    .configureHelp({ optionDescription })
    .addHelpText("after", epilogue)
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(mistake(text)) });
  addTunnelOptions(command).addOption(new Option("--json", "print one JSON object per event"));
  return addInspectOptions(command);
}

/**
 * A mistake in one line. commander puts its suggestions on a second line. A command, or an option of one
 * letter, is what a person gives who wants to start an MCP server.
 */
function mistake(text: string): string {
  const isCommand = /too many arguments|unknown option '-\w'/.test(text);
  const hint = isCommand ? "; an MCP server's command goes to the end, as in --stdio -- npx -y ..." : "";
  return `${printable(oneLine(text))}${hint} (see mcp-tunnel-client --help)\n`;
}
