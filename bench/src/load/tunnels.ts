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

/** Opens `count` tunnels on the relay, all to one upstream. @throws Error if one of them fails. */
export async function openTunnels(relayPort: number, upstreamPort: number, count: number): Promise<Tunnels> {
  const args = [import.meta.resolve("mcp-tunnel-client"), relayPort, upstreamPort, 1, count];
  const child = fork(tunnelsMain, args.map(String), { stdio: "inherit" });
  const exited = once(child, "exit");
  const kill = (): boolean => child.kill("SIGKILL");
  process.once("exit", kill);
  const first = await Promise.race([once(child, "message"), exited]);
  if (first[0] !== "open") throw new Error(`the process with ${count} tunnels ended with status ${first[0]}`);
  return {
    pid: child.pid as number,
    async stop() {
      process.off("exit", kill);
      child.kill("SIGKILL");
      await exited;
    },
  };
}
