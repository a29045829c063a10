import { once } from "node:events";
import { createServer, request as sendRequest } from "node:http";
import { connect } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { pipeline } from "node:stream/promises";

/**
 * Something in front of a server that lets only those in who show it a header field, as Cloudflare Access
 * does.
 */
export interface AccessProxy {
  readonly port: number;
  /** How many requests and upgrades it has turned away. */
  readonly refused: number;
  close(): Promise<void>;
}

/** Starts one in front of a port of this machine. `name`: the field, in lower case. */
export async function startAccessProxy(port: number, name: string, value: string): Promise<AccessProxy> {
  const sockets = new Set<Socket>();
  let refused = 0;
  const server = createServer((req, res) => {
    if (req.headers[name] !== value) {
      refused += 1;
      res.writeHead(403).end("who are you?");
      return;
    }
    const { method, url: path, headers } = req;
    const onward = sendRequest({ host: "127.0.0.1", port, method, path, headers }, (answer) => {
      res.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
      void pipeline(answer, res).catch(() => {});
    });
    void pipeline(req, onward).catch(() => {});
  });
  server.on("upgrade", (req, socket: Socket, head: Buffer) => {
    if (req.headers[name] !== value) {
      refused += 1;
      socket.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
      return;
    }
    const fields = req.rawHeaders.map((text, i) => (i % 2 === 0 ? `${text}: ` : `${text}\r\n`)).join("");
    const onward = connect(port, "127.0.0.1");
    onward.write(`${req.method} ${req.url} HTTP/1.1\r\n${fields}\r\n`);
    onward.write(head);
    void pipeline(socket, onward, socket).catch(() => {});
  });
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    get refused() {
      return refused;
    },
    async close() {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, "close");
    },
  };
}
