import { readFileSync } from "node:fs";
import { type Command, Option } from "commander";
import type { RedisEngine } from "mcp-tunnel-cluster";
import type { Member } from "mcp-tunnel-cluster/relay";
import { TunnelError, unusable } from "mcp-tunnel-protocol";
import { formatDuration, messageOf } from "mcp-tunnel-shared";
import { Mistakes, optionKey, readSecret, sourceName } from "mcp-tunnel-shared/command";
import { formatHostPort, type HostPort } from "../../net/host-port.js";
import type { Logger } from "../../telemetry/log.js";
import { SecretOption, ValueOption } from "./value-option.js";
import { readHostPort } from "./values.js";

/** The options about several relays as one. */
export interface ClusterCliOptions {
  cluster?: string;
  clusterUser?: string;
  clusterCa?: string;
  clusterPrefix?: string;
  peerListen?: HostPort;
  peerAdvertise?: HostPort;
  peerTlsCert?: string;
  peerTlsKey?: string;
  peerTlsCa?: string;
}

/** A URL without the user and the password that it may have. */
const withoutCredentials = (url: string): string => url.replace(/^([a-z+]+:\/\/)[^/]*@/i, "$1***@");

export const clusterOptions: readonly Option[] = [
  new SecretOption(
    "--cluster <URL>",
    "Redis or Valkey, where the relays of a cluster keep who serves which name: redis://HOST:PORT, rediss://HOST:PORT, " +
      "or redis+sentinel://HOST,HOST,HOST/MASTER",
    withoutCredentials,
  ),
  new Option("--cluster-user <NAME>", "user at Redis (default: that of the URL, else none)"),
  new SecretOption(
    "--cluster-password <PASSWORD>",
    "password at Redis, in the environment or a config file alone (default: that of the URL, else none)",
  ),
  new Option("--cluster-password-file <FILE>", "file that holds the --cluster-password"),
  new Option(
    "--cluster-ca <FILE>",
    "certificates that are trusted for rediss:// (default: those of Node.js)",
  ),
  new Option(
    "--cluster-prefix <NAME>",
    "begins the keys in Redis, and sets clusters apart that share it (default: mcp-tunnel)",
  ),
  new SecretOption(
    "--cluster-secret <SECRET>",
    "secret by which the relays know one another, of at least 32 characters, in the environment or a config file " +
      "alone; required with --cluster",
  ),
  new Option("--cluster-secret-file <FILE>", "file that holds the --cluster-secret"),
  new ValueOption(
    "--peer-listen <HOST:PORT>",
    "listener for the other relays, apart from visitors; required with --cluster",
    formatHostPort,
  ).argParser(readHostPort),
  new ValueOption(
    "--peer-advertise <HOST:PORT>",
    "where the other relays reach that listener (default: the address of --peer-listen)",
    formatHostPort,
  ).argParser(readHostPort),
  new Option(
    "--peer-tls-cert <FILE>",
    "speak TLS between the relays, with this certificate and its chain (PEM); all relays or none do",
  ),
  new Option("--peer-tls-key <FILE>", "the key of --peer-tls-cert"),
  new Option(
    "--peer-tls-ca <FILE>",
    "certificates that are trusted for the other relays (default: those of Node.js)",
  ),
];

/**
 * How long the engine counts a relay as alive that it does not hear of, in milliseconds: the default, which
 * cannot be imported here, because a relay that is alone loads nothing of the cluster's package.
 */
const leaseMs = 6_000;

/** What a cluster is made of, read and checked as far as this package knows it. */
export interface ClusterSettings {
  readonly redis: {
    readonly url: string;
    readonly user: string | undefined;
    readonly password: string | undefined;
    readonly ca: string | undefined;
    readonly prefix: string | undefined;
    readonly times: { readonly keepNamesMs: number };
  };
  readonly links: {
    readonly secret: string;
    readonly listen: HostPort;
    readonly advertise: string | undefined;
    readonly tls: { readonly cert: string; readonly key: string; readonly ca?: string } | undefined;
  };
}

/**
 * The settings of the cluster that the relay belongs to; `undefined` for a relay that is alone. The options
 * of `command` have been read before. `peerOffset` is added to the ports for other relays.
 * @throws TunnelError `invalid_option`; `unavailable` when a file cannot be read.
 */
export function clusterSettingsOf(command: Command, peerOffset = 0): ClusterSettings | undefined {
  const mistakes = new Mistakes(TunnelError);
  const settings = readClusterSettings(command, mistakes, peerOffset);
  mistakes.throwFirst();
  return settings;
}

/** The same, with all mistakes told to `mistakes`; `undefined` if there are any, too. */
export function readClusterSettings(
  command: Command,
  mistakes: Mistakes<TunnelError>,
  peerOffset = 0,
): ClusterSettings | undefined {
  const options = command.opts<ClusterCliOptions>();
  const { cluster: url, peerListen } = options;
  refuseShown(command, "cluster-secret", mistakes);
  refuseShown(command, "cluster-password", mistakes);
  const secret = mistakes.attempt(() => readSecret(command, "cluster-secret", TunnelError));
  const password = mistakes.attempt(() => readSecret(command, "cluster-password", TunnelError));
  if (url === undefined) {
    refuseAlone(command, mistakes);
    return undefined;
  }
  if (command.getOptionValueSource("cluster") === "cli" && /:\/\/[^/:]*:[^/]*@/.test(url)) {
    const message =
      "--cluster has a password in it, which every user of this machine can see: use --cluster-password-file";
    mistakes.add(unusable(message, { options: ["cluster", "cluster-password-file"] }));
  }
  if (!isGiven(command, "cluster-secret")) {
    const message =
      "--cluster needs --cluster-secret-file: a secret that all its relays have, and nobody else; " +
      "'openssl rand -base64 32' draws one";
    mistakes.add(unusable(message, { options: ["cluster", "cluster-secret-file", "cluster-secret"] }));
  }
  if (peerListen === undefined) {
    const message =
      "--cluster needs --peer-listen, where the other relays reach this one, such as 10.0.0.5:7000";
    mistakes.add(unusable(message, { options: ["cluster", "peer-listen"] }));
  }
  if ((command.getOptionValueSource("acmeStorage") ?? "default") !== "default") {
    const message =
      "--acme-storage is not for --cluster: the certificate is kept in Redis, encrypted, for all relays";
    mistakes.add(unusable(message, { options: ["acme-storage", "cluster"] }));
  }
  if (options.clusterCa !== undefined && !url.startsWith("rediss")) {
    const message = "--cluster-ca is for a --cluster that begins with rediss, which has TLS";
    mistakes.add(unusable(message, { options: ["cluster-ca", "cluster"] }));
  }
  const keepNamesMs = mistakes.attempt(() => keepNamesMsOf(command));
  const place = mistakes.attempt(() => peerPlaceOf(options, peerOffset));
  const tls = mistakes.attempt(() => peerTlsOf(options));
  const ca = mistakes.attempt(() => readPem("cluster-ca", options.clusterCa));
  if (mistakes.all.length > 0 || secret === undefined || keepNamesMs === undefined || place === undefined)
    return undefined;
  return {
    redis: {
      url,
      user: options.clusterUser,
      password,
      ca,
      prefix: options.clusterPrefix,
      times: { keepNamesMs },
    },
    links: { secret, ...place, tls },
  };
}

/** Whether a secret is given, as it is or in a file. */
function isGiven(command: Command, secret: string): boolean {
  return [secret, `${secret}-file`].some((name) => command.getOptionValue(optionKey(name)) !== undefined);
}

/** The process list shows flags to every user of the machine. */
function refuseShown(command: Command, option: string, mistakes: Mistakes<TunnelError>): void {
  if (command.getOptionValueSource(optionKey(option)) !== "cli") return;
  const variable = command.options.find((one) => one.name() === option)?.envVar ?? "";
  const message = `--${option} would be seen by every user of this machine: use --${option}-file or ${variable}`;
  mistakes.add(unusable(message, { options: [option, `${option}-file`] }));
}

function refuseAlone(command: Command, mistakes: Mistakes<TunnelError>): void {
  for (const option of clusterOptions) {
    if (command.getOptionValue(option.attributeName()) === undefined) continue;
    const name = option.name();
    const message = `${sourceName(command, name)} is for --cluster, which is not there`;
    mistakes.add(unusable(message, { options: [name, "cluster"] }));
  }
}

/** The names of a relay that has died wait for their clients as long as its sessions would have. */
function keepNamesMsOf(command: Command): number {
  const keepNamesMs = command.getOptionValue("resumeTimeout") as number;
  if (keepNamesMs >= leaseMs) return keepNamesMs;
  throw unusable(
    `--cluster needs a --resume-timeout of at least ${formatDuration(leaseMs)}: so long the others take a relay ` +
      "that has died for alive, and its clients' names would be forgotten before that",
    { options: ["resume-timeout", "cluster"] },
  );
}

/**
 * Where the relay listens for others, and where they reach it; `undefined` without `--peer-listen`.
 * @throws TunnelError `invalid_option`.
 */
function peerPlaceOf(
  { peerListen, peerAdvertise }: ClusterCliOptions,
  offset: number,
): Pick<ClusterSettings["links"], "listen" | "advertise"> | undefined {
  if (peerListen === undefined) return undefined;
  return {
    listen: shifted(peerListen, offset, "peer-listen"),
    advertise: advertised(peerListen, peerAdvertise && shifted(peerAdvertise, offset, "peer-advertise")),
  };
}

/** The port of a process that is one of several. */
function shifted({ host, port }: HostPort, offset: number, option: string): HostPort {
  if (port === 0 || offset === 0) return { host, port };
  if (port + offset <= 65_535) return { host, port: port + offset };
  throw unusable(`--${option} ${formatHostPort({ host, port })} leaves no port for each of the --workers`, {
    options: [option, "workers"],
  });
}

function advertised(listen: HostPort, advertise: HostPort | undefined): string | undefined {
  if (advertise === undefined) {
    if (!isWildcard(listen.host)) return undefined;
    throw unusable(
      `--peer-listen ${formatHostPort(listen)} is no address at which other relays reach this one: ` +
        "set --peer-advertise, such as 10.0.0.5:7000",
      { options: ["peer-listen", "peer-advertise"] },
    );
  }
  if (isWildcard(advertise.host) || advertise.port === 0) {
    throw unusable(`--peer-advertise ${formatHostPort(advertise)} is no address that leads to one relay`, {
      options: ["peer-advertise"],
    });
  }
  return formatHostPort(advertise);
}

function isWildcard(host: string): boolean {
  return /^(?:0\.0\.0\.0|[0:]+)$/.test(host);
}

/** @throws TunnelError `invalid_option`; `unavailable` when a file cannot be read. */
export function peerTlsOf({
  peerTlsCert,
  peerTlsKey,
  peerTlsCa,
}: ClusterCliOptions): ClusterSettings["links"]["tls"] {
  if ((peerTlsCert === undefined) !== (peerTlsKey === undefined)) {
    throw unusable("--peer-tls-cert and --peer-tls-key go together", {
      options: ["peer-tls-cert", "peer-tls-key"],
    });
  }
  if (peerTlsCert === undefined || peerTlsKey === undefined) {
    if (peerTlsCa === undefined) return undefined;
    throw unusable("--peer-tls-ca needs --peer-tls-cert and --peer-tls-key", { options: ["peer-tls-ca"] });
  }
  return {
    cert: readPem("peer-tls-cert", peerTlsCert),
    key: readPem("peer-tls-key", peerTlsKey),
    ...(peerTlsCa === undefined ? {} : { ca: readPem("peer-tls-ca", peerTlsCa) }),
  };
}

/** @throws TunnelError `unavailable`. */
export function readPem(option: string, file: string): string;
export function readPem(option: string, file: string | undefined): string | undefined;
export function readPem(option: string, file: string | undefined): string | undefined {
  if (file === undefined) return undefined;
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const message = `cannot read --${option} ${file}: ${messageOf(error)}`;
    throw new TunnelError("unavailable", message, { cause: error, options: [option], file });
  }
}

/**
 * The relay's place in a cluster; `undefined` for a relay that is alone, which loads nothing of the cluster
 * package. Nothing is opened yet.
 * @throws TunnelError `invalid_option`; `unavailable` when a file cannot be read.
 */
export async function memberOf(
  command: Command,
  logger: Logger,
  peerOffset = 0,
): Promise<Member | undefined> {
  const settings = clusterSettingsOf(command, peerOffset);
  if (settings === undefined) return undefined;
  const { createMember } = await import("mcp-tunnel-cluster");
  const engine = await engineOf(settings, (warning) => logger.warn({ warning }, "the cluster's engine"));
  return createMember({ engine, ...settings.links, logger });
}

/**
 * The engine of a cluster. It connects when it is first asked.
 * @throws TunnelError `invalid_option`.
 */
export async function engineOf(
  { redis }: ClusterSettings,
  onWarning: (warning: string) => void,
): Promise<RedisEngine> {
  const { RedisEngine: Engine } = await import("mcp-tunnel-cluster");
  return new Engine({ ...redis, onWarning });
}
