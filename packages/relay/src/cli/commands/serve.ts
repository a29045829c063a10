import type { Command } from "commander";
import { TunnelError, unusable } from "mcp-tunnel-protocol";
import { isLocalhost, stackOf } from "mcp-tunnel-shared";
import { letHeapGrow, LineOutput } from "mcp-tunnel-shared/command";
import { type AdminServer, createAdminServer } from "../../admin/server.js";
import { accessLog, combinedLog, jsonLog } from "../../telemetry/access-log.js";
import type { LogFormat, Logger } from "../../telemetry/log.js";
import type { RelayObserver } from "../../telemetry/observer.js";
import type { RelayOptions } from "../../options.js";
import { ClientDownload } from "../../http/answer/client-download.js";
import { defaultPublicUrl, publicUrl, relayUrl } from "../../tunnels/public-url.js";
import { createRelay, type Relay } from "../../relay.js";
import { version } from "../../version.js";
import { createLogger, type LogOutput } from "../output/log-output.js";
import type { CliOptions } from "../options/options.js";
import { adminOptionsOf, readOptions, relayOptionsOf } from "../options/read-options.js";
import { CommandFailure } from "../output/output.js";
import type { HostPort } from "../../net/host-port.js";

/** How long a line of the log may wait for others, in milliseconds. */
const gatherMs = 50;
/** How many characters of the log may wait for a reader. */
const maxWaitingLength = 4_194_304;

/** Runs the relay that the command line describes, until a signal. */
export async function serve(command: Command): Promise<void> {
  const [unexpected] = command.args;
  if (unexpected !== undefined) {
    throw unusable(`unexpected argument '${unexpected}' (see mcp-tunnel --help)`);
  }
  letHeapGrow();
  const options = await readOptions(command);
  const format = options.logFormat ?? (process.stdout.isTTY ? "pretty" : "json");
  // All logs share one output, so that no line is written inside another.
  const output = new LineOutput({
    gatherMs,
    maxWaitingLength,
    onLost(lines) {
      logger.warn({ lines }, "lines of the log are lost: nobody read them in time, or the disk was full");
    },
  });
  const log: LogOutput = { write: (line) => output.write(1, line) };
  const logger = await createLogger(log, format, options.logLevel);
  try {
    await start(command, options, logger, await accessOutput(options, format, log, logger), output);
  } catch (error) {
    await output.flush();
    throw error;
  }
}

/** The access log. A format that --access-log names is written whatever --log-level says. */
async function accessOutput(
  { accessLog: asked, logLevel }: CliOptions,
  logFormat: LogFormat,
  log: LogOutput,
  logger: Logger,
): Promise<RelayObserver | undefined> {
  const isWritten = logLevel === "info" || logLevel === "debug";
  const format = asked ?? (isWritten ? logFormat : "off");
  const write = (line: string): void => log.write(line);
  switch (format) {
    case "off":
      return undefined;
    case "combined":
      return combinedLog(write);
    case "json":
      return jsonLog(write);
    case "pretty":
      return accessLog(
        logFormat === "pretty" && isWritten ? logger : await createLogger(log, "pretty", "info"),
      );
  }
}

async function start(
  command: Command,
  options: CliOptions,
  logger: Logger,
  access: RelayObserver | undefined,
  output: LineOutput,
): Promise<void> {
  const adminOptions = adminOptionsOf(command);
  const metrics =
    adminOptions === undefined ? undefined : (await import("../../admin/metrics.js")).createMetrics(version);
  const relayOptions = await relayOptionsOf(command, logger);
  const relay = createRelay({
    ...relayOptions,
    observers: [access, metrics?.observer].filter((observer) => observer !== undefined),
  });
  const admin =
    adminOptions === undefined || metrics === undefined
      ? undefined
      : createAdminServer(relay, { ...adminOptions, metrics, version });

  const reads = relayOptions.tls !== undefined || relayOptions.authenticator?.reload !== undefined;
  // SIGHUP is a service manager's "reload", which should not end a relay that has nothing to read. It is also
  // a terminal that closes, which should.
  if (reads || !process.stdout.isTTY) process.on("SIGHUP", () => void relay.reload());
  const { host, port } = await listening(relay.listen());
  const mode = relayOptions.authenticator?.mode;
  const tls = relayOptions.tls !== undefined;
  const template = relayOptions.publicUrl ?? defaultPublicUrl(relayOptions);
  const urls = publicUrl(template, "{subdomain}", options.domain, port);
  logger.info({ host, port, tls, domain: options.domain, urls, auth: mode }, "listening");
  if (tls && port !== 443 && options.publicUrl === undefined) {
    logger.warn(
      { port },
      "the URLs of the tunnels have no port: unless port 443 leads here, set --public-url, such as https://{subdomain}.{domain}:{port}",
    );
  }
  tellClientCommand(relayOptions, publicUrl(template, "myapp", options.domain, port), logger);
  if (admin !== undefined) logger.info(await listening(admin.listen()), "admin API listening");
  if (mode === "open") {
    logger.warn(
      {},
      "open mode: anyone can register any name; --token-file, --static-token or --auth-url changes that",
    );
  }
  surviveFaults(logger);
  stopOnSignals(options, relay, admin, logger, output);
}

/**
 * The line with which others run the client that this relay hands out, or why it hands out none. For a relay
 * that only this machine can name: the line with which a person here runs the client.
 * `exampleUrl`: the public URL of a tunnel `myapp`.
 */
function tellClientCommand(options: RelayOptions, exampleUrl: string, logger: Logger): void {
  const { clientPackage, trustedProxies = [], tls, authenticator } = options;
  if (clientPackage === undefined) return;
  const relay = relayUrl(exampleUrl);
  const token = authenticator?.mode === "open" ? "" : " --token TOKEN";
  // Whoever tries it on one machine has the clone, and no certificate to be told about.
  if (relay.startsWith("http:") && isLocalhost(new URL(relay).hostname)) {
    const command = `mcp-tunnel-client 3000 --relay ${relay} --subdomain myapp${token}`;
    logger.info({ command }, "the client, on this machine");
    return;
  }
  if (!relay.startsWith("https:") || (tls === undefined && trustedProxies.length === 0)) {
    const reason =
      "visitors come over plain http, as far as this relay knows: see --tls-cert and --trusted-proxy";
    logger.info({ reason }, "the client is not handed out");
    return;
  }
  const { path } = new ClientDownload(clientPackage);
  logger.info(
    { command: `npx -y ${relay}${path} 3000 --relay ${relay}${token}` },
    "the client is handed out",
  );
}

/**
 * An uncaught error is a bug. At worst its exchange or tunnel is stuck until a limit ends it. The end of the
 * process would end all others too, as often as an attacker who has found the bug likes. (A rejected promise
 * comes here as well.)
 */
function surviveFaults(logger: Logger): void {
  process.on("uncaughtException", (error: unknown) => {
    logger.error({ error: stackOf(error) }, "uncaught error; please report it");
  });
}

/** A port that is not available is no mistake in the options: the same options may work on another day. */
async function listening(address: Promise<HostPort>): Promise<HostPort> {
  try {
    return await address;
  } catch (error) {
    if (!(error instanceof TunnelError)) throw error;
    throw new CommandFailure(error.message, { cause: error });
  }
}

function stopOnSignals(
  options: CliOptions,
  relay: Relay,
  admin: AdminServer | undefined,
  logger: Logger,
  output: LineOutput,
): void {
  let signalled = false;
  const stop = (signal: NodeJS.Signals): void => {
    logger.info({ signal }, signalled ? "cutting what is open" : "shutting down");
    // The first signal drains, a second one cuts.
    const closed = relay.close(signalled ? 0 : options.shutdownGrace);
    if (signalled) return;
    signalled = true;
    // The admin listener closes last, so that operators see that the relay drains.
    void closed
      .then(() => admin?.close())
      .then(() => {
        logger.info({}, "stopped");
        return output.exit(0);
      });
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
}
