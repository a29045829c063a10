import cluster from "node:cluster";
import { isSea } from "node:sea";
import type { Command } from "commander";
import { unusable } from "mcp-tunnel-protocol";
import type { AdminServer } from "../../admin/server.js";
import { version } from "../../version.js";
import { inheritedSockets } from "../options/activation.js";
import { clusterSettingsOf } from "../options/cluster-options.js";
import type { CliOptions } from "../options/options.js";
import { adminOptionsOf } from "../options/read-options.js";
import type { Logs } from "../serving/logs.js";
import { listening, reloadOnSignal, stopOnSignals, surviveFaults } from "../serving/served.js";
import { jsonLine } from "../output/log-output.js";
import { CrewSource } from "./admin-source.js";
import { Crew } from "./crew.js";
import { openMeeting } from "./meeting.js";
import type { WorkerSetup } from "./messages.js";
import { WorkerProcess } from "./worker-process.js";

/**
 * Runs a relay of `size` processes until a signal. This process accepts connections and gives each to the
 * next worker. It serves nobody itself, except the operator.
 * @throws TunnelError, CommandFailure: the relay cannot start.
 */
export async function runPrimary(
  command: Command,
  options: CliOptions,
  size: number,
  logs: Logs,
): Promise<void> {
  const { logger, output } = logs;
  if (!cluster.isPrimary) {
    throw unusable(
      "--workers cannot be used by a process that is a worker itself: start it with node alone",
      {
        options: ["workers"],
      },
    );
  }
  const adminOptions = adminOptionsOf(command);
  const sockets = inheritedSockets();
  const isClustered = clusterSettingsOf(command) !== undefined;
  const meeting = isClustered ? undefined : await openMeeting(command);
  const setupOf = (worker: number): WorkerSetup => ({
    worker,
    logFormat: logs.format,
    sockets,
    place: meeting?.placeOf(worker),
  });
  setUpForks();
  // Colours are for the terminal behind this process.
  const env = process.stdout.isTTY && process.env["NO_COLOR"] === undefined ? { FORCE_COLOR: "1" } : {};
  let admin: AdminServer | undefined;
  const crew = new Crew({
    size,
    fork: (worker) =>
      new WorkerProcess(setupOf(worker), env, (fd, line) => {
        const isText = fd === 2 && options.logFormat === "json" && !line.startsWith("{");
        output.write(
          fd,
          isText ? jsonLine("error", { worker, text: line.trimEnd() }, "a worker says") : line,
        );
      }),
    logger,
    onHopeless() {
      logger.error({}, "every worker dies as soon as it has started: the lines above say why");
      void Promise.allSettled([meeting?.close(), admin?.close()]).then(() => output.exit(1));
    },
  });
  const close = async (graceMs: number): Promise<void> => {
    await crew.close(graceMs);
    await meeting?.close();
    // The admin listener closes last, so that operators see that the relay drains.
    await admin?.close();
  };
  try {
    const { address, reads } = await crew.start();
    reloadOnSignal(reads ? () => crew.send({ kind: "reload" }) : undefined);
    crew.processes[0]?.send({ kind: "announce", ...address });
    if (adminOptions !== undefined) {
      const { MetricsSum } = await import("./metrics-sum.js");
      const { createAdminListener } = await import("../../admin/server.js");
      const source = new CrewSource(crew, new MetricsSum(), { version, isClustered });
      admin = createAdminListener(source, adminOptions);
      logger.info(await listening(admin.listen()), "admin API listening");
    }
  } catch (error) {
    await close(0);
    throw error;
  }
  surviveFaults(logger);
  stopOnSignals(options.shutdownGrace, close, logs);
}

/** A worker is this command with the same arguments. */
function setUpForks(): void {
  cluster.schedulingPolicy = cluster.SCHED_RR;
  const args = process.argv.slice(2);
  // A single executable has no file of a program, and takes all for arguments. Some word has to be the file.
  const program = isSea() ? { exec: args[0] ?? "--", args: args.slice(1) } : {};
  cluster.setupPrimary({ ...program, stdio: ["ignore", "pipe", "pipe", "ipc"] });
}
