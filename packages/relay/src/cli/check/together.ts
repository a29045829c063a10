import type { Command } from "commander";
import { TunnelError, unusable } from "mcp-tunnel-protocol";
import { Mistakes } from "mcp-tunnel-shared/command";
import { checkLocalPorts } from "../../options.js";
import { createRelay } from "../../relay.js";
import { silentLogger } from "../../telemetry/log.js";
import { readAuthentication } from "../options/auth-options.js";
import { readClusterSettings } from "../options/cluster-options.js";
import type { CliOptions } from "../options/options.js";
import { type OptionProblem, problemOf } from "../options/problems.js";
import { adminOptionsOf, relayOptionsOf } from "../options/read-options.js";
import { readTlsOptions } from "../options/tls-options.js";
import { localPortsOf } from "../options/values.js";
import { workerCount } from "../options/workers-option.js";
import { portProblems } from "./ports.js";

/** Options can be right one by one and wrong together. They have been read before. Nothing is started. */
export async function togetherProblems(command: Command): Promise<OptionProblem[]> {
  const options = command.opts<CliOptions>();
  const mistakes = new Mistakes(TunnelError);
  readTlsOptions(options, mistakes);
  // What says who may come, and what the cluster says, do not hide one another.
  for (const read of [readAuthentication, readClusterSettings]) {
    const found = new Mistakes(TunnelError);
    read(command, found);
    for (const mistake of found.all) mistakes.add(mistake);
  }
  if (options.cluster !== undefined) {
    // It is loaded when it is needed.
    const { checkClusterValues } = await import("./cluster.js");
    await checkClusterValues(command, mistakes);
  }
  mistakes.attempt(() => adminOptionsOf(command));
  const workers = mistakes.attempt(() => workerCount(options)) ?? 1;
  const localPorts = mistakes.attempt(() => localPortsOf(options.localPort ?? [])) ?? {};
  mistakes.attempt(() => checkPorts(localPorts));
  return [...mistakes.all.map(problemOf), ...portProblems(command, localPorts, workers)];
}

/** @throws TunnelError `invalid_option`, which names the option as the command does. */
function checkPorts(ports: Readonly<Record<string, number>>): void {
  const found = new Mistakes(TunnelError);
  found.attempt(() => checkLocalPorts(ports));
  for (const { message } of found.all) throw unusable(message, { options: ["local-port"] });
}

/**
 * What is still wrong where each examination is content: a relay is made of the options that does not listen.
 */
export async function relayProblems(command: Command): Promise<OptionProblem[]> {
  const mistakes = new Mistakes(TunnelError);
  await mistakes.attemptLater(async () => {
    await createRelay(await relayOptionsOf(command, silentLogger)).close(0);
  });
  return mistakes.all.map(problemOf);
}
