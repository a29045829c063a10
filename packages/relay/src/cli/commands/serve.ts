import type { Command } from "commander";
import { letHeapGrow } from "mcp-tunnel-shared/command";
import { version } from "../../version.js";
import type { CliOptions } from "../options/options.js";
import { startableOptions } from "../check/check.js";
import { lineOf } from "../options/problems.js";
import { adminOptionsOf, relayOptionsOf } from "../options/read-options.js";
import { workerCount } from "../options/workers-option.js";
import { type Logs, openLogs } from "../serving/logs.js";
import {
  listening,
  logWarnings,
  makeServed,
  reloadOnSignal,
  stopOnSignals,
  surviveFaults,
  tellListening,
} from "../serving/served.js";
import { isWorker } from "../workers/is-worker.js";

/** Runs the relay that the command line describes, until a signal. */
export async function serve(command: Command): Promise<void> {
  letHeapGrow();
  if (isWorker()) return await (await import("../workers/worker.js")).runWorker(command);
  const { options, problems } = await startableOptions(command);
  const workers = workerCount(options);
  const logs = await openLogs(options);
  logWarnings(logs.logger);
  for (const told of problems) {
    if (told.verdict === "warning" || told.problem.isLogged === true) continue;
    logs.logger.warn({ problem: lineOf(told) }, "the relay starts, but something does not work");
  }
  try {
    if (workers === 1) await start(command, options, logs);
    else await (await import("../workers/primary.js")).runPrimary(command, options, workers, logs);
  } catch (error) {
    await logs.output.flush();
    throw error;
  }
}

/** A relay in this process alone. */
async function start(command: Command, options: CliOptions, logs: Logs): Promise<void> {
  const { logger } = logs;
  const adminOptions = adminOptionsOf(command);
  const relayOptions = await relayOptionsOf(command, logger);
  const { relay, metrics, reads } = await makeServed(command, relayOptions, logs);
  const admin =
    adminOptions === undefined || metrics === undefined
      ? undefined
      : (await import("../../admin/server.js")).createAdminServer(relay, {
          ...adminOptions,
          metrics,
          version,
        });

  reloadOnSignal(reads ? () => void relay.reload() : undefined);
  tellListening(options, relayOptions, await listening(relay.listen()), logger);
  if (admin !== undefined) logger.info(await listening(admin.listen()), "admin API listening");
  surviveFaults(logger);
  const close = async (graceMs: number): Promise<void> => {
    await relay.close(graceMs);
    // The admin listener closes last, so that operators see that the relay drains.
    await admin?.close();
  };
  stopOnSignals(options.shutdownGrace, close, logs);
}
