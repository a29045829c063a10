import { randomInt } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";

/**
 * A free port of loopback, for programs that do not tell which port they took. It is below the range from
 * which systems give out ports (32,768 and up on Linux), so that none of the many listeners and connections
 * of other tests gets it meanwhile.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(10_240, 32_768);
    // Both addresses must be free. `localhost` leads to ::1 first, where another program would answer in the
    // place of a program that listens at 127.0.0.1 alone.
    if ((await isFree(port, "127.0.0.1")) && (await isFree(port, "::1"))) return port;
  }
}

/** Whether the port is free at `host`. Also true if the machine does not have the address. */
async function isFree(port: number, host: string): Promise<boolean> {
  const server = createServer();
  const error = await new Promise<NodeJS.ErrnoException | undefined>((resolve) => {
    server.once("error", resolve);
    server.listen(port, host, () => resolve(undefined));
  });
  if (error !== undefined) return error.code === "EADDRNOTAVAIL" || error.code === "EAFNOSUPPORT";
  server.close();
  await once(server, "close");
  return true;
}
