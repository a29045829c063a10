import { readFileSync } from "node:fs";
import { Command, Option } from "commander";
import { TunnelError } from "mcp-tunnel-protocol";
import type { Authenticator } from "../auth/authenticator.js";
import { combinedAuthenticator } from "../auth/combined.js";
import { openAuthenticator } from "../auth/open.js";
import { providerAuthenticator } from "../auth/provider.js";
import { parseStaticToken, staticAuthenticator } from "../auth/static.js";
import { TokenFileAuthenticator } from "../auth/token-file.js";
import { type ConfigRules, readConfigFile } from "../config/file.js";
import { trustedProxies } from "../http/forwarded.js";
import {
  type AccessLogFormat,
  accessLogFormats,
  type LogFormat,
  type Logger,
  type LogLevel,
  logFormats,
  logLevels,
} from "../log.js";
import { defaultReservedNames, normalizeDomain } from "../name.js";
import { checkTemplate, type RelayOptions } from "../options.js";
import {
  collect,
  type HostPort,
  readBytes,
  readDurationMs,
  readHostPort,
  readPort,
  readPositiveDurationMs,
} from "./values.js";
import { type TlsCliOptions, tlsOptions, tlsOptionsOf } from "./tls-options.js";

/** What the command line and the environment say. */
export interface CliOptions extends TlsCliOptions {
  domain: string;
  port: number;
  host?: string;
  publicUrl: string;
  trustedProxy?: string[];
  staticToken?: string[];
  authUrl?: string;
  authSecret?: string;
  authSecretFile?: string;
  tokenFile?: string;
  reservedNames: string;
  maxRequestBody: number;
  maxResponseBody: number;
  responseTimeout: number;
  holdTimeout: number;
  resumeTimeout: number;
  shutdownGrace: number;
  logFormat?: LogFormat;
  logLevel: LogLevel;
  accessLog?: AccessLogFormat;
  adminListen?: HostPort;
  adminSecret?: string;
  adminSecretFile?: string;
  config?: string;
}

const where = "Where it listens and what it is called:";
const who = "Who may register which names (none of these: everybody any name):";
const encryption = "TLS (none of these: plain HTTP, for a proxy in front or for trying out):";
const limits = "Limits:";
const logs = "Logs:";
const operating = "Operating it:";
const other = "Other:";

const examples = `
Each option can also be set in the environment, as MCP_TUNNEL_ and its name: MCP_TUNNEL_MAX_REQUEST_BODY=1MiB.
Options that may be repeated take several values there, separated by newlines or semicolons.

Examples:
  Try it on one machine; the tunnel 'myapp' is then at http://myapp.localhost:8080
    $ mcp-tunnel --domain localhost --public-url http://{subdomain}.{domain}:8080
    $ mcp-tunnel-client 3000 --relay http://localhost:8080 --subdomain myapp

  For a team, behind a proxy on the same host that serves *.tunnel.example.com with TLS:
  one token for one name, another for all names that begin with 'dev-'
    $ mcp-tunnel --domain tunnel.example.com --host 127.0.0.1 --trusted-proxy 127.0.0.1 \\
        --static-token s3cret-1:myapp --static-token s3cret-2:dev-*

  The same without a proxy: HTTPS with a certificate for *.tunnel.example.com
    $ mcp-tunnel --domain tunnel.example.com --port 443 --http-redirect 80 \\
        --tls-cert fullchain.pem --tls-key privkey.pem --static-token s3cret-1:myapp

  Tokens that a service of yours knows; it is asked at POST https://auth.example.com/api/verify
    $ mcp-tunnel --domain tunnel.example.com --auth-url https://auth.example.com --auth-secret S3CRET
`;

/** The command, without an action: whoever parses decides what to do. */
export function createCommand(version: string): Command {
  const command = new Command("mcp-tunnel")
    .description("The relay of mcp-tunnel: gives services behind clients a public HTTP name below a domain.")
    .version(version, "--version", "print the version")
    .helpOption("--help", "print this")
    .addHelpText("after", examples)
    .configureHelp({ helpWidth: 110 })
    .allowExcessArguments();
  const add = (group: string, option: Option): void => {
    command.addOption(option.env(environmentName(option)).helpGroup(group));
  };

  add(
    where,
    new Option("--domain <DOMAIN>", "base domain: the tunnel 'myapp' is at myapp.DOMAIN (required)"),
  );
  add(where, new Option("--port <PORT>", "TCP port; 0 takes any free one").default(8080).argParser(readPort));
  add(where, new Option("--host <ADDRESS>", "address to bind (default: all, IPv4 and IPv6)"));
  add(
    where,
    new Option("--public-url <TEMPLATE>", "how clients are told their URL; also has {port}").default(
      "https://{subdomain}.{domain}",
    ),
  );
  add(
    where,
    new Option(
      "--trusted-proxy <CIDR>",
      "proxy whose X-Forwarded-For, -Host and -Proto are believed; may be repeated",
    ).argParser(collect),
  );

  add(
    who,
    new Option(
      "--static-token <TOKEN:SUB[,SUB...]>",
      "a token (or sha256:HEX) and its names, each with at most one '*'; may be repeated",
    ).argParser(collect),
  );
  add(
    who,
    new Option(
      "--token-file <FILE>",
      "tokens that 'mcp-tunnel token' manages; read again when it changes or on SIGHUP",
    ),
  );
  add(who, new Option("--auth-url <URL>", "auth provider that knows the tokens"));
  add(
    who,
    new Option("--auth-secret <SECRET>", "shows the auth provider who asks; required with --auth-url"),
  );
  add(who, new Option("--auth-secret-file <FILE>", "the same, from a file"));
  add(
    who,
    new Option(
      "--reserved-names <NAMES>",
      "names that only a token gets which spells them out, separated by commas",
    ).default(defaultReservedNames.join(",")),
  );

  for (const option of tlsOptions) add(encryption, option);

  add(
    limits,
    new Option("--max-request-body <BYTES>", "largest request body").default(5_242_880).argParser(readBytes),
  );
  add(
    limits,
    new Option("--max-response-body <BYTES>", "largest response body; event streams are exempt")
      .default(10_485_760)
      .argParser(readBytes),
  );
  add(
    limits,
    new Option("--response-timeout <DURATION>", "wait for a response to begin")
      .default(600_000, "10m")
      .argParser(readPositiveDurationMs),
  );
  add(
    limits,
    new Option("--hold-timeout <DURATION>", "how long requests wait for a client that is reconnecting")
      .default(15_000, "15s")
      .argParser(readDurationMs),
  );
  add(
    limits,
    new Option(
      "--resume-timeout <DURATION>",
      "how long open exchanges survive a lost connection of their client",
    )
      .default(60_000, "60s")
      .argParser(readDurationMs),
  );
  add(
    limits,
    new Option("--shutdown-grace <DURATION>", "how long open exchanges may go on after SIGTERM or Ctrl-C")
      .default(30_000, "30s")
      .argParser(readDurationMs),
  );

  add(
    logs,
    new Option("--log-format <FORMAT>", "pretty or json (default: pretty on a terminal, else json)").choices(
      logFormats,
    ),
  );
  add(logs, new Option("--log-level <LEVEL>", "the least that is logged").default("info").choices(logLevels));
  add(
    logs,
    new Option(
      "--access-log <FORMAT>",
      "a line for each request: pretty, json, combined (Apache's) or off (default: as --log-format)",
    ).choices(accessLogFormats),
  );

  add(
    operating,
    new Option(
      "--config <FILE>",
      "YAML file of options under the names they have here; flags and environment win",
    ),
  );
  add(
    operating,
    new Option(
      "--admin-listen <HOST:PORT>",
      "health, metrics and the admin API, on a listener of their own (default: none)",
    ).argParser(readHostPort),
  );
  add(
    operating,
    new Option(
      "--admin-secret <SECRET>",
      "what the admin API asks for; required unless it listens on a loopback address",
    ),
  );
  add(operating, new Option("--admin-secret-file <FILE>", "the same, from a file"));
  command.optionsGroup(other);
  return command;
}

function environmentName(option: Option): string {
  return `MCP_TUNNEL_${option.name().toUpperCase().replaceAll("-", "_")}`;
}

function isRepeatable(option: Option): boolean {
  return option.parseArg === collect;
}

/** What the config file may hold, and how it is read. */
export function configRules(command: Command): ConfigRules {
  const elsewhere = ["config", "version", "help"];
  return {
    options: command.options.filter((option) => !elsewhere.includes(option.name())),
    isRepeatable,
    checks: {
      domain: normalizeDomain,
      "public-url": checkTemplate,
      "static-token": parseStaticToken,
      "trusted-proxy": (text) => trustedProxies([text]),
    },
  };
}

/**
 * The options of a parsed command; repeated ones from the environment are taken apart, and what neither flags nor
 * the environment say is taken from the config file.
 * @throws TunnelError `invalid_option`.
 */
export function readOptions(command: Command): CliOptions {
  for (const option of command.options.filter(isRepeatable)) {
    const key = option.attributeName();
    if (command.getOptionValueSource(key) !== "env") continue;
    const given = command.getOptionValue(key) as string[];
    const values = given.flatMap((value) => value.split(/[\n;]/)).map((value) => value.trim());
    const named = values.filter((value) => value !== "");
    // Nothing but separators: hardly what was meant, and without tokens everybody would get in.
    if (named.length === 0) throw unusable(`${option.envVar} is set, but names nothing`);
    command.setOptionValueWithSource(key, named, "env");
  }
  const { config } = command.opts<CliOptions>();
  if (config !== undefined) {
    for (const [option, value] of readConfigFile(config, configRules(command))) {
      const key = option.attributeName();
      if (["cli", "env"].includes(command.getOptionValueSource(key) ?? "")) continue;
      command.setOptionValueWithSource(key, value, "config");
    }
  }
  const options = command.opts<CliOptions>();
  if (options.domain === undefined) throw unusable("required option '--domain <DOMAIN>' not specified");
  return options;
}

/** A secret given as it is or in a file, so that it need not stand in the process list. */
export function readSecret(
  name: string,
  value: string | undefined,
  file: string | undefined,
): string | undefined {
  if (file === undefined) return value;
  if (value !== undefined) throw unusable(`--${name} and --${name}-file exclude each other`);
  let secret: string;
  try {
    secret = readFileSync(file, "utf8").trim();
  } catch (error) {
    throw unusable(`cannot read --${name}-file: ${(error as Error).message}`);
  }
  if (secret === "") throw unusable(`--${name}-file ${file} is empty`);
  return secret;
}

/** @throws TunnelError `invalid_option`. */
async function authenticatorOf(options: CliOptions, logger: Logger): Promise<Authenticator> {
  const { staticToken = [], tokenFile, authUrl } = options;
  const secret = readSecret("auth-secret", options.authSecret, options.authSecretFile);
  if (authUrl !== undefined) {
    if (staticToken.length > 0) throw unusable("--static-token and --auth-url exclude each other");
    if (tokenFile !== undefined) throw unusable("--token-file and --auth-url exclude each other");
    if (secret === undefined) throw unusable("--auth-url needs --auth-secret, which the provider checks");
    return providerAuthenticator({ url: authUrl, secret, logger });
  }
  if (secret !== undefined) throw unusable("--auth-secret is for --auth-url, which is not there");
  const fixed = staticToken.length > 0 ? staticAuthenticator(staticToken.map(parseStaticToken)) : undefined;
  if (tokenFile === undefined) return fixed ?? openAuthenticator;
  const living = await TokenFileAuthenticator.open(tokenFile, logger);
  return fixed === undefined ? living : combinedAuthenticator([fixed, living]);
}

function unusable(message: string): TunnelError {
  return new TunnelError("invalid_option", message);
}

/** @throws TunnelError `invalid_option`. */
export async function relayOptionsOf(options: CliOptions, logger: Logger): Promise<RelayOptions> {
  const tls = tlsOptionsOf(options);
  return {
    domain: options.domain,
    port: options.port,
    ...(options.host === undefined ? {} : { host: options.host }),
    publicUrl: options.publicUrl,
    authenticator: await authenticatorOf(options, logger),
    reservedNames: options.reservedNames
      .split(",")
      .filter((name) => name.trim() !== "")
      .map((name) => name.trim()),
    trustedProxies: options.trustedProxy ?? [],
    ...(tls === undefined ? {} : { tls }),
    maxRequestBodyBytes: options.maxRequestBody,
    maxResponseBodyBytes: options.maxResponseBody,
    responseTimeoutMs: options.responseTimeout,
    holdTimeoutMs: options.holdTimeout,
    resumeTimeoutMs: options.resumeTimeout,
    logger,
  };
}
