// The least that a relay in Node can do, as a process: `node relay-main.js PORT LINK_PORT`. Visitors speak to
// node:http at PORT. Each client has a socket to LINK_PORT, whose first message is the Host that it serves. A
// request is one message to that socket, and the answer is one message back. There is nothing else: no
// limits, no flow control, no log.
import { createServer, type ServerResponse } from "node:http";
import { createServer as createSocketServer, type Socket } from "node:net";
import { encodeMessage, onMessages } from "./messages.js";

const [port, linkPort] = process.argv.slice(2).map(Number);

const links = new Map<string, Socket>();
const waiting = new Map<number, ServerResponse>();
let lastId = 0;

createSocketServer({ noDelay: true }, (socket) => {
  let isKnown = false;
  onMessages(socket, (id, payload) => {
    if (!isKnown) {
      isKnown = true;
      links.set(payload.toString("latin1"), socket);
      return;
    }
    waiting.get(id)?.end(payload);
    waiting.delete(id);
  });
  socket.on("error", () => socket.destroy());
}).listen(linkPort, "127.0.0.1", 4096);

createServer((req, res) => {
  const link = links.get(req.headers.host ?? "");
  if (link === undefined) {
    res.writeHead(404).end();
    return;
  }
  lastId = (lastId + 1) % 0x1_0000_0000;
  waiting.set(lastId, res);
  const head = `${req.method} ${req.url}\r\n${req.rawHeaders.join("\r\n")}`;
  link.write(encodeMessage(lastId, Buffer.from(head, "latin1")));
}).listen(port, "127.0.0.1", 4096);
