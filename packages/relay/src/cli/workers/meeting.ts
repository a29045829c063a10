import { randomBytes } from "node:crypto";
import { dirname, join } from "node:path";
import type { Command } from "commander";
import { EngineServer, MemoryEngine } from "mcp-tunnel-cluster";
import type { WorkerSetup } from "./messages.js";

/** Where the workers meet: names in the memory of the primary, and sockets in a folder of this user. */
export interface Meeting {
  placeOf(worker: number): WorkerSetup["place"];
  /** Removes the folder. */
  close(): Promise<void>;
}

/** @throws TunnelError `unavailable` when there can be no sockets in the folder for temporary files. */
export async function openMeeting(command: Command): Promise<Meeting> {
  const keepNamesMs = command.getOptionValue("resumeTimeout") as number;
  const engine = new MemoryEngine({ keepNamesMs });
  const server = new EngineServer(engine);
  const path = await server.listen();
  // Nobody else gets to the sockets. The secret is for the links, which do not go without one.
  const secret = randomBytes(32).toString("base64");
  return {
    placeOf: (worker) => ({ engine: path, socket: join(dirname(path), `worker-${worker}`), secret }),
    async close() {
      await server.close();
      await engine.close();
    },
  };
}
