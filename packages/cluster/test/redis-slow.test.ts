import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { TestNode, tunnel } from "./contract/test-cluster.js";
import { redisEngine } from "./redis-server.js";

const closing = closingAfterEach();
beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** What a server answers to a command, and how many milliseconds it takes for that. */
type Answer = (command: readonly string[]) => { readonly ms: number; readonly reply: string };

/**
 * A server that speaks as much of the protocol of Redis as needed. Each command of the library comes whole.
 */
async function slowServer(answer: Answer): Promise<{ port: number; names: string[]; close(): void }> {
  const names: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.setEncoding("utf8").on("data", (data: string) => {
      for (const text of data.split(/^\*\d+\r\n/m).slice(1)) {
        const command = text.split("\r\n").filter((_, at) => at % 2 === 1);
        names.push((command[0] ?? "").toUpperCase());
        const { ms, reply } = answer(command);
        vi.advanceTimersByTime(ms);
        socket.write(reply);
      }
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const close = (): void => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  return { port: (server.address() as AddressInfo).port, names, close };
}

const hello = "%1\r\n$6\r\nserver\r\n$5\r\nredis\r\n";
const bulk = (text: string): string => `$${text.length}\r\n${text}\r\n`;

it("makes no claim any more for which the caller has ceased to wait", async () => {
  // Every step is in time, but all of them together take 2,050 ms.
  const primary = closing(
    await slowServer(([name, channel = ""]) => {
      if (name === "HELLO") return { ms: 700, reply: hello };
      if (name === "ROLE") return { ms: 50, reply: `*1\r\n${bulk("master")}` };
      if (name === "subscribe") return { ms: 100, reply: `>3\r\n${bulk("subscribe")}${bulk(channel)}:1\r\n` };
      return { ms: 0, reply: "_\r\n" };
    }),
  );
  const sentinel = closing(
    await slowServer(([name]) => {
      const reply = name === "HELLO" ? hello : `*2\r\n${bulk("127.0.0.1")}${bulk(`${primary.port}`)}`;
      return { ms: 600, reply };
    }),
  );
  const { engine } = closing(redisEngine({ url: `redis+sentinel://127.0.0.1:${sentinel.port}/main` }));
  const claim = new TestNode(engine, "a").claim("app", tunnel("x"));
  await expect(claim).rejects.toThrow("did not claim a name within 2000 ms");
  expect(await engine.verdict("s")).toBeUndefined();
  expect(primary.names).toEqual(["HELLO", "ROLE", "SUBSCRIBE", "GET"]);
});
