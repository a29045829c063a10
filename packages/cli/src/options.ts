import { Argument, Command, Option } from "commander";
import { TunnelError, unusable } from "mcp-tunnel-protocol";
import { exactBytes, formatDuration, oneLine, printable } from "mcp-tunnel-shared";
import { optionDescription, readSecret } from "mcp-tunnel-shared/command";
import type { ServiceOptions, TunnelClientOptions } from "mcp-tunnel-client";
import {
  checkSubdomain,
  defaultOauthMetadata,
  defaultOrigin,
  greatestHeadBytes,
  oauthMetadataPolicies,
  originPolicies,
  parseForwardedHeaders,
  parseHostHeader,
  registerUrl,
} from "mcp-tunnel-client/options";
import type { OauthMetadata, OriginPolicy } from "mcp-tunnel-client/options";
import { environmentProxy } from "./environment-proxy.js";
import { checkedBy, isOn, option, parseLocal, readDuration, readHeadBytes } from "./flags.js";
import { addInspectOptions, readInspectOptions } from "./inspect-options.js";
import type { InspectFlags, InspectOptions } from "./inspect-options.js";
import { addMcpOptions, readMcpOptions, splitArguments } from "./mcp-options.js";
import type { McpFlags, McpOptions } from "./mcp-options.js";
import { version } from "./version.js";
import { addVisitorOptions, readVisitorOptions } from "./visitor-options.js";
import type { VisitorFlags, VisitorOptions } from "./visitor-options.js";

/** The options of the command line and the environment. */
export interface CliOptions {
  readonly json: boolean;
  /** All but the service. */
  readonly client: TunnelClientOptions;
  /** The local service to serve; undefined: `mcp` is served. */
  readonly local: ServiceOptions | undefined;
  readonly mcp: McpOptions | undefined;
  /** Who may visit; undefined: everybody. */
  readonly visitors: VisitorOptions | undefined;
  /** Nobody has asked for it that everybody may visit. */
  readonly isOpenByDefault: boolean;
  /** What is kept of the requests; undefined: nothing. */
  readonly inspect: InspectOptions | undefined;
}

/** Exit statuses, by why the command ended. `--help` lists them, too. */
export const exitStatus = { ended: 0, failed: 1, usage: 2, refused: 3, evicted: 4 } as const;

const description = `Gives a local MCP server, over HTTP or stdio, or any HTTP service, a public URL through an mcp-tunnel relay.

The relay sends visitors' requests through one outgoing connection, so nothing on this machine has to be reachable. If that connection is lost, the client reconnects by itself.`;

const epilogue = `
Each option can also be set in the environment, as MCP_TUNNEL_ and its name:
MCP_TUNNEL_TOKEN_FILE for --token-file. The command line wins. What is drawn
for visitors, and what they were granted, is kept in MCP_TUNNEL_STATE_DIR.

Examples:
  Publish http://localhost:3000 under the name that goes with the token
    $ mcp-tunnel-client 3000 --relay https://tunnel.example.com --token s3cret

  Ask for demo.tunnel.example.com; a relay without a scheme is wss://
    $ mcp-tunnel-client localhost:8000 --relay tunnel.example.com \\
        --subdomain demo

  Publish an MCP server that speaks over stdin and stdout, at /mcp
    $ mcp-tunnel-client --stdio --relay https://tunnel.example.com \\
        -- npx -y @modelcontextprotocol/server-everything stdio

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
  4  evicted: another client has taken the name`;

interface Flags extends McpFlags, VisitorFlags, InspectFlags {
  relay?: string;
  proxy?: string;
  subdomain?: string;
  hostHeader: string;
  origin?: OriginPolicy;
  dropOrigin?: boolean;
  forwardedHeaders?: string;
  oauthMetadata: OauthMetadata;
  maxResponseHead: number;
  json?: boolean;
  maxReconnectTime?: number;
  shutdownGrace: number;
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
  const local = command.processedArgs[0] as Pick<TunnelClientOptions, "port" | "target"> | undefined;
  const forwarding = readForwarding(flags, command);
  const mcp = readMcpOptions(flags, command, local !== undefined, serverCommand, forwarding);
  if (mcp?.servers.form === "command") {
    refuseUnused(command, forwardingOptions, "with --stdio: no HTTP goes to that server");
  }
  if (mcp === undefined) refuseUnused(command, stdioLimits, "without --stdio or --mcp-config");
  const visitors = readVisitorOptions(flags, command, mcp !== undefined);
  const { relay } = flags;
  if (relay === undefined) {
    throw unusable("no relay is given: add --relay <url>, or set MCP_TUNNEL_RELAY", { options: ["relay"] });
  }
  const token = readSecret(command, "token", TunnelError);
  const proxyUrl = flags.proxy ?? environmentProxy(registerUrl(relay));
  const json = isOn("json", flags.json);
  return {
    json,
    local: mcp === undefined ? { ...local, ...forwarding } : undefined,
    mcp,
    visitors,
    isOpenByDefault: visitors === undefined && flags.visitorAuth === undefined,
    inspect: readInspectOptions(flags, command, !json && process.stdout.isTTY),
    client: {
      relayUrl: relay,
      ...(proxyUrl === undefined ? {} : { proxyUrl }),
      ...(token === undefined ? {} : { token }),
      ...(flags.subdomain === undefined ? {} : { subdomain: flags.subdomain }),
      ...(flags.maxReconnectTime === undefined ? {} : { maxReconnectTimeMs: flags.maxReconnectTime }),
      shutdownGraceMs: flags.shutdownGrace,
      waitForRelay: true,
    },
  };
}

function buildCommand(): Command {
  const command = new Command("mcp-tunnel-client")
    .description(description)
    .version(version, "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    .configureHelp({ optionDescription })
    .addArgument(
      new Argument(
        "[local]",
        "the local service: a port of this machine, host:port, or http(s)://host:port",
      ).argParser(parseLocal),
    )
    .addOption(option("--relay <url>", "the relay: an https, http, wss or ws URL; without a scheme, wss"))
    .addOption(
      option(
        "--proxy <url>",
        "an HTTP proxy on the way to the relay; by default HTTPS_PROXY, HTTP_PROXY and NO_PROXY decide",
      ),
    )
    .addOption(
      option("--token <token>", "the token that the relay knows; by default a random one, for open relays"),
    )
    .addOption(
      option("--token-file <path>", "read the token from a file, so that it is not in the process list"),
    )
    .addOption(
      option(
        "--subdomain <name>",
        "the name to ask for; by default the relay decides, or offers several names",
      ).argParser(checkedBy(checkSubdomain)),
    )
    .addOption(
      option(
        "--host-header <value>",
        "the Host that the local service sees: 'rewrite' sends its own name and port, 'preserve' the " +
          "public host, and any other value is sent as it is",
      )
        .default("rewrite")
        .argParser(checkedBy(parseHostHeader)),
    )
    .addOption(
      option(
        "--origin <policy>",
        "the public origin in Origin and Referer: 'keep' it, 'rewrite' it to the local service's own, or " +
          "'drop' Origin, whatever its value",
      )
        .choices(originPolicies)
        // The default is not set, because --drop-origin depends on whether --origin is given.
        .default(undefined, defaultOrigin),
    )
    .addOption(new Option("--drop-origin", "the same as --origin drop"))
    .addOption(
      option(
        "--forwarded-headers <list>",
        "which of X-Forwarded-For, -Host and -Proto the local service sees: 'all', 'none', or some, as in " +
          "'for,proto'",
      )
        .default(undefined, "for, or all with --host-header preserve")
        .argParser(checkedBy(parseForwardedHeaders)),
    )
    .addOption(
      option(
        "--oauth-metadata <policy>",
        "OAuth and OpenID metadata in which the local service has the name that it sees as Host: 'rewrite' " +
          "that name to the public origin, or 'keep' it",
      )
        .choices(oauthMetadataPolicies)
        .default(defaultOauthMetadata),
    )
    .addOption(
      option(
        "--max-response-head <bytes>",
        `the longest response head of the local service, such as 128KiB; ${exactBytes(greatestHeadBytes)} at most`,
      )
        .default(65_536, exactBytes(65_536))
        .argParser(readHeadBytes),
    )
    .addOption(new Option("--json", "print one JSON object per event"))
    .addOption(
      option(
        "--max-reconnect-time <duration>",
        "how long to try to reach the relay before giving up, such as 90s",
      )
        .default(undefined, "never")
        .argParser(readDuration),
    )
    .addOption(
      option("--shutdown-grace <duration>", "how long open requests may go on after Ctrl-C or SIGTERM")
        .default(30_000, formatDuration(30_000))
        .argParser(readDuration),
    )
    .addHelpText("after", epilogue)
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(mistake(text)) });
  return addInspectOptions(addVisitorOptions(addMcpOptions(command)));
}

/** The options about a service behind HTTP: keys of {@link Flags} and their names. */
const forwardingOptions = {
  hostHeader: "host-header",
  origin: "origin",
  dropOrigin: "drop-origin",
  forwardedHeaders: "forwarded-headers",
  oauthMetadata: "oauth-metadata",
  maxResponseHead: "max-response-head",
};

/** The limits of MCP servers on stdio. */
const stdioLimits = {
  stdioEra: "stdio-era",
  stdioSessions: "stdio-sessions",
  stdioIdle: "stdio-idle",
  stdioStartTimeout: "stdio-start-timeout",
  stdioMaxMessage: "stdio-max-message",
};

/** @throws TunnelError `invalid_option` for an option that would have no effect. */
function refuseUnused(command: Command, names: Readonly<Record<string, string>>, why: string): void {
  for (const [key, name] of Object.entries(names)) {
    // Variables are often set once for several clients.
    if (command.getOptionValueSource(key) !== "cli") continue;
    throw unusable(`--${name} has no effect ${why}`, { options: [name] });
  }
}

/** How a service behind HTTP is told of visitors. */
function readForwarding(flags: Flags, command: Command): ServiceOptions {
  return {
    hostHeader: flags.hostHeader,
    ...readOrigin(flags, command),
    ...(flags.forwardedHeaders === undefined ? {} : { forwardedHeaders: flags.forwardedHeaders }),
    oauthMetadata: flags.oauthMetadata,
    maxResponseHeadBytes: flags.maxResponseHead,
  };
}

/**
 * The library's two options about `Origin`, which may not disagree. The command line wins over the
 * environment.
 */
function readOrigin(flags: Flags, command: Command): Pick<TunnelClientOptions, "origin" | "dropOrigin"> {
  const { origin } = flags;
  if (origin === undefined) return { dropOrigin: isOn("drop-origin", flags.dropOrigin) };
  const isOfCommandLine = command.getOptionValueSource("origin") === "cli";
  if (isOfCommandLine && flags.dropOrigin !== true) return { origin };
  if (!isOfCommandLine && flags.dropOrigin === true) return { origin: "drop" };
  return { origin, dropOrigin: isOn("drop-origin", flags.dropOrigin) };
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
