import { once } from "node:events";
import { connect, type Socket } from "node:net";
import type { RunningCommand } from "./commands.js";

/**
 * Stops a process (SIGSTOP) and opens `count` connections to `port`, where it listens. The system takes them
 * meanwhile, as it does for a process that has much to do, and they wait to be accepted. SIGCONT is left to
 * the test.
 */
export async function leaveWaiting(
  { child }: Pick<RunningCommand, "child">,
  port: number,
  count: number,
): Promise<Socket[]> {
  child.kill("SIGSTOP");
  const sockets = Array.from({ length: count }, () => connect(port, "127.0.0.1"));
  await Promise.all(sockets.map((socket) => once(socket, "connect")));
  return sockets;
}
