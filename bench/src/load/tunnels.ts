import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

/** A process that holds many tunnels. */
export interface Tunnels {
  readonly pid: number;
  /** Their host names. */
  readonly hosts: readonly string[];
  stop(): Promise<void>;
}

/** Opens `count` tunnels on the relay, all to one upstream. @throws Error if one of them fails. */
export async function openTunnels(relayPort: number, upstreamPort: number, count: number): Promise<Tunnels> {
  const main = fileURLToPath(new URL("tunnels-main.js", import.meta.url));
  const child = fork(main, [relayPort, upstreamPort, count].map(String), { stdio: "inherit" });
  const exited = once(child, "exit");
  const kill = (): boolean => child.kill("SIGKILL");
  process.once("exit", kill);
  const first = await Promise.race([once(child, "message"), exited]);
  if (first[0] !== "open") throw new Error(`the process with ${count} tunnels ended with status ${first[0]}`);
  return {
    pid: child.pid as number,
    hosts: Array.from({ length: count }, (_, i) => `t${i + 1}.localhost`),
    async stop() {
      process.off("exit", kill);
      child.kill("SIGKILL");
      await exited;
    },
  };
}
