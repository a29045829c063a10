// The live upstream as a process: `node live-main.js PORT`. It has event streams whose events carry the time
// at which they were written, and a WebSocket echo.
import { createServer, type ServerResponse } from "node:http";
import { WebSocketServer } from "ws";

const port = Number(process.argv[2]);

/** Streams at `/ticks`, each of which gets an event a second. */
const ticking = new Set<ServerResponse>();

/** CLOCK_MONOTONIC, which all processes of a machine share. */
function event(): string {
  return `data: ${process.hrtime.bigint()}\n\n`;
}

function tick(res: ServerResponse): void {
  // Each stream starts at its own moment, so that the events are spread out as those of strangers would be.
  const timer = setInterval(() => res.write(event()), 1_000);
  ticking.add(res);
  res.on("close", () => {
    clearInterval(timer);
    ticking.delete(res);
  });
}

const server = createServer((req, res) => {
  switch (req.url) {
    case "/ready":
      res.end("ready");
      return;
    case "/first":
      // One event, then silence until the visitor leaves.
      res.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
      res.write(event());
      return;
    case "/ticks":
      res.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
      res.flushHeaders();
      tick(res);
      return;
    default:
      res.writeHead(404).end();
  }
});
server.requestTimeout = 0;
server.headersTimeout = 0;

const sockets = new WebSocketServer({ server, path: "/echo", perMessageDeflate: false });
sockets.on("connection", (ws) => {
  ws.on("message", (data, isBinary) => ws.send(data, { binary: isBinary }));
  ws.on("error", () => {});
});

server.listen(port, "127.0.0.1", 4096);
