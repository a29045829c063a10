import type { Command, Option } from "commander";
import type { Member } from "mcp-tunnel-cluster/relay";
import { TunnelError, unusable } from "mcp-tunnel-protocol";
import { isSwitch, readSecret, readSwitch } from "mcp-tunnel-shared/command";
import { type AdminOptions, checkAdminAccess, parseAdminHost } from "../../admin/admin-options.js";
import type { Authenticator } from "../../auth/authenticator.js";
import { combinedAuthenticator } from "../../auth/combined.js";
import { tokenFileAuthenticator } from "../../auth/from-file.js";
import { openAuthenticator } from "../../auth/open.js";
import { verifyEndpoint } from "../../auth/provider-url.js";
import { parseStaticToken, staticAuthenticator } from "../../auth/static.js";
import { builtClientPackage } from "../../client-package.js";
import type { ConfigRules } from "mcp-tunnel-config";
import { trustedProxies } from "../../forwarded/forwarded.js";
import { addressRanges } from "../../net/addresses.js";
import { proxyHeaders } from "../../forwarded/proxy-headers.js";
import type { Logger } from "../../telemetry/log.js";
import { normalizeDomain } from "../../tunnels/name.js";
import { checkReserved, type RelayOptions } from "../../options.js";
import { checkTemplate } from "../../tunnels/public-url.js";
import { checkDirectory, checkEmail } from "../../tls/acme/options.js";
import { type InheritedSockets, inheritedSockets } from "./activation.js";
import type { CliOptions } from "./options.js";
import { memberOf } from "./cluster-options.js";
import { limitOptionsOf } from "./limit-options.js";
import { tlsOptionsOf } from "./tls-options.js";
import { collect, localPortsOf } from "./values.js";

function isRepeatable(option: Option): boolean {
  return option.parseArg === collect;
}

/** The options that a config file may hold, and how they are read. */
function configRules(command: Command): ConfigRules<Option> {
  const elsewhere = ["config", "version", "help", "json"];
  return {
    options: command.options.filter((option) => !elsewhere.includes(option.name())),
    isRepeatable,
    checks: {
      domain: normalizeDomain,
      "public-url": checkTemplate,
      "local-port": (text) => localPortsOf([text]),
      "static-token": parseStaticToken,
      "trusted-proxy": (text) => trustedProxies([text]),
      "trusted-proxy-headers": (text) => proxyHeaders(listOf(text)),
      "reserved-names": (text) => listOf(text).forEach(checkReserved),
      "auth-url": verifyEndpoint,
      "acme-email": checkEmail,
      "acme-dir": checkDirectory,
      "admin-host": parseAdminHost,
      "limit-exempt": (text) => text === "none" || addressRanges([text], "exempt address", "limitExempt"),
    },
  };
}

/** Repeatable options from the environment are taken apart into their values. */
function readLists(command: Command): void {
  for (const option of command.options.filter(isRepeatable)) {
    const key = option.attributeName();
    if (command.getOptionValueSource(key) !== "env") continue;
    const given = command.getOptionValue(key) as string[];
    const values = given.flatMap((value) => value.split(/[\n;]/)).map((value) => value.trim());
    const named = values.filter((value) => value !== "");
    // A value of separators alone was hardly meant, and without tokens everybody would get in.
    if (named.length === 0)
      throw unusable(`${option.envVar} is set, but names nothing`, { options: [option.name()] });
    command.setOptionValueWithSource(key, named, "env");
  }
}

/** Switches from the environment are on or off, as their value says. */
function readSwitches(command: Command): void {
  for (const option of command.options) {
    const key = option.attributeName();
    const { envVar } = option;
    if (envVar === undefined || !isSwitch(option)) continue;
    if (command.getOptionValueSource(key) !== "env") continue;
    const isOn = readSwitch(process.env[envVar] ?? "");
    if (isOn === undefined) throw unusable(`${envVar} must be true or false`, { options: [option.name()] });
    command.setOptionValueWithSource(key, isOn !== option.negate, "env");
  }
}

/**
 * The options of a parsed command. Options that neither flags nor the environment give are taken from the
 * config file.
 * @throws TunnelError `invalid_option`; `unavailable` when that file cannot be read.
 */
export async function readOptions(command: Command): Promise<CliOptions> {
  readLists(command);
  readSwitches(command);
  const { config } = command.opts<CliOptions>();
  if (config !== undefined) {
    const { mistakesIn, readOptionMap, readYamlFile } = await import("mcp-tunnel-config");
    const { values, problems } = readOptionMap(readYamlFile(config), [], configRules(command));
    // The mistakes are told in the form of the log, which the same file may say.
    for (const [option, value] of values) {
      const key = option.attributeName();
      if (["cli", "env"].includes(command.getOptionValueSource(key) ?? "")) continue;
      command.setOptionValueWithSource(key, value, "config");
    }
    if (problems.length > 0) throw mistakesIn(config, problems);
  }
  const options = command.opts<CliOptions>();
  if (options.domain === undefined) {
    throw unusable(
      "no domain is given: add --domain <DOMAIN>, set MCP_TUNNEL_DOMAIN, or write 'domain:' in a --config file",
      { options: ["domain"] },
    );
  }
  return options;
}

function listOf(text: string): string[] {
  const items = text.split(",").map((item) => item.trim());
  return items.filter((item) => item !== "");
}

/**
 * The operator's listener: its address, its names, its secret, the token file; `undefined` when there is to be none. The options
 * of `command` have been read before.
 * @throws TunnelError `invalid_option`; `unavailable` when the file of the secret cannot be read.
 */
export function adminOptionsOf(command: Command): AdminOptions | undefined {
  const { adminListen, adminHost = [], tokenFile } = command.opts<CliOptions>();
  const secret = readSecret(command, "admin-secret", TunnelError);
  if (adminListen === undefined) return undefined;
  checkAdminAccess(adminListen.host, secret);
  for (const host of adminHost) parseAdminHost(host);
  return { ...adminListen, secret, hosts: adminHost, tokenFile };
}

/**
 * @throws TunnelError `invalid_option`; `unavailable` when the file of tokens, or of a secret, cannot be
 * read.
 */
async function authenticatorOf(command: Command, logger: Logger): Promise<Authenticator> {
  const { staticToken = [], tokenFile, authUrl } = command.opts<CliOptions>();
  const secret = readSecret(command, "auth-secret", TunnelError);
  if (authUrl !== undefined) {
    if (staticToken.length > 0)
      throw unusable("--static-token and --auth-url exclude each other", {
        options: ["static-token", "auth-url"],
      });
    if (tokenFile !== undefined)
      throw unusable("--token-file and --auth-url exclude each other", {
        options: ["token-file", "auth-url"],
      });
    if (secret === undefined)
      throw unusable("--auth-url needs --auth-secret, which the provider checks", {
        options: ["auth-url", "auth-secret"],
      });
    const { providerAuthenticator } = await import("../../auth/provider.js");
    return providerAuthenticator({ url: authUrl, secret, logger });
  }
  if (secret !== undefined)
    throw unusable("--auth-secret is for --auth-url, which is not there", {
      options: ["auth-secret", "auth-url"],
    });
  const fixed = staticToken.length > 0 ? staticAuthenticator(staticToken.map(parseStaticToken)) : undefined;
  if (tokenFile === undefined) return fixed ?? openAuthenticator;
  const living = await tokenFileAuthenticator({ file: tokenFile, logger });
  return fixed === undefined ? living : combinedAuthenticator([fixed, living]);
}

/** What a relay that is one of several processes has in a way of its own. */
export interface WorkerShare {
  /** The sockets that a service manager has opened for the first process. */
  readonly sockets: InheritedSockets;
  /** How far the port for other relays is from `--peer-listen`. */
  readonly peerOffset: number;
  /** Its place among the processes, if there is no `--cluster`. */
  readonly member: Member | undefined;
}

/**
 * The options for `createRelay`. The options of `command` have been read before. `share`: for one of several
 * processes.
 * @throws TunnelError `invalid_option`; `unavailable` when the file of tokens, of a secret, or of a
 * certificate for the links between relays cannot be read.
 */
export async function relayOptionsOf(
  command: Command,
  logger: Logger,
  share?: WorkerShare,
): Promise<RelayOptions> {
  const options = command.opts<CliOptions>();
  const sockets = share?.sockets ?? inheritedSockets();
  const tls = tlsOptionsOf(options, sockets.redirect);
  const member = share?.member ?? (await memberOf(command, logger, share?.peerOffset));
  return {
    domain: options.domain,
    port: options.port,
    ...(options.host === undefined ? {} : { host: options.host }),
    ...(sockets.visitors === undefined ? {} : { fd: sockets.visitors }),
    ...(options.publicUrl === undefined ? {} : { publicUrl: options.publicUrl }),
    localPorts: localPortsOf(options.localPort ?? []),
    authenticator: await authenticatorOf(command, logger),
    reservedNames: listOf(options.reservedNames),
    requireVisitorAuth: options.requireVisitorAuth ?? false,
    trustedProxies: options.trustedProxy ?? [],
    trustedProxyHeaders: listOf(options.trustedProxyHeaders),
    interimToProxies: options.interimToProxies,
    ...(tls === undefined ? {} : { tls }),
    cookieDomain: options.cookieDomain,
    operator: { name: options.operatorName, contact: options.operatorContact },
    ...(options.clientDownload ? { clientPackage: await builtClientPackage() } : {}),
    ...limitOptionsOf(options),
    ...(member === undefined ? {} : { member }),
    logger,
  };
}
