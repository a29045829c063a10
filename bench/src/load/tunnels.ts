import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

/** A process that holds many tunnels. */
export interface Tunnels {
  readonly pid: number;
  stop(): Promise<void>;
}

/** The script of a process with many tunnels. tunnels-main.ts names its arguments. */
export const tunnelsMain = fileURLToPath(new URL("tunnels-main.js", import.meta.url));

/**
 * Opens `count` tunnels on the relay, all to one upstream, from the number `first` on. @throws Error if one
 * of them fails.
 */
export async function openTunnels(
  relayPort: number,
  upstreamPort: number,
  count: number,
  first = 1,
): Promise<Tunnels> {
  const args = [import.meta.resolve("mcp-tunnel-client"), relayPort, upstreamPort, first, count];
  const child = fork(tunnelsMain, args.map(String), { stdio: "inherit" });
  const exited = once(child, "exit");
  const kill = (): boolean => child.kill("SIGKILL");
  process.once("exit", kill);
  const [said] = await Promise.race([once(child, "message"), exited]);
  if (said !== "open") throw new Error(`the process with ${count} tunnels ended with status ${said}`);
  return {
    pid: child.pid as number,
    async stop() {
      process.off("exit", kill);
      child.kill("SIGKILL");
      await exited;
    },
  };
}
