import { once } from "node:events";
import { createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { describe, expect, it } from "vitest";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { freePort } from "../../../test/support/free-port.js";
import { ListeningWatch } from "../src/tunnel/listening.js";

const closing = closingAfterEach();

function watch(url: string, isFollowed: boolean): { said: (string | undefined)[]; watch: ListeningWatch } {
  const said: (string | undefined)[] = [];
  const created = new ListeningWatch({
    origin: new URL(url),
    isFollowed,
    onChange: (message) => said.push(message),
  });
  closing({ close: () => created.stop() });
  return { said, watch: created };
}

/** Listens, and keeps all bytes that come. */
async function listen(
  port: number,
  host: string,
): Promise<{ port: number; connections: number; bytes: number }> {
  const seen = { port: 0, connections: 0, bytes: 0 };
  const server = createServer((socket: Socket) => {
    seen.connections += 1;
    socket.on("data", (chunk) => (seen.bytes += chunk.length));
    socket.on("error", () => {});
  });
  server.listen(port, host);
  await once(server, "listening");
  closing(server);
  seen.port = (server.address() as AddressInfo).port;
  return seen;
}

describe("a look at the local service", () => {
  it.each(["127.0.0.1", "::1"])("finds it at %s, sends nothing, and says nothing", async (host) => {
    const seen = await listen(0, host);
    const { said, watch: look } = watch(`http://localhost:${seen.port}`, true);
    await look.start();
    await expect.poll(() => seen.connections).toBe(1);
    expect(said).toEqual([]);
    expect(seen.bytes).toBe(0);
  });

  it("says once that nothing listens", async () => {
    const port = await freePort();
    const { said, watch: look } = watch(`http://localhost:${port}`, false);
    await look.start();
    expect(said).toEqual([`nothing listens on localhost:${port} yet (visitors get 502)`]);
  });

  it("says that it listens now, where a person sees it", async () => {
    const port = await freePort();
    const { said, watch: look } = watch(`http://127.0.0.1:${port}`, true);
    await look.start();
    expect(said.length).toBe(1);
    await listen(port, "127.0.0.1");
    await expect.poll(() => said, { timeout: 10_000 }).toEqual([expect.any(String), undefined]);
  });

  it("takes it back when the tunnel ends, once", async () => {
    const port = await freePort();
    const { said, watch: look } = watch(`http://127.0.0.1:${port}`, true);
    await look.start();
    look.stop();
    look.stop();
    expect(said).toEqual([expect.any(String), undefined]);
  });

  it("has nothing to take back where something listens", async () => {
    const seen = await listen(0, "127.0.0.1");
    const { said, watch: look } = watch(`http://127.0.0.1:${seen.port}`, true);
    await look.start();
    look.stop();
    expect(said).toEqual([]);
  });
});
