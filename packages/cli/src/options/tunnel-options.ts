import { Argument, Option } from "commander";
import type { Command } from "commander";
import { TunnelError, unusable } from "mcp-tunnel-protocol";
import { exactBytes, formatDuration } from "mcp-tunnel-shared";
import { Mistakes, sizeReader } from "mcp-tunnel-shared/command";
import type { ServiceOptions, TunnelClientOptions } from "mcp-tunnel-client";
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
  resolveProxy,
} from "mcp-tunnel-client/options";
import type { OauthMetadata, OriginPolicy } from "mcp-tunnel-client/options";
import { readCertificates } from "./certificate-option.js";
import { checkedBy, isOfTunnel, isOn, option, originOf, parseLocal, readDuration } from "./flags.js";
import type { LocalService } from "./flags.js";
import { addMcpOptions, readMcpOptions } from "./mcp-options.js";
import type { McpFlags, McpOptions, SplitArguments } from "./mcp-options.js";
import { throwAll } from "./mistakes.js";
import { addRelayOptions, gatherRelayOptions, noRelay } from "./relay-options.js";
import type { RelayFlags, RelayOptions, TokenSource } from "./relay-options.js";
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
  /** Where the relay's token comes from. */
  readonly token: TokenSource;
  readonly takeover: Takeover;
}

const takeovers = ["never", "ask", "always"] as const;

/**
 * Whether the tunnel takes its name from another client that has it. `ask`: a person at the terminal says.
 */
export type Takeover = (typeof takeovers)[number];

/** The values of the flags of {@link addTunnelOptions}. */
export interface TunnelFlags extends RelayFlags, McpFlags, VisitorFlags {
  subdomain?: string;
  strictSubdomain?: boolean;
  takeover: Takeover;
  pool?: boolean;
  hostHeader: string;
  origin?: OriginPolicy;
  dropOrigin?: boolean;
  forwardedHeaders?: string;
  oauthMetadata: OauthMetadata;
  maxResponseHead: number;
  waitForRelay?: boolean;
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
      new Option(
        "--strict-subdomain",
        "end if the relay gives another name than --subdomain, before it is served",
      ),
    )
    .addOption(
      option(
        "--takeover <when>",
        "whether to take the name from another client that has it: 'never', 'always', or 'ask' at the terminal",
      )
        .choices(takeovers)
        .default("always"),
    )
    .addOption(
      new Option(
        "--pool",
        "share the name with all clients that have the same token, --visitor-auth and --pool: each request " +
          "goes to one of them",
      ),
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
        "--service-ca <path>",
        "a file with the certificates to believe at a local service with https, as PEM, in place of the known " +
          "authorities",
      ),
    )
    .addOption(
      option(
        "--max-response-head <bytes>",
        `the longest response head of the local service, such as 128KiB; ${exactBytes(greatestHeadBytes)} at most`,
      )
        .default(65_536, exactBytes(65_536))
        .argParser(sizeReader({ least: leastHeadBytes, greatest: greatestHeadBytes })),
    )
    .addOption(
      new Option(
        "--wait-for-relay",
        "go on trying for the first connection even where there is no hope, as a service should: when the " +
          "relay's name does not exist, its certificate is not valid, or something else answers",
      ),
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

/** What is served, as far as it is no option. */
interface Served {
  /** The local service; undefined: there is none. */
  readonly local: LocalService | undefined;
  /** The command of a server on stdio. */
  readonly serverCommand: SplitArguments["command"];
}

/** The settings of a tunnel, or what of them can be looked at where something else is wrong. */
export interface GatheredTunnel {
  /** Undefined if there are mistakes. */
  readonly settings: TunnelSettings | undefined;
  readonly local: TunnelSettings["local"];
  readonly mcp: TunnelSettings["mcp"];
  readonly allowAddresses: readonly string[];
}

/**
 * Reads the options of {@link addTunnelOptions}.
 * @throws TunnelError `invalid_option`, or `unavailable` for a file that cannot be read; OptionMistakes if
 * there are several such mistakes.
 */
export function readTunnelOptions(command: Command, served: Served): TunnelSettings {
  const mistakes = new Mistakes(TunnelError);
  const { settings } = gatherTunnelOptions(command, served, mistakes);
  throwAll(mistakes);
  if (settings === undefined) throw noRelay();
  return settings;
}

/** The same, with all mistakes told to `mistakes`. */
export function gatherTunnelOptions(
  command: Command,
  { local, serverCommand }: Served,
  mistakes: Mistakes<TunnelError>,
): GatheredTunnel {
  const flags = command.opts<TunnelFlags>();
  const before = mistakes.all.length;
  const forwarding = {
    ...mistakes.attempt(() => readForwarding(flags, command)),
    ...(local === undefined ? {} : mistakes.attempt(() => readServiceTls(local, command))),
  };
  const beforeServed = mistakes.all.length;
  const mcp = mistakes.attempt(() =>
    readMcpOptions(flags, command, local !== undefined, serverCommand, forwarding),
  );
  // What is served may be wrong, and then nothing is known of what goes with it.
  const isKnown = mistakes.all.length === beforeServed;
  if (mcp?.servers.form === "command")
    refuseUnused(command, forwardingOptions, "with --stdio: no HTTP goes to that server", mistakes);
  if (isKnown && mcp === undefined)
    refuseUnused(command, stdioLimits, "without --stdio or --mcp-config", mistakes);
  const visitors = readVisitorOptions(
    flags,
    command,
    isKnown ? mcp !== undefined : local === undefined,
    mistakes,
  );
  const relay = gatherRelayOptions(flags, command, mistakes);
  const pool = mistakes.attempt(() => isOn("pool", flags.pool)) ?? false;
  if (pool) checkPool(flags, visitors, relay, mistakes);
  const subdomain = mistakes.attempt(() => readSubdomain(flags));
  const waitForRelay = mistakes.attempt(() => isOn("wait-for-relay", flags.waitForRelay));
  mistakes.attempt(() => resolveProxy(flags.proxy));
  const served = {
    local: mcp === undefined && local !== undefined ? { ...local, ...forwarding } : undefined,
    mcp,
  };
  const parts = { ...served, allowAddresses: flags.allowIp ?? [] };
  if (relay === undefined || mistakes.all.length > before) return { settings: undefined, ...parts };
  const settings = {
    ...served,
    visitors,
    isOpenByDefault: visitors === undefined && flags.visitorAuth === undefined,
    token: relay.token,
    takeover: flags.takeover,
    client: {
      ...relay.client,
      ...subdomain,
      ...(pool ? { pool } : {}),
      ...(flags.maxReconnectTime === undefined ? {} : { maxReconnectTimeMs: flags.maxReconnectTime }),
      shutdownGraceMs: flags.shutdownGrace,
      waitForRelay: waitForRelay === true ? true : ("unless_hopeless" as const),
    },
  };
  return { settings, ...parts };
}

/** Tells what keeps the clients of a pool from being one. */
function checkPool(
  { visitorAuth }: TunnelFlags,
  visitors: VisitorOptions | undefined,
  relay: RelayOptions | undefined,
  mistakes: Mistakes<TunnelError>,
): void {
  if (relay?.token.kind === "none") {
    const message = "--pool needs a token, by which the clients of a pool know one another: add --token-file";
    mistakes.add(unusable(message, { options: ["pool", "token", "token-file"] }));
  }
  if (visitors?.kinds.includes("oauth") === true) {
    const why = visitorAuth === undefined ? ", which MCP servers have by default" : "";
    const message =
      `--pool cannot be used with --visitor-auth oauth${why}: ` +
      "each client knows only the visitors that it has let in itself. Use --visitor-auth bearer or basic, with " +
      "the same keys for all of them (--visitor-key-file)";
    mistakes.add(unusable(message, { options: ["pool", "visitor-auth"] }));
  }
}

/** @throws TunnelError `invalid_option`. */
function readSubdomain({
  subdomain,
  strictSubdomain,
}: TunnelFlags): Pick<TunnelClientOptions, "subdomain" | "strictSubdomain"> {
  const isStrict = isOn("strict-subdomain", strictSubdomain);
  if (subdomain !== undefined) return { subdomain, ...(isStrict ? { strictSubdomain: true } : {}) };
  // The variable may be set for several clients, as for other options.
  if (strictSubdomain !== true) return {};
  throw unusable("--strict-subdomain has no effect without --subdomain", { options: ["strict-subdomain"] });
}

/** The options about a service behind HTTP. */
const forwardingOptions = [
  "host-header",
  "origin",
  "drop-origin",
  "forwarded-headers",
  "oauth-metadata",
  "max-response-head",
  "service-ca",
];

/** The limits of MCP servers on stdio. */
const stdioLimits = ["stdio-era", "stdio-sessions", "stdio-idle", "stdio-start-timeout", "stdio-max-message"];

/** Tells of options that would have no effect. */
function refuseUnused(
  command: Command,
  names: readonly string[],
  why: string,
  mistakes: Mistakes<TunnelError>,
): void {
  for (const name of names) {
    if (!isOfTunnel(command, name)) continue;
    mistakes.add(unusable(`--${name} has no effect ${why}`, { options: [name] }));
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

/** @throws TunnelError `invalid_option`, or `unavailable` for a file that cannot be read. */
function readServiceTls(local: LocalService, command: Command): Pick<ServiceOptions, "serviceTls"> {
  const shown = originOf(local);
  const ca = readCertificates(command, "service-ca", { isSecure: /^https:/i.test(shown), shown });
  return ca === undefined ? {} : { serviceTls: { ca } };
}

/**
 * The library's two options about `Origin`, which may not disagree. What was given for
 * this tunnel wins over what holds for several.
 */
function readOrigin(
  flags: TunnelFlags,
  command: Command,
): Pick<TunnelClientOptions, "origin" | "dropOrigin"> {
  const { origin } = flags;
  if (origin === undefined) return { dropOrigin: isOn("drop-origin", flags.dropOrigin) };
  const isOwn = isOfTunnel(command, "origin");
  if (isOwn && flags.dropOrigin !== true) return { origin };
  if (!isOwn && flags.dropOrigin === true) return { origin: "drop" };
  return { origin, dropOrigin: isOn("drop-origin", flags.dropOrigin) };
}
