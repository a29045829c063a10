import { randomBytes } from "node:crypto";
import type { LookupFunction } from "node:net";
import type { Command } from "commander";
import { TunnelError } from "mcp-tunnel-protocol";
import { isLocalhost } from "mcp-tunnel-shared";
import { type Examination, failed, ok } from "mcp-tunnel-shared/command";
import { createRelay } from "../../relay.js";
import { silentLogger } from "../../telemetry/log.js";
import { normalizeDomain } from "../../tunnels/name.js";
import { checkTemplate } from "../../tunnels/public-url.js";
import type { CliOptions } from "../options/options.js";
import { adminOptionsOf, readOptions, relayOptionsOf } from "../options/read-options.js";
import { certificateExaminations } from "./certificates.js";
import { clusterExaminations } from "./cluster.js";
import { fileExaminations } from "./files.js";
import { machineExaminations } from "./machine.js";
import { nameExaminations } from "./names.js";
import { outsideExaminations } from "./outside.js";
import { portExaminations } from "./ports.js";
import type { Subject, Surroundings } from "./surroundings.js";

/**
 * What a doctor looks at in the relay that `command` describes, in the order in which one thing rests on the
 * other. Options that cannot be read leave nothing else to look at.
 */
export async function examinationsOf(command: Command, surroundings: Surroundings): Promise<Examination[]> {
  let options: CliOptions;
  try {
    options = await readOptions(command);
  } catch (error) {
    if (!(error instanceof TunnelError)) throw error;
    return [readingFailed(error)];
  }
  const file =
    options.config === undefined ? "flags and environment" : `${options.config}, flags and environment`;
  let domain: string;
  try {
    domain = normalizeDomain(options.domain);
    // The examinations from outside begin with it.
    if (options.publicUrl !== undefined) checkTemplate(options.publicUrl);
  } catch (error) {
    if (!(error instanceof TunnelError)) throw error;
    return [readingFailed(error)];
  }
  const label = `doctor-${randomBytes(6).toString("hex")}`;
  const subject: Subject = {
    ...{ command, options, domain, label, isRunning: false },
    surroundings: { ...surroundings, lookup: knowingLocalhost(surroundings.lookup) },
  };
  const files = fileExaminations(subject);
  return [
    { id: "options", title: "options", examine: () => ok(`${file} can be read`) },
    ...files,
    {
      id: "together",
      title: "options together",
      needs: files.map(({ id }) => id),
      examine: () => together(subject),
    },
    ...certificateExaminations(subject),
    ...nameExaminations(subject),
    ...portExaminations(subject),
    ...clusterExaminations(subject),
    ...outsideExaminations(subject),
    ...machineExaminations(subject),
  ];
}

/** Names below localhost are this machine (RFC 6761 section 6.3), which the system often does not know. */
function knowingLocalhost(lookup: LookupFunction): LookupFunction {
  return (hostname, options, callback) =>
    lookup(isLocalhost(hostname) ? "localhost" : hostname, options, callback);
}

function readingFailed(error: TunnelError): Examination {
  const advice =
    "Correct that, and examine it again. `mcp-tunnel config check FILE` looks at a config file alone.";
  return { id: "options", title: "options", examine: () => failed(error.message, advice) };
}

/** Options can be right one by one and wrong together. A relay is made of them that does not listen. */
async function together({ command }: Subject): Promise<ReturnType<typeof ok>> {
  try {
    adminOptionsOf(command);
    await createRelay(await relayOptionsOf(command, silentLogger)).close(0);
  } catch (error) {
    if (!(error instanceof TunnelError)) throw error;
    return failed(error.message, "The relay does not start like this. Correct that, and examine it again.");
  }
  return ok("a relay can be made of them");
}
