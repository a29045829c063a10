import { Command, CommanderError, Option } from "commander";
import { unusable } from "mcp-tunnel-protocol";
import { oneLine, printable } from "mcp-tunnel-shared";
import { mistakeLine, optionDescription, valueForms } from "mcp-tunnel-shared/command";
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
  /** The public URL goes into the clipboard. */
  readonly copy: boolean;
  /** Its QR code is drawn. */
  readonly qr: boolean;
}

const description = `Gives a local MCP server, over HTTP or stdio, or any HTTP service, a public URL through an mcp-tunnel relay.

The relay sends visitors' requests through one outgoing connection, so nothing on this machine has to be reachable. If that connection is lost, the client reconnects by itself.`;

const epilogue = `
Each option can also be set in the environment, as MCP_TUNNEL_CLIENT_ and its
name, or as MCP_TUNNEL_ and its name: MCP_TUNNEL_RELAY for --relay. The command
line wins. MCP_TUNNEL_TOKEN_FILE is the relay's, and not read: --token-file is
MCP_TUNNEL_CLIENT_TOKEN_FILE. What is drawn for visitors, and what they were
granted, is kept in MCP_TUNNEL_STATE_DIR.

${valueForms}

Examples:
  Publish http://localhost:3000 under the name that goes with the token
    $ mcp-tunnel-client 3000 --relay https://tunnel.example.com --token s3cret

  Ask for demo.tunnel.example.com; a relay without a scheme is https://
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

  Find out why it does not work, with the options of the command that does not
    $ mcp-tunnel-client doctor 3000 --relay https://tunnel.example.com

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
  4  another client has the name: it has taken it, or --takeover leaves it
  5  no hope for the first connection, after 3 attempts: the relay's name does
     not exist, its URL has the wrong scheme, its certificate is not valid, or
     something else answers there. Not with --wait-for-relay`;

interface Flags extends TunnelFlags, InspectFlags {
  json?: boolean;
  copy?: boolean;
  qr?: boolean;
}

/** The other commands, by their names. */
export type CommandList = Readonly<Record<string, { readonly summary: string }>>;

/**
 * Reads the command line. For `--help`, `--version` and mistakes commander prints its text and throws an
 * error that carries the exit status. `others`: commands, which the help lists.
 * @throws CommanderError, or TunnelError `invalid_option`, or `unavailable` for a file that cannot be read.
 */
export function parseCommandLine(args: readonly string[], others: CommandList = {}): CliOptions {
  const { own, command: serverCommand } = splitArguments(args);
  const command = buildServeCommand(others);
  command.parse(own, { from: "user" });
  const flags = command.opts<Flags>();
  const tunnel = readTunnelOptions(command, {
    local: command.processedArgs[0] as LocalService | undefined,
    serverCommand,
  });
  const [json, copy, qr] = [isOn("json", flags.json), isOn("copy", flags.copy), isOn("qr", flags.qr)];
  if (json && (flags.copy === true || flags.qr === true)) {
    const name = flags.copy === true ? "copy" : "qr";
    throw unusable(`--${name} has no effect with --json, whose lines have the URL`, { options: [name] });
  }
  const inspect = readInspectOptions(flags, command, !json && process.stdout.isTTY);
  return { json, tunnel, inspect, copy, qr };
}

/** The command that serves, which has no name of its own. */
export function buildServeCommand(others: CommandList = {}): Command {
  const command = new Command("mcp-tunnel-client")
    .usage("[options] [local]\n       mcp-tunnel-client <command> [options]")
    .description(description)
    .version(version, "-v, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    .configureHelp({ optionDescription })
    .addHelpText("after", `${commandLines(others)}${epilogue}`)
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(mistake(text, others)) });
  addTunnelOptions(command)
    .addOption(new Option("--json", "print one JSON object per event"))
    .addOption(new Option("--copy", "put the public URL into the clipboard, by the terminal (OSC 52)"))
    .addOption(new Option("--qr", "draw the public URL as a QR code"))
    // Earlier versions had this letter.
    .addOption(new Option("-V").hideHelp())
    .on("option:V", () => {
      process.stdout.write(`${version}\n`);
      throw new CommanderError(0, "commander.version", version);
    });
  return addInspectOptions(command);
}

function commandLines(others: CommandList): string {
  const entries = Object.entries(others).filter(([, { summary }]) => summary !== "");
  if (entries.length === 0) return "";
  const width = Math.max(...entries.map(([name]) => name.length));
  const lines = entries.map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}\n`);
  return `\nCommands:\n${lines.join("")}`;
}

/** commander's words for the only argument. */
const isInvalid = "$1 is invalid as the local service";

/**
 * A mistake in one line. commander puts its suggestions on a second line. A command, or an option of one
 * letter, is what a person gives who wants to start an MCP server. Other tunnels have an option for the port.
 */
function mistake(text: string, others: CommandList): string {
  const [, word] = /argument value '([a-z-]+)' is invalid for argument 'local'/.exec(text) ?? [];
  const names = Object.keys(others).filter((name) => others[name]?.summary !== "");
  let hint = "";
  if (/unknown option '(?:-p|--port|--url|--addr|--local-port)/.test(text)) {
    hint = "; the local service comes first and without a flag, as in mcp-tunnel-client 3000";
  } else if (/too many arguments|unknown option '-\w'/.test(text)) {
    hint = "; an MCP server's command goes to the end, as in --stdio -- npx -y ...";
  } else if (word !== undefined && names.length > 0) hint = `; commands are ${names.join(", ")}`;
  // What commander takes it for leads elsewhere, where what was meant is known.
  const said = hint.includes("without a flag") ? text.replace(/\(Did you mean [^)]*\)/, "") : text;
  const line = oneLine(said)
    .replace(/command-argument value (.*) is invalid for argument 'local'/, isInvalid)
    .replace(/\.$/, "");
  return `${printable(mistakeLine(line + hint, "mcp-tunnel-client"))}\n`;
}
