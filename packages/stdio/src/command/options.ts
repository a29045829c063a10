import { Command, InvalidArgumentError, Option } from "commander";
import { unusable } from "mcp-tunnel-protocol";
import { optionDescription } from "mcp-tunnel-shared/command";
import { version } from "../version.js";

/** The options of the command line. */
export interface CommandOptions {
  readonly host: string;
  readonly port: number;
  /** The server's program and its arguments. */
  readonly command: string;
  readonly args: readonly string[];
}

const description = `Serves an MCP server that speaks over stdin and stdout over streamable HTTP, at /mcp.`;

const epilogue = `
Example:
  $ mcp-tunnel-stdio --port 8000 \\
      -- npx -y @modelcontextprotocol/server-everything stdio`;

/**
 * @throws CommanderError, when commander has printed the help or a mistake; TunnelError `invalid_option`.
 */
export function parseCommandLine(args: readonly string[]): CommandOptions {
  const at = args.indexOf("--");
  const program = new Command("mcp-tunnel-stdio")
    .usage("[options] -- <command> [arguments]")
    .description(description)
    .version(version, "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    .configureHelp({ optionDescription })
    .addOption(new Option("--port <port>", "the port; 0 takes a free one").default(8_000).argParser(readPort))
    .addOption(
      new Option(
        "--host <address>",
        "the address to listen on; with another than this machine's own, everybody who reaches the port can " +
          "use the server with your rights",
      ).default("127.0.0.1"),
    )
    .addHelpText("after", epilogue)
    // The command of the server has options of its own.
    .passThroughOptions()
    .argument("[wrong...]")
    .exitOverride();
  program.parse(at === -1 ? args : args.slice(0, at), { from: "user" });
  const [command, ...rest] = at === -1 ? [] : args.slice(at + 1);
  if (command === undefined || program.args.length > 0) {
    throw unusable(
      "the command that starts the MCP server goes after --: " +
        "mcp-tunnel-stdio --port 8000 -- npx -y @modelcontextprotocol/server-everything stdio",
    );
  }
  return { ...program.opts<Pick<CommandOptions, "host" | "port">>(), command, args: rest };
}

function readPort(text: string): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port <= 65_535) return port;
  throw new InvalidArgumentError("It takes a number from 0 to 65535.");
}
