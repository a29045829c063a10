import type { Command } from "commander";
import { TunnelError } from "mcp-tunnel-protocol";
import { type AdminServer, createAdminServer } from "../admin/server.js";
import { createLogger, type Logger } from "../log.js";
import { createMetrics, type Metrics } from "../metrics/metrics.js";
import { createRelay, type Relay } from "../relay.js";
import { version } from "../version.js";
import { type CliOptions, readOptions, readSecret, relayOptionsOf } from "./options.js";
import { CommandFailure } from "./output.js";
import type { HostPort } from "./values.js";

/** Runs the relay that the command line describes, until a signal. */
export async function serve(command: Command): Promise<void> {
  const [unexpected] = command.args;
  if (unexpected !== undefined) {
    throw new TunnelError("invalid_option", `unexpected argument '${unexpected}' (see mcp-tunnel --help)`);
  }
  const options = readOptions(command);
  const { logger, flush } = createLogger(logFormatOf(options), options.logLevel);
  try {
    await start(options, logger, flush);
  } catch (error) {
    flush();
    throw error;
  }
}

async function start(options: CliOptions, logger: Logger, flush: () => void): Promise<void> {
  const metrics = options.adminListen === undefined ? undefined : createMetrics(version);
  const relayOptions = await relayOptionsOf(options, logger);
  const relay = createRelay({ ...relayOptions, observers: metrics === undefined ? [] : [metrics.observer] });
  const admin = metrics === undefined ? undefined : createAdmin(options, relay, metrics);

  const { host, port } = await listening(relay.listen());
  const mode = relayOptions.authenticator?.mode;
  logger.info(
    { host, port, tls: relayOptions.tls !== undefined, domain: options.domain, auth: mode },
    "listening",
  );
  if (admin !== undefined) logger.info(await listening(admin.listen()), "admin API listening");
  if (mode === "open") {
    logger.warn(
      {},
      "open mode: anyone can register any name; --token-file, --static-token or --auth-url changes that",
    );
  }
  if (relayOptions.tls !== undefined || relayOptions.authenticator?.reload !== undefined) {
    process.on("SIGHUP", () => void relay.reload());
  }
  stopOnSignals(options, relay, admin, logger, flush);
}

function createAdmin(options: CliOptions, relay: Relay, metrics: Metrics): AdminServer {
  const { adminListen = { host: "127.0.0.1", port: 0 } } = options;
  const secret = readSecret("admin-secret", options.adminSecret, options.adminSecretFile);
  return createAdminServer(relay, { ...adminListen, secret, metrics, version });
}

/** A port that cannot be had is no mistake in the options: the same ones may do on another day. */
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
  flush: () => void,
): void {
  let signalled = false;
  const stop = (signal: NodeJS.Signals): void => {
    logger.info({ signal }, signalled ? "cutting what is open" : "shutting down");
    // The first signal drains, a second one cuts.
    const closed = relay.close(signalled ? 0 : options.shutdownGrace);
    if (signalled) return;
    signalled = true;
    // Last: whoever watches should see that the relay drains.
    void closed
      .then(() => admin?.close())
      .then(() => {
        logger.info({}, "stopped");
        flush();
        process.exit(0);
      });
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
}

function logFormatOf(options: CliOptions) {
  return options.logFormat ?? (process.stdout.isTTY ? "pretty" : "json");
}
