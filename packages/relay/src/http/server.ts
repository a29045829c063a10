import { createServer, type Server } from "node:http";
import type { Visitors } from "./visitors.js";

/** The largest request head, in bytes. */
const maxHeadBytes = 32_768;

/** The HTTP server that visitors and clients reach, not yet listening. */
export function createHttpServer(visitors: Visitors): Server {
  const server = createServer({
    maxHeaderSize: maxHeadBytes,
    // How long a head may take; checked every few seconds, since Node's 30 would double it.
    headersTimeout: 15_000,
    connectionsCheckingInterval: 5_000,
    // A body may stream for hours.
    requestTimeout: 0,
    // Longer than the 60 s for which proxies keep their connections, so that it is never this end that closes
    // one just as a request is on its way.
    keepAliveTimeout: 75_000,
    noDelay: true,
    // Finds visitors who vanished without a word while nothing is sent to them.
    keepAlive: true,
    keepAliveInitialDelay: 60_000,
    // More than Node 20's 16 KiB of response is on its way before the tunnel is told to wait.
    highWaterMark: 65_536,
    insecureHTTPParser: false,
    // Refused here, in words of our own; Node says nothing but 400.
    requireHostHeader: false,
  });
  server.on("connection", (socket) => {
    // Each pipelined request listens to its connection.
    socket.setMaxListeners(0);
  });
  server.on("request", (req, res) => visitors.onRequest(req, res, false));
  server.on("checkContinue", (req, res) => visitors.onRequest(req, res, true));
  server.on("upgrade", (req, socket, head) => visitors.onUpgrade(req, socket, head));
  return server;
}
