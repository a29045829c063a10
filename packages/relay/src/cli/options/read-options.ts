import type { Command, Option } from "commander";
import type { Member } from "mcp-tunnel-cluster/relay";
import { TunnelError, unusable } from "mcp-tunnel-protocol";
import { isSwitch, Mistakes, optionKey, readSecret, readSwitch } from "mcp-tunnel-shared/command";
import { type AdminOptions, isOpenToOthers, parseAdminHost } from "../../admin/admin-options.js";
import { verifyEndpoint } from "../../auth/provider-url.js";
import { parseStaticToken } from "../../auth/static.js";
import { builtClientPackage } from "../../client-package.js";
import type { ConfigRules, YamlFile } from "mcp-tunnel-config";
import { trustedProxies } from "../../forwarded/forwarded.js";
import { addressRanges } from "../../net/addresses.js";
import { proxyHeaders } from "../../forwarded/proxy-headers.js";
import { checkOperator } from "../../http/answer/operator.js";
import type { Logger } from "../../telemetry/log.js";
import { normalizeDomain } from "../../tunnels/name.js";
import { checkReserved, type RelayOptions } from "../../options.js";
import { checkTemplate } from "../../tunnels/public-url.js";
import { checkDirectory, checkEmail } from "../../tls/acme/options.js";
import { type InheritedSockets, inheritedSockets } from "./activation.js";
import { authenticatorOf } from "./auth-options.js";
import type { CliOptions } from "./options.js";
import { memberOf } from "./cluster-options.js";
import { takeMistakes } from "./kept-mistakes.js";
import { limitOptionsOf } from "./limit-options.js";
import { type OptionProblem, problemAt, problemOf, refusalOf, told } from "./problems.js";
import { tlsOptionsOf } from "./tls-options.js";
import { collect, localPortsOf } from "./values.js";

function isRepeatable(option: Option): boolean {
  return option.parseArg === collect;
}

/** What a value of an option has to be, wherever it stands, besides what its reader wants. */
const checks: Readonly<Record<string, (text: string) => unknown>> = {
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
  "operator-name": (name) => checkOperator({ name }),
  "operator-contact": (contact) => checkOperator({ contact }),
  "admin-host": parseAdminHost,
  "limit-exempt": (text) => text === "none" || addressRanges([text], "exempt address", "limitExempt"),
};

/** The options that a config file may hold, and how they are read. */
function configRules(command: Command): ConfigRules<Option> {
  const elsewhere = ["config", "version", "help", "json"];
  return {
    options: command.options.filter((option) => !elsewhere.includes(option.name())),
    isRepeatable,
    checks,
  };
}

/** Repeatable options from the environment are taken apart into their values. */
function readLists(command: Command, mistakes: Mistakes<TunnelError>): void {
  for (const option of command.options.filter(isRepeatable)) {
    const key = option.attributeName();
    if (command.getOptionValueSource(key) !== "env") continue;
    const given = command.getOptionValue(key) as string[];
    const values = given.flatMap((value) => value.split(/[\n;]/)).map((value) => value.trim());
    const named = values.filter((value) => value !== "");
    // A value of separators alone was hardly meant, and without tokens everybody would get in.
    if (named.length === 0) {
      const message = `${option.envVar} is set, but names nothing`;
      mistakes.add(unusable(message, { options: [option.name()] }));
    }
    command.setOptionValueWithSource(key, named.length === 0 ? undefined : named, "env");
  }
}

/** Switches from the environment are on or off, as their value says. */
function readSwitches(command: Command, mistakes: Mistakes<TunnelError>): void {
  for (const option of command.options) {
    const key = option.attributeName();
    const { envVar } = option;
    if (envVar === undefined || !isSwitch(option)) continue;
    if (command.getOptionValueSource(key) !== "env") continue;
    const isOn = readSwitch(process.env[envVar] ?? "");
    if (isOn === undefined)
      mistakes.add(unusable(`${envVar} must be true or false`, { options: [option.name()] }));
    else command.setOptionValueWithSource(key, isOn !== option.negate, "env");
  }
}

/** What a config file has to be, flags and variables have to be too. */
function checkGiven(command: Command, mistakes: Mistakes<TunnelError>): void {
  for (const [name, check] of Object.entries(checks)) {
    const key = optionKey(name);
    if (!["cli", "env"].includes(command.getOptionValueSource(key) ?? "")) continue;
    const value = command.getOptionValue(key) as string | readonly string[] | undefined;
    for (const text of typeof value === "string" ? [value] : (value ?? [])) {
      const found = new Mistakes(TunnelError);
      found.attempt(() => check(text));
      for (const { message } of found.all) mistakes.add(unusable(message, { options: [name] }));
    }
  }
}

/** The options of a command, each by itself, and all that is wrong with them. */
export interface Reading {
  /** What cannot be read is left out, or has its default. The domain may be missing. */
  readonly options: CliOptions;
  /** The config file, if there is one. */
  readonly file: YamlFile | undefined;
  readonly problems: readonly OptionProblem[];
  /** The long names of the options that the problems are about. */
  readonly unread: readonly string[];
}

/**
 * Reads the options of a parsed command. Options that neither flags nor the environment give are taken from
 * the config file.
 * @throws FileMistakes when that file is no YAML; TunnelError `unavailable` when it cannot be read.
 */
export async function readAll(command: Command): Promise<Reading> {
  const mistakes = new Mistakes(TunnelError);
  takeMistakes(command, mistakes);
  readLists(command, mistakes);
  readSwitches(command, mistakes);
  const { config } = command.opts<CliOptions>();
  const inFile: OptionProblem[] = [];
  const unread: string[] = [];
  let file: YamlFile | undefined;
  if (config !== undefined) {
    const { readOptionMap, readYamlFile } = await import("mcp-tunnel-config");
    file = readYamlFile(config);
    const read = readOptionMap(file, [], configRules(command));
    for (const problem of read.problems) inFile.push(problemAt("config file", config, problem));
    unread.push(...read.unread);
    // The mistakes are told in the form of the log, which the same file may say.
    for (const [option, value] of read.values) {
      const key = option.attributeName();
      if (["cli", "env"].includes(command.getOptionValueSource(key) ?? "")) continue;
      command.setOptionValueWithSource(key, value, "config");
    }
  }
  checkGiven(command, mistakes);
  const options = command.opts<CliOptions>();
  if (options.domain === undefined && !unread.includes("domain")) {
    const message =
      "no domain is given: add --domain <DOMAIN>, set MCP_TUNNEL_DOMAIN, or write 'domain:' in a --config file";
    mistakes.add(unusable(message, { options: ["domain"] }));
  }
  for (const { options: named = [] } of mistakes.all) unread.push(...named);
  return { options, file, problems: [...inFile, ...mistakes.all.map(problemOf)], unread };
}

/**
 * The options of {@link readAll}.
 * @throws TunnelError `invalid_option` with all that is wrong with them; `unavailable` when the config file
 * cannot be read.
 */
export async function readOptions(command: Command): Promise<CliOptions> {
  const reading = await readAll(command);
  if (reading.problems.length > 0) throw refusalOf(await told(command, reading.file, reading.problems));
  return reading.options;
}

function listOf(text: string): string[] {
  const items = text.split(",").map((item) => item.trim());
  return items.filter((item) => item !== "");
}

/**
 * The operator's listener: its address, its names, its secret, the token file; `undefined` when there is to
 * be none. The options of `command` have been read before.
 * @throws TunnelError `invalid_option`; `unavailable` when the file of the secret cannot be read.
 */
export function adminOptionsOf(command: Command): AdminOptions | undefined {
  const { adminListen, adminHost = [], tokenFile } = command.opts<CliOptions>();
  const secret = readSecret(command, "admin-secret", TunnelError);
  if (adminListen === undefined) return undefined;
  const { host } = adminListen;
  if (isOpenToOthers({ host, secret })) {
    throw unusable(
      `--admin-listen ${host} can be reached from outside this machine: set --admin-secret-file or --admin-secret`,
      { options: ["admin-listen", "admin-secret-file", "admin-secret"] },
    );
  }
  for (const host of adminHost) parseAdminHost(host);
  return { ...adminListen, secret, hosts: adminHost, tokenFile };
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
