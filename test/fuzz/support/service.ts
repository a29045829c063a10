import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { Readable } from "node:stream";
import { honestAnswer } from "./survivor.js";

export interface Service {
  readonly port: number;
  close(): Promise<void>;
}

/** A local service with a bit of everything. It remembers nothing, however long it is used. */
export async function startService(): Promise<Service> {
  const big = Buffer.alloc(300_000, "big ");
  const routes: Record<string, (res: ServerResponse) => void> = {
    "/big": (res) => res.end(big),
    "/hang": () => {},
    "/soon": (res) => setTimeout(() => res.end("soon"), 5),
    "/events": (res) => {
      res.writeHead(200, { "content-type": "text/event-stream" });
      for (let i = 0; i < 5; i++) res.write(`data: ${i}\n\n`);
      setTimeout(() => res.end("data: last\n\n"), 2);
    },
    // An event stream without events.
    "/quiet": (res) => {
      res.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders();
    },
    // More bytes than the kernel holds for a visitor who reads nothing, and below any limit of the relay.
    "/flood": (res) => {
      res.writeHead(200, { "content-type": "text/event-stream" });
      Readable.from(Array.from({ length: 40 }, () => big)).pipe(res);
    },
    "/trailers": (res) => {
      res.writeHead(200, { trailer: "X-T" }).write("body");
      res.addTrailers({ "X-T": "v" });
      res.end();
    },
  };
  const server = createServer((req, res) => {
    const path = req.url ?? "";
    res.on("error", () => {});
    if (path.startsWith("/honest/")) res.end(honestAnswer(path));
    else if (path.startsWith("/echo")) req.pipe(res);
    // Node sends no trailers if there is no body.
    else (routes[req.method === "HEAD" ? "" : path] ?? ((res) => res.end("ok")))(res);
  });
  const upgraded = new Set<Socket>();
  server.on("upgrade", (req, socket: Socket) => {
    socket.on("error", () => {});
    upgraded.add(socket);
    socket.on("close", () => upgraded.delete(socket));
    if (req.url === "/hang") return;
    if (req.url === "/refuse") {
      socket.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
      return;
    }
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${req.headers.upgrade}\r\n\r\n`,
    );
    socket.pipe(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      for (const socket of upgraded) socket.destroy();
      await closed;
    },
  };
}
