import { request } from "undici";
import { type AdminRelay, ask, startAdminRelay } from "../admin/support.js";
import { isAlive } from "../support/processes.js";

/** A worker, as the admin API shows it. */
export interface Worker {
  worker: number;
  pid: number;
  node: string;
  ready: boolean;
}

/** A relay command with several processes. */
export interface CrewRelay extends AdminRelay {
  workers(): Promise<Worker[]>;
  /** The worker that has the tunnel `name`. */
  workerOf(name: string): Promise<Worker>;
}

export async function startCrew(args: readonly string[] = [], size = 2): Promise<CrewRelay> {
  const relay = await startAdminRelay(["--workers", String(size), ...args]);
  const workers = async (): Promise<Worker[]> => {
    const { json = {} } = await ask(`${relay.admin}/api/tunnels`);
    return (json["relay"] as { workers: Worker[] }).workers;
  };
  return Object.assign(relay, {
    workers,
    async workerOf(name: string): Promise<Worker> {
      const { json } = await ask(`${relay.admin}/api/tunnels/${name}`);
      const found = (await workers()).find(({ node }) => node === json?.["relay"]);
      if (found === undefined) throw new Error(`no worker has ${name}: ${JSON.stringify(json)}`);
      return found;
    },
  });
}

/** Visits over a connection of its own, so that the next worker gets it. */
export async function visitOnce(port: number, name: string, path: string) {
  const answer = await request(`http://127.0.0.1:${port}${path}`, {
    headers: { host: `${name}.localhost`, connection: "close" },
    reset: true,
  });
  return { status: answer.statusCode, text: await answer.body.text() };
}

/** Waits until processes are gone that this one has not started itself, and so hears nothing of. */
export async function allGone(pids: readonly number[], timeoutMs = 10_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (pids.some(isAlive)) {
    if (performance.now() > deadline) throw new Error(`some of ${pids.join(", ")} are still there`);
    // oxlint-disable-next-line no-await-in-loop -- the system tells nobody but the parent
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
