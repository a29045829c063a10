import { Command, Option } from "commander";
import { formatDuration } from "mcp-tunnel-shared";
import { environmentName, optionDescription, valueForms } from "mcp-tunnel-shared/command";
import {
  type AccessLogFormat,
  accessLogFormats,
  type LogFormat,
  type LogLevel,
  logFormats,
  logLevels,
} from "../../telemetry/log.js";
import { type InterimToProxies, interimToProxies } from "../../http/wire/interim.js";
import { defaultProxyHeaders } from "../../forwarded/proxy-headers.js";
import { type CookieDomain, cookieDomains } from "../../http/exchange/set-cookie.js";
import { defaultReservedNames } from "../../tunnels/name.js";
import { isEveryday, type LimitCliOptions, limitOptions } from "./limit-options.js";
import { formatHostPort, type HostPort } from "../../net/host-port.js";
import { keepMistakes } from "./kept-mistakes.js";
import { type ClusterCliOptions, clusterOptions } from "./cluster-options.js";
import { collect, readDurationMs, readHostPort, readPort } from "./values.js";
import { type TlsCliOptions, tlsOptions } from "./tls-options.js";
import { SecretOption, ValueOption } from "./value-option.js";
import { type WorkersCliOptions, workersOption } from "./workers-option.js";

/** The options of the command line, the environment and the config file. */
export interface CliOptions extends TlsCliOptions, LimitCliOptions, ClusterCliOptions, WorkersCliOptions {
  domain: string;
  port: number;
  host?: string;
  publicUrl?: string;
  localPort?: string[];
  trustedProxy?: string[];
  trustedProxyHeaders: string;
  interimToProxies: InterimToProxies;
  staticToken?: string[];
  authUrl?: string;
  tokenFile?: string;
  reservedNames: string;
  requireVisitorAuth?: boolean;
  operatorName?: string;
  operatorContact?: string;
  cookieDomain: CookieDomain;
  clientDownload: boolean;
  shutdownGrace: number;
  logFormat?: LogFormat;
  logLevel: LogLevel;
  accessLog?: AccessLogFormat;
  adminListen?: HostPort;
  adminHost?: string[];
  config?: string;
}

const where = "Where it listens and what it is called:";
const who = "Who may register which names (without these: everybody, any name):";
const encryption = "TLS (without these: plain HTTP, for a proxy in front or for trying out):";
const together = "Several relays as one (without these: this relay alone):";
const pages = "What its own pages tell visitors:";
const limits = "Limits:";
const moreLimits = "More limits, against overload and abuse; the defaults suit most relays:";
const logs = "Logs:";
const operating = "Operating it:";
const other = "Other:";

const examples = `
Each option can also be set in the environment, as MCP_TUNNEL_ and its name:
MCP_TUNNEL_MAX_REQUEST_BODY=1MiB. Options that may be repeated take several
values there, separated by newlines or semicolons.

${valueForms}

Examples:
  Try it on one machine: 'myapp' is then at http://myapp.localhost:8080 for
  browsers and curl, and at http://localhost:4001 for all programs
    $ mcp-tunnel --domain localhost --host 127.0.0.1 --local-port myapp=4001
    $ mcp-tunnel-client 3000 --relay http://localhost:8080 --subdomain myapp

  For a team: one token for one name, another for all that begin with 'dev-';
  HTTPS with a certificate for *.tunnel.example.com
    $ mcp-tunnel --domain tunnel.example.com --port 443 --http-redirect 80 \\
        --tls-cert fullchain.pem --tls-key privkey.pem \\
        --static-token s3cret-1:myapp --static-token 's3cret-2:dev-*'

  The same behind a proxy on this host that does HTTPS
    $ mcp-tunnel --domain tunnel.example.com \\
        --host 127.0.0.1 --trusted-proxy 127.0.0.1 \\
        --static-token s3cret-1:myapp --static-token 's3cret-2:dev-*'

  See what is wrong with it, before it runs or while it does
    $ mcp-tunnel doctor --config /etc/mcp-tunnel/relay.yaml

  With a service of yours that checks tokens:
  POST https://auth.example.com/api/verify
    $ mcp-tunnel --domain tunnel.example.com \\
        --auth-url https://auth.example.com --auth-secret S3CRET
`;

/** The command without an action. The caller decides what to do with the options. */
export function createCommand(version: string): Command {
  return addRelayOptions(
    new Command("mcp-tunnel")
      .description(
        "The relay of mcp-tunnel: gives services behind clients a public HTTP name below a domain.",
      )
      .version(version, "-V, --version", "print the version")
      .helpOption("-h, --help", "print this help")
      .addHelpText("after", examples)
      .allowExcessArguments(),
  );
}

/** Gives a command all options of a relay. */
export function addRelayOptions(command: Command): Command {
  // The longest option leaves so much of 80 columns.
  command.configureHelp({ optionDescription, minWidthToWrap: 35 });
  const add = (group: string, given: Option): void => {
    // Two commands have all these options, and each keeps the mistakes in its own.
    const option = Object.assign(Object.create(Object.getPrototypeOf(given) as object) as Option, given);
    command.addOption(option.env(environmentName(option.name())).helpGroup(group));
  };

  add(
    where,
    new Option("--domain <DOMAIN>", "base domain: the tunnel 'myapp' is at myapp.DOMAIN (required)"),
  );
  add(where, new Option("--port <PORT>", "TCP port; 0 takes any free one").default(8080).argParser(readPort));
  add(where, new Option("--host <ADDRESS>", "address to bind (default: all, IPv4 and IPv6)"));
  add(
    where,
    new Option(
      "--public-url <TEMPLATE>",
      "the URL that clients are told of their tunnels, with {subdomain}, {domain} and {port} in it (default: " +
        "https://{subdomain}.{domain}; for the domain localhost without TLS and proxy " +
        "http://{subdomain}.{domain}:{port})",
    ),
  );
  add(
    where,
    new Option(
      "--local-port <NAME=PORT>",
      "a port of this machine alone that leads to the tunnel NAME: http://localhost:PORT, for programs that do " +
        "not resolve names below localhost, as most on Node.js; 0 takes any free one; may be repeated",
    ).argParser(collect),
  );
  add(
    where,
    new Option(
      "--trusted-proxy <CIDR>",
      "address or range of a proxy in front of the relay that is believed about visitors; may be repeated",
    ).argParser(collect),
  );
  add(
    where,
    new Option(
      "--trusted-proxy-headers <NAMES>",
      "the fields about visitors that every trusted proxy sets or appends to, separated by commas. The " +
        "list replaces the default. Leave out a field that a proxy only passes on, because visitors could " +
        "forge it. All other fields of the kind are dropped",
    ).default(defaultProxyHeaders.join(",")),
  );
  add(
    where,
    new Option(
      "--interim-to-proxies <MODE>",
      "1xx responses to visitors behind a trusted proxy: drop them, because nginx before 1.29 loses the " +
        "response that follows, or pass them",
    )
      .choices(interimToProxies)
      .default("drop"),
  );
  add(
    where,
    new Option(
      "--cookie-domain <MODE>",
      "narrow: a cookie for the whole domain stays with the tunnel that set it, and no tunnel clears the " +
        "cookies of others; keep: tunnels share such cookies",
    )
      .choices(cookieDomains)
      .default("narrow"),
  );

  add(
    where,
    new Option(
      "--no-client-download",
      "do not hand out the client; otherwise the relay's page says how to run it with npx, over https alone",
    ),
  );

  add(
    who,
    new SecretOption(
      "--static-token <TOKEN:SUB[,SUB...]>",
      "a token (or sha256:HEX) and its names, each with at most one '*'; may be repeated",
      (token) => token.replace(/^.*:/s, "***:"),
    ).argParser(collect),
  );
  add(
    who,
    new Option(
      "--token-file <FILE>",
      "file of tokens that 'mcp-tunnel token' manages; read again when it changes or on SIGHUP",
    ),
  );
  add(who, new Option("--auth-url <URL>", "auth provider, a service of yours that checks the tokens"));
  add(
    who,
    new SecretOption(
      "--auth-secret <SECRET>",
      "secret by which the auth provider knows this relay; required with --auth-url",
    ),
  );
  add(who, new Option("--auth-secret-file <FILE>", "file that holds the --auth-secret"));
  add(
    who,
    new Option(
      "--reserved-names <NAMES>",
      "names, separated by commas, that a token gets only by spelling them out, not by '*'",
    ).default(defaultReservedNames.join(",")),
  );

  add(
    who,
    new Option(
      "--require-visitor-auth",
      "refuse clients that declare no gate which asks visitors for a key, a password or OAuth",
    ),
  );

  add(pages, new Option("--operator-name <NAME>", "who runs the relay, as its own pages tell visitors"));
  add(
    pages,
    new Option("--operator-contact <CONTACT>", "how visitors reach them: an e-mail address or an https: URL"),
  );

  for (const option of tlsOptions) add(encryption, option);
  for (const option of clusterOptions) add(together, option);

  for (const option of limitOptions.filter(isEveryday)) add(limits, option);
  add(
    limits,
    new ValueOption(
      "--shutdown-grace <DURATION>",
      "how long open exchanges may go on after SIGTERM or Ctrl-C",
      formatDuration,
    )
      .default(30_000)
      .argParser(readDurationMs),
  );

  add(
    logs,
    new Option("--log-format <FORMAT>", "pretty or json (default: pretty on a terminal, else json)").choices(
      logFormats,
    ),
  );
  add(
    logs,
    new Option("--log-level <LEVEL>", "least severe level that is logged: debug, info, warn, error or silent")
      .default("info")
      .choices(logLevels),
  );
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
      "YAML file of options, named as here without the dashes; flags and environment win",
    ),
  );
  add(operating, workersOption);
  add(
    operating,
    new ValueOption(
      "--admin-listen <HOST:PORT>",
      "listener for health, metrics, the dashboard and its API, apart from visitors (default: none)",
      formatHostPort,
    ).argParser(readHostPort),
  );
  add(
    operating,
    new Option(
      "--admin-host <NAME[:PORT]>",
      "a name by which browsers reach that listener besides its address, as through a proxy; without a port: " +
        "at its own, and at the usual ones; may be repeated",
    ).argParser(collect),
  );
  add(
    operating,
    new SecretOption(
      "--admin-secret <SECRET>",
      "secret that the admin API asks for; required for the dashboard, and for all of it unless it listens on " +
        "a loopback address",
    ),
  );
  add(operating, new Option("--admin-secret-file <FILE>", "file that holds the --admin-secret"));
  for (const option of limitOptions.filter((limit) => !isEveryday(limit))) add(moreLimits, option);
  command.optionsGroup(other);
  keepMistakes(command);
  return command;
}
