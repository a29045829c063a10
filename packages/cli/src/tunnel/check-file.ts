import { FileMistakes } from "mcp-tunnel-config";
import type { Problem } from "mcp-tunnel-config";
import type { ConfigFile } from "../config/find.js";
import { readTunnelsFile, withoutRepeats } from "../config/tunnels-file.js";
import type { TunnelsFile } from "../config/tunnels-file.js";
import { mistakesInParts, mistakesInSettings } from "./check.js";

/**
 * The tunnels of a config file, by name.
 * @throws FileMistakes with the lines of all mistakes; TunnelError `unavailable` when the file cannot be
 * read.
 */
export async function readChecked(config: ConfigFile): Promise<TunnelsFile["tunnels"]> {
  const file = readTunnelsFile(config);
  const problems = withoutRepeats([...file.problems, ...(await checkTunnels(file))]);
  if (problems.length > 0) throw new FileMistakes(config.path, problems);
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
    const { all } = await mistakesInSettings(settings);
    for (const mistake of all) problems.push(file.problemOf(name, mistake));
  }
  for (const [name, parts] of file.faulty) {
    const { all } = await mistakesInParts(parts);
    for (const mistake of all) problems.push(file.problemOf(name, mistake));
  }
  return problems;
}
