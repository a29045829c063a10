import { createService, TunnelClient } from "mcp-tunnel-client";
import { mistakesIn } from "mcp-tunnel-config";
import type { Problem } from "mcp-tunnel-config";
import { TunnelError } from "mcp-tunnel-protocol";
import type { ConfigFile } from "../config/find.js";
import { readTunnelsFile } from "../config/tunnels-file.js";
import type { TunnelsFile } from "../config/tunnels-file.js";
import type { TunnelSettings } from "../options/tunnel-options.js";

/**
 * The tunnels of a config file, by name.
 * @throws TunnelError `invalid_option` with the lines of all mistakes; `unavailable` when the file cannot be
 * read.
 */
export async function readChecked(config: ConfigFile): Promise<TunnelsFile["tunnels"]> {
  const file = readTunnelsFile(config);
  const problems = [...file.problems, ...(await checkTunnels(file))];
  if (problems.length > 0) throw mistakesIn(config.path, problems);
  return file.tunnels;
}

/**
 * The mistakes in the tunnels of a file, as far as they show without a relay, a service or an OpenID
 * provider. Options can be right one by one and wrong together, and some are checked only by the part that
 * takes them.
 */
async function checkTunnels(file: TunnelsFile): Promise<Problem[]> {
  const problems: Problem[] = [];
  for (const { name, settings } of file.tunnels.values()) {
    try {
      await checkSettings(settings);
    } catch (error) {
      if (!(error instanceof TunnelError)) throw error;
      problems.push(file.problemOf(name, error));
    }
  }
  return problems;
}

/** @throws TunnelError */
async function checkSettings({ client, local, mcp, visitors }: TunnelSettings): Promise<void> {
  const service = mcp === undefined ? createService(local ?? {}) : createService({ port: 1 });
  // A client that is not started does nothing.
  await new TunnelClient({ ...client, service }).close();
  if (mcp !== undefined) {
    const { openMcpServers } = await import("./mcp-servers.js");
    await openMcpServers(mcp, (visitors?.kinds.length ?? 0) > 0, () => {}).service.close();
  }
  if (visitors !== undefined) {
    const { checkVisitors } = await import("./visitor-gate.js");
    await checkVisitors(visitors);
  }
}
