import type { Command } from "commander";
import { TunnelError } from "mcp-tunnel-protocol";
import { isLocalhost, stackOf } from "mcp-tunnel-shared";
import type { Metrics } from "../../admin/metrics.js";
import { ClientDownload } from "../../http/answer/client-download.js";
import type { HostPort } from "../../net/host-port.js";
import type { RelayOptions } from "../../options.js";
import { createRelay, type Relay } from "../../relay.js";
import type { Logger } from "../../telemetry/log.js";
import { defaultPublicUrl, publicUrl, relayUrl } from "../../tunnels/public-url.js";
import { version } from "../../version.js";
import type { CliOptions } from "../options/options.js";
import { adminOptionsOf } from "../options/read-options.js";
import { CommandFailure } from "../output/output.js";
import type { Logs } from "./logs.js";

/** The relay of the command, in this process. It does not listen yet. */
export interface Served {
  readonly relay: Relay;
  readonly options: RelayOptions;
  /** `undefined` without a listener for the operator. */
  readonly metrics: Metrics | undefined;
  /** The relay has files to read again. */
  readonly reads: boolean;
}

/**
 * Puts the relay together. The options of `command` have been read before.
 * @throws TunnelError `invalid_option`; `unavailable` when a file that the options name cannot be read.
 */
export async function makeServed(command: Command, options: RelayOptions, { access }: Logs): Promise<Served> {
  const metrics =
    adminOptionsOf(command) === undefined
      ? undefined
      : (await import("../../admin/metrics.js")).createMetrics(version);
  const relay = createRelay({
    ...options,
    observers: [access, metrics?.observer].filter((observer) => observer !== undefined),
  });
  const reads = options.tls !== undefined || options.authenticator?.reload !== undefined;
  return { relay, options, metrics, reads };
}

/** Says that the relay listens, and what people can do with it. */
export function tellListening(
  { domain, publicUrl: given }: CliOptions,
  options: RelayOptions,
  { host, port }: HostPort,
  logger: Logger,
): void {
  const mode = options.authenticator?.mode;
  const tls = options.tls !== undefined;
  const template = options.publicUrl ?? defaultPublicUrl(options);
  const urls = publicUrl(template, "{subdomain}", domain, port);
  logger.info({ host, port, tls, domain, urls, auth: mode }, "listening");
  if (tls && port !== 443 && given === undefined) {
    logger.warn(
      { port },
      "the URLs of the tunnels have no port: unless port 443 leads here, set --public-url, such as https://{subdomain}.{domain}:{port}",
    );
  }
  tellClientCommand(options, publicUrl(template, "myapp", domain, port), logger);
  if (mode === "open") {
    logger.warn(
      {},
      "open mode: anyone can register any name; --token-file, --static-token or --auth-url changes that",
    );
  }
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
export function surviveFaults(logger: Logger): void {
  process.on("uncaughtException", (error: unknown) => {
    logger.error({ error: stackOf(error) }, "uncaught error; please report it");
  });
}

/** Warnings of Node itself, such as one about too many listeners, become lines of the log. */
export function logWarnings(logger: Logger): void {
  process.removeAllListeners("warning");
  process.on("warning", (warning) => logger.warn({ warning: stackOf(warning) }, "a warning of Node.js"));
}

/** A port that is not available is no mistake in the options: the same options may work on another day. */
export async function listening(address: Promise<HostPort>): Promise<HostPort> {
  try {
    return await address;
  } catch (error) {
    if (!(error instanceof TunnelError)) throw error;
    throw new CommandFailure(error.message, { cause: error });
  }
}

/**
 * SIGHUP is a service manager's "reload", which should not end a relay that has nothing to read. It is also a
 * terminal that closes, which should.
 */
export function reloadOnSignal(reload: (() => void) | undefined): void {
  if (reload !== undefined || !process.stdout.isTTY) process.on("SIGHUP", () => reload?.());
}

/** The first signal drains, a second one cuts. The process ends when `close` has resolved. */
export function stopOnSignals(
  graceMs: number,
  close: (graceMs: number) => Promise<void>,
  { logger, output }: Logs,
): void {
  let signalled = false;
  const stop = (signal: NodeJS.Signals): void => {
    logger.info({ signal }, signalled ? "cutting what is open" : "shutting down");
    const closed = close(signalled ? 0 : graceMs);
    if (signalled) return;
    signalled = true;
    void closed.then(() => {
      logger.info({}, "stopped");
      return output.exit(0);
    });
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
}
