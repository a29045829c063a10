import { readFileSync } from "node:fs";
import { Argument, Command, InvalidArgumentError, Option } from "commander";
import { maxTimerMs, TunnelError } from "mcp-tunnel-protocol";
import { oneLine, parseBytes, printable } from "mcp-tunnel-shared";
import type { TunnelClientOptions } from "mcp-tunnel-client";
import {
  defaultOauthMetadata,
  defaultOrigin,
  oauthMetadataPolicies,
  originPolicies,
  registerUrl,
  greatestHeadBytes,
  leastHeadBytes,
} from "mcp-tunnel-client/options";
import type { OauthMetadata, OriginPolicy } from "mcp-tunnel-client/options";
import { environmentProxy } from "./environment-proxy.js";
import { version } from "./version.js";

/** What the command line and the environment say. */
export interface CliOptions {
  readonly json: boolean;
  readonly client: TunnelClientOptions;
}

/** Why the command ended; in `--help` too. */
export const exitStatus = { ended: 0, failed: 1, usage: 2, refused: 3, evicted: 4 } as const;

const description = `Gives a local MCP server, or any HTTP service, a public URL through an mcp-tunnel relay.

The relay sends visitors' requests through one outgoing connection, so nothing on this machine has to be reachable. After a loss of that connection the client comes back by itself.`;

const epilogue = `
Each option can also be set in the environment, as MCP_TUNNEL_ and its name:
MCP_TUNNEL_TOKEN_FILE for --token-file. What the command line says wins.

Examples:
  Publish http://localhost:3000 under the name that goes with the token
    $ mcp-tunnel-client 3000 --relay https://tunnel.example.com --token s3cret

  Ask for demo.tunnel.example.com; a relay without a scheme is wss://
    $ mcp-tunnel-client localhost:8000 --relay tunnel.example.com --subdomain demo

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
  token?: string;
  tokenFile?: string;
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
 * Reads the command line. `--help`, `--version` and mistakes print and throw commander's error, which carries the exit
 * status.
 * @throws CommanderError, or TunnelError `invalid_option`.
 */
export function parseCommandLine(args: readonly string[]): CliOptions {
  const command = buildCommand();
  command.parse(args, { from: "user" });
  const flags = command.opts<Flags>();
  const local = command.processedArgs[0] as Pick<TunnelClientOptions, "port" | "target">;
  const { relay } = flags;
  if (relay === undefined) {
    throw new TunnelError("invalid_option", "no relay is given: add --relay <url>, or set MCP_TUNNEL_RELAY");
  }
  const token = readToken(flags, command);
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
    .addOption(
      option("--relay <url>", "the relay: https://, http://, wss://, ws://, or no scheme for wss://"),
    )
    .addOption(
      option(
        "--proxy <url>",
        "an HTTP proxy on the way to the relay; by default what HTTPS_PROXY, HTTP_PROXY and NO_PROXY say",
      ),
    )
    .addOption(
      option("--token <token>", "what the relay knows you by; without one, a random token, for open relays"),
    )
    .addOption(
      option("--token-file <path>", "read the token from a file, so that it is not in the process list"),
    )
    .addOption(option("--subdomain <name>", "the name to ask for; by default the relay decides or offers"))
    .addOption(
      option(
        "--host-header <value>",
        "the Host that the local service sees: 'rewrite' to its own name and port, 'preserve' the public one, or " +
          "send any other value as it is",
      ).default("rewrite"),
    )
    .addOption(
      option(
        "--origin <policy>",
        "the public origin in Origin and Referer: 'keep' it, 'rewrite' it to the local service's own, or " +
          "'drop' Origin, whatever it says",
      )
        .choices(originPolicies)
        // The default is not set: whether it is given decides about --drop-origin.
        .default(undefined, defaultOrigin),
    )
    .addOption(new Option("--drop-origin", "the same as --origin drop"))
    .addOption(
      option(
        "--forwarded-headers <list>",
        "which of X-Forwarded-For, -Host and -Proto the local service sees: 'all', 'none', or some, as in " +
          "'for,proto'",
      ).default(undefined, "for, or all with --host-header preserve"),
    )
    .addOption(
      option(
        "--oauth-metadata <policy>",
        "OAuth and OpenID metadata that names the local service by the Host that it sees: 'rewrite' it to " +
          "the public origin, or 'keep' it",
      )
        .choices(oauthMetadataPolicies)
        .default(defaultOauthMetadata),
    )
    .addOption(
      option(
        "--max-response-head <bytes>",
        `the longest head of an answer of the local service, up to ${greatestHeadBytes}, such as 128KiB`,
      )
        .default(65_536, "65536")
        .argParser(parseHeadBytes),
    )
    .addOption(new Option("--json", "print one JSON object per event"))
    .addOption(
      option("--max-reconnect-time <duration>", "give up after trying for so long, such as 90s or 10m")
        .default(undefined, "never")
        .argParser(parseDuration),
    )
    .addOption(
      option("--shutdown-grace <duration>", "on Ctrl-C or SIGTERM, let open requests finish for so long")
        .default(30_000, "30s")
        .argParser(parseDuration),
    )
    .addHelpText("after", epilogue)
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(mistake(text)) });
}

/** commander would add the environment variable to each, whose name follows from the option's. */
function optionDescription({ description: text, defaultValue, defaultValueDescription }: Option): string {
  const byDefault = defaultValueDescription ?? defaultValue;
  return byDefault === undefined ? text : `${text} (default: ${byDefault})`;
}

function option(flags: string, text: string): Option {
  const created = new Option(flags, text);
  return created.env(environmentName(created.name()));
}

function environmentName(name: string): string {
  return `MCP_TUNNEL_${name.toUpperCase().replaceAll("-", "_")}`;
}

/** A switch, on the command line or in the environment, where commander would take any value for yes. */
function isOn(name: "json" | "drop-origin", given: boolean | undefined): boolean {
  if (given === true) return true;
  const variable = environmentName(name);
  const value = process.env[variable]?.toLowerCase() ?? "";
  if (["1", "true", "yes", "on"].includes(value)) return true;
  if (["", "0", "false", "no", "off"].includes(value)) return false;
  throw new TunnelError("invalid_option", `${variable} must be true or false, not '${value}'`);
}

/** The two options of the library, which may not disagree. The command line wins over the environment. */
function readOrigin(flags: Flags, command: Command): Pick<TunnelClientOptions, "origin" | "dropOrigin"> {
  const { origin } = flags;
  if (origin === undefined) return { dropOrigin: isOn("drop-origin", flags.dropOrigin) };
  const isOfCommandLine = command.getOptionValueSource("origin") === "cli";
  if (isOfCommandLine && flags.dropOrigin !== true) return { origin };
  if (!isOfCommandLine && flags.dropOrigin === true) return { origin: "drop" };
  return { origin, dropOrigin: isOn("drop-origin", flags.dropOrigin) };
}

function readToken(flags: Flags, command: Command): string | undefined {
  const { token, tokenFile } = flags;
  if (tokenFile === undefined) return token;
  const sources = [command.getOptionValueSource("token"), command.getOptionValueSource("tokenFile")];
  if (sources[0] === "cli" && sources[1] === "env") return token;
  if (token !== undefined && sources[0] === sources[1]) {
    throw new TunnelError(
      "invalid_option",
      "give the token either by --token or by --token-file, not by both",
    );
  }
  try {
    return readFileSync(tokenFile, "utf8").trim();
  } catch (error) {
    throw new TunnelError("invalid_option", `--token-file: ${(error as Error).message}`, { cause: error });
  }
}

/**
 * A port, host:port, the host of which is this machine if it is left out, or a URL.
 * @throws InvalidArgumentError for anything else. What the URL may hold is checked later, as the library's `target`.
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

const units: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** `90s`, `1.5m`, `500ms`, `2h`; a bare number is seconds. Returns milliseconds. */
export function parseDuration(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text.trim());
  const ms = Number(match?.[1]) * (units[match?.[2] ?? "s"] as number);
  if (match === null || ms > maxTimerMs) {
    throw new InvalidArgumentError(
      "It takes a number with a unit, such as 500ms, 90s, 10m or 2h, up to 596h.",
    );
  }
  return ms;
}

function parseHeadBytes(text: string): number {
  const bytes = parseBytes(text) ?? 0;
  if (bytes >= leastHeadBytes && bytes <= greatestHeadBytes) return bytes;
  throw new InvalidArgumentError(
    `It takes a number of bytes from ${leastHeadBytes} to ${greatestHeadBytes}, such as 128KiB.`,
  );
}

/** commander puts its suggestions on a second line. */
function mistake(text: string): string {
  return `${printable(oneLine(text))} (see mcp-tunnel-client --help)\n`;
}
