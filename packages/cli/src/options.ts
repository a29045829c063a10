import { Argument, Command, InvalidArgumentError, Option } from "commander";
import { maxTimerMs, TunnelError, unusable } from "mcp-tunnel-protocol";
import {
  durationForm,
  exactBytes,
  formatDuration,
  oneLine,
  parseBytes,
  parseDuration,
  printable,
} from "mcp-tunnel-shared";
import { environmentName, optionDescription, readSecret } from "mcp-tunnel-shared/command";
import type { TunnelClientOptions } from "mcp-tunnel-client";
import {
  checkSubdomain,
  defaultOauthMetadata,
  defaultOrigin,
  greatestHeadBytes,
  leastHeadBytes,
  oauthMetadataPolicies,
  originPolicies,
  parseForwardedHeaders,
  parseHostHeader,
  registerUrl,
} from "mcp-tunnel-client/options";
import type { OauthMetadata, OriginPolicy } from "mcp-tunnel-client/options";
import { environmentProxy } from "./environment-proxy.js";
import { version } from "./version.js";

/** The options of the command line and the environment. */
export interface CliOptions {
  readonly json: boolean;
  readonly client: TunnelClientOptions;
}

/** Exit statuses, by why the command ended. `--help` lists them, too. */
export const exitStatus = { ended: 0, failed: 1, usage: 2, refused: 3, evicted: 4 } as const;

const description = `Gives a local MCP server, or any HTTP service, a public URL through an mcp-tunnel relay.

The relay sends visitors' requests through one outgoing connection, so nothing on this machine has to be reachable. If that connection is lost, the client reconnects by itself.`;

const epilogue = `
Each option can also be set in the environment, as MCP_TUNNEL_ and its name:
MCP_TUNNEL_TOKEN_FILE for --token-file. The command line wins.

Examples:
  Publish http://localhost:3000 under the name that goes with the token
    $ mcp-tunnel-client 3000 --relay https://tunnel.example.com --token s3cret

  Ask for demo.tunnel.example.com; a relay without a scheme is wss://
    $ mcp-tunnel-client localhost:8000 --relay tunnel.example.com \\
        --subdomain demo

  For programs: one JSON object a line (connected, request, disconnected,
  reconnecting, refused, closing, evicted, warning, error)
    $ mcp-tunnel-client 5173 --relay ws://127.0.0.1:8080 --json

Exit status:
  0  ended by a signal, or because nobody read its output any more (| head)
  1  the relay stayed away for --max-reconnect-time, or something else failed
  2  an option is wrong or missing, or a name has to be chosen with --subdomain
  3  the relay refused the token or the name, or its operator closed the tunnel
  4  evicted: another client has taken the name`;

interface Flags {
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
  const command = buildCommand();
  command.parse(args, { from: "user" });
  const flags = command.opts<Flags>();
  const local = command.processedArgs[0] as Pick<TunnelClientOptions, "port" | "target">;
  const { relay } = flags;
  if (relay === undefined) {
    throw unusable("no relay is given: add --relay <url>, or set MCP_TUNNEL_RELAY", { options: ["relay"] });
  }
  const token = readSecret(command, "token", TunnelError);
  const proxyUrl = flags.proxy ?? environmentProxy(registerUrl(relay));
  return {
    json: isOn("json", flags.json),
    client: {
      ...local,
      relayUrl: relay,
      ...(proxyUrl === undefined ? {} : { proxyUrl }),
      ...(token === undefined ? {} : { token }),
      ...(flags.subdomain === undefined ? {} : { subdomain: flags.subdomain }),
      hostHeader: flags.hostHeader,
      ...readOrigin(flags, command),
      ...(flags.forwardedHeaders === undefined ? {} : { forwardedHeaders: flags.forwardedHeaders }),
      oauthMetadata: flags.oauthMetadata,
      maxResponseHeadBytes: flags.maxResponseHead,
      ...(flags.maxReconnectTime === undefined ? {} : { maxReconnectTimeMs: flags.maxReconnectTime }),
      shutdownGraceMs: flags.shutdownGrace,
      waitForRelay: true,
    },
  };
}

function buildCommand(): Command {
  return new Command("mcp-tunnel-client")
    .description(description)
    .version(version, "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    .configureHelp({ optionDescription })
    .addArgument(
      new Argument(
        "<local>",
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
}

function option(flags: string, text: string): Option {
  const created = new Option(flags, text);
  return created.env(environmentName(created.name()));
}

/**
 * Whether a switch is on, by the command line or the environment. There commander would take any value for
 * yes.
 */
function isOn(name: "json" | "drop-origin", given: boolean | undefined): boolean {
  if (given === true) return true;
  const variable = environmentName(name);
  const value = process.env[variable]?.toLowerCase() ?? "";
  if (["1", "true", "yes", "on"].includes(value)) return true;
  if (["", "0", "false", "no", "off"].includes(value)) return false;
  throw unusable(`${variable} must be true or false, not '${value}'`, { options: [name] });
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
 * Reads a port, host:port or a URL. A host that is left out is this machine.
 * @throws InvalidArgumentError for anything else. The library checks the parts of the URL later, as its
 * `target`.
 */
export function parseLocal(text: string): Pick<TunnelClientOptions, "port" | "target"> {
  if (/^\d+$/.test(text)) return { port: Number(text) };
  // A URL parser would take `localhost:3000` for the scheme "localhost".
  const [, host, rest] = /^([\w.-]*|\[.*\])(:\d+(?:\/.*)?)$/.exec(text) ?? [];
  const target = host === undefined ? text : `http://${host || "localhost"}${rest}`;
  if (!/^https?:\/\//i.test(target) || !URL.canParse(target)) {
    throw new InvalidArgumentError(
      "It takes a port, such as 3000, host:port, such as localhost:3000 or [::1]:3000, or http(s)://host:port.",
    );
  }
  return { target };
}

/**
 * A reader of a value that the library checks, too. commander reports the mistakes, and says whether they
 * come from the environment. The reader is not for values that may hold a password, because commander repeats
 * the value.
 */
function checkedBy(check: (text: string) => unknown): (text: string) => string {
  return (text) => {
    try {
      check(text);
    } catch (error) {
      if (!(error instanceof TunnelError)) throw error;
      throw new InvalidArgumentError(error.message);
    }
    return text;
  };
}

/** A duration, in milliseconds: `90s`, `1.5m`, or `90` for seconds. */
export function readDuration(text: string): number {
  const ms = parseDuration(text);
  if (ms !== undefined && ms <= maxTimerMs) return ms;
  throw new InvalidArgumentError(`It takes ${durationForm}; at most 24 days.`);
}

function readHeadBytes(text: string): number {
  const bytes = parseBytes(text) ?? 0;
  if (bytes >= leastHeadBytes && bytes <= greatestHeadBytes) return bytes;
  throw new InvalidArgumentError(
    `It takes a number of bytes from ${leastHeadBytes} to ${greatestHeadBytes}, such as 128KiB.`,
  );
}

/** A mistake in one line. commander puts its suggestions on a second line. */
function mistake(text: string): string {
  return `${printable(oneLine(text))} (see mcp-tunnel-client --help)\n`;
}
