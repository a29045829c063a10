import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { freePort, startChild, type Child } from "../child.js";
import { untilListening } from "../endpoint.js";

/** A Redis that listens. */
export interface Redis {
  readonly url: string;
  readonly child: Child;
}

/** A Redis of its own on loopback, empty, that writes nothing to disk. */
export async function startRedis(folder: string): Promise<Redis> {
  const port = await freePort();
  const data = join(folder, `redis-${port}`);
  mkdirSync(data);
  const args = ["--port", port, "--bind", "127.0.0.1", "--dir", data, "--save", "", "--appendonly", "no"];
  const child = startChild("redis", "redis-server", args, folder);
  await untilListening(port, child);
  return { url: `redis://127.0.0.1:${port}`, child };
}
