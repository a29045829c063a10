import { availableParallelism } from "node:os";
import { InvalidArgumentError } from "commander";
import { unusable } from "mcp-tunnel-protocol";
import { ValueOption } from "./value-option.js";

/** More processes than cores only cost memory. */
const maxWorkers = 256;

/** The options about several processes as one relay. */
export interface WorkersCliOptions {
  workers: number | "auto";
}

export const workersOption = new ValueOption<WorkersCliOptions["workers"]>(
  "--workers <N>",
  "processes that serve as one relay, so that it uses several cores; auto: one for each core",
  String,
)
  .default(1)
  .argParser((text) => {
    if (text === "auto") return text;
    const count = /^\d{1,3}$/.test(text) ? Number(text) : 0;
    if (count >= 1 && count <= maxWorkers) return count;
    throw new InvalidArgumentError(`Expected 1 to ${maxWorkers}, or auto.`);
  });

/**
 * How many processes the relay is to have.
 * @throws TunnelError `invalid_option` where there cannot be several.
 */
export function workerCount(
  { workers }: WorkersCliOptions,
  platform: NodeJS.Platform = process.platform,
): number {
  const count = workers === "auto" ? Math.min(availableParallelism(), maxWorkers) : workers;
  if (count === 1 || platform !== "win32") return count;
  throw unusable(
    "--workers needs unix sockets between its processes, which Node.js does not have on Windows: leave it out",
    { options: ["workers"] },
  );
}
