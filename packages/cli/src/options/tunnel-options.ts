import { Argument, Option } from "commander";
import type { Command } from "commander";
import { unusable } from "mcp-tunnel-protocol";
import { exactBytes, formatDuration } from "mcp-tunnel-shared";
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
} from "mcp-tunnel-client/options";
import type { OauthMetadata, OriginPolicy } from "mcp-tunnel-client/options";
import { checkedBy, isOn, option, parseLocal, readDuration, readHeadBytes } from "./flags.js";
import { addMcpOptions, readMcpOptions } from "./mcp-options.js";
import type { McpFlags, McpOptions, SplitArguments } from "./mcp-options.js";
import { addRelayOptions, readRelayOptions } from "./relay-options.js";
import type { RelayFlags } from "./relay-options.js";
import { addVisitorOptions, readVisitorOptions } from "./visitor-options.js";
import type { VisitorFlags, VisitorOptions } from "./visitor-options.js";

/** One tunnel: what is served, to whom, and through which relay. */
export interface TunnelSettings {
  /** All but the service. */
  readonly client: TunnelClientOptions;
  /** The local service to serve; undefined: `mcp` is served. */
  readonly local: ServiceOptions | undefined;
  readonly mcp: McpOptions | undefined;
  /** Who may visit; undefined: everybody. */
  readonly visitors: VisitorOptions | undefined;
  /** Nobody has asked for it that everybody may visit. */
  readonly isOpenByDefault: boolean;
}

/** The values of the flags of {@link addTunnelOptions}. */
export interface TunnelFlags extends RelayFlags, McpFlags, VisitorFlags {
  subdomain?: string;
  hostHeader: string;
  origin?: OriginPolicy;
  dropOrigin?: boolean;
  forwardedHeaders?: string;
  oauthMetadata: OauthMetadata;
  maxResponseHead: number;
  maxReconnectTime?: number;
  shutdownGrace: number;
}

/** Adds the argument and the flags of one tunnel. */
export function addTunnelOptions(command: Command): Command {
  addRelayOptions(
    command.addArgument(
      new Argument(
        "[local]",
        "the local service: a port of this machine, host:port, or http(s)://host:port",
      ).argParser(parseLocal),
    ),
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
    );
  return addVisitorOptions(addMcpOptions(command));
}

/**
 * Reads the flags of {@link addTunnelOptions}. `serverCommand`: that of a server on stdio.
 * @throws TunnelError `invalid_option`, or `unavailable` for a file that cannot be read.
 */
export function readTunnelOptions(
  command: Command,
  serverCommand: SplitArguments["command"],
): TunnelSettings {
  const flags = command.opts<TunnelFlags>();
  const local = command.processedArgs[0] as Pick<TunnelClientOptions, "port" | "target"> | undefined;
  const forwarding = readForwarding(flags, command);
  const mcp = readMcpOptions(flags, command, local !== undefined, serverCommand, forwarding);
  if (mcp?.servers.form === "command") {
    refuseUnused(command, forwardingOptions, "with --stdio: no HTTP goes to that server");
  }
  if (mcp === undefined) refuseUnused(command, stdioLimits, "without --stdio or --mcp-config");
  const visitors = readVisitorOptions(flags, command, mcp !== undefined);
  return {
    local: mcp === undefined ? { ...local, ...forwarding } : undefined,
    mcp,
    visitors,
    isOpenByDefault: visitors === undefined && flags.visitorAuth === undefined,
    client: {
      ...readRelayOptions(flags, command),
      ...(flags.subdomain === undefined ? {} : { subdomain: flags.subdomain }),
      ...(flags.maxReconnectTime === undefined ? {} : { maxReconnectTimeMs: flags.maxReconnectTime }),
      shutdownGraceMs: flags.shutdownGrace,
      waitForRelay: true,
    },
  };
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
function readForwarding(flags: TunnelFlags, command: Command): ServiceOptions {
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
function readOrigin(
  flags: TunnelFlags,
  command: Command,
): Pick<TunnelClientOptions, "origin" | "dropOrigin"> {
  const { origin } = flags;
  if (origin === undefined) return { dropOrigin: isOn("drop-origin", flags.dropOrigin) };
  const isOfCommandLine = command.getOptionValueSource("origin") === "cli";
  if (isOfCommandLine && flags.dropOrigin !== true) return { origin };
  if (!isOfCommandLine && flags.dropOrigin === true) return { origin: "drop" };
  return { origin, dropOrigin: isOn("drop-origin", flags.dropOrigin) };
}
