import { createServer, Server } from "node:http";
import type { RequestListener } from "node:http";
import { unusable } from "mcp-tunnel-protocol";
import { runAside } from "../../aside.js";
import type { Connections } from "../http/connections.js";
import { Forwarder } from "../http/forwarder.js";
import { LocalPool } from "../http/local-pool.js";
import type { ForwardingOptions } from "../http/policies.js";
import { greatestHeadBytes } from "../http/response-normaliser.js";
import type { Service } from "../service.js";
import { connectionPair } from "./connection-pair.js";

/**
 * Forwards to a server of this program over connections within the process. So the server has all that it
 * would have behind a port: kept-alive connections, upgrades, trailers, interim responses, timeouts.
 * @throws TunnelError `invalid_option` if `server` is no Server of node:http.
 */
export function serverService(server: Server, options: ForwardingOptions): Service {
  if (!(server instanceof Server)) {
    // A server with TLS waits for a handshake, and a server of HTTP/2 speaks another language.
    throw unusable("server must be a Server of node:http, such as createServer() makes", {
      options: ["server"],
    });
  }
  const pool = (isEncrypted: boolean): LocalPool =>
    new LocalPool(options, connectionsTo(server, isEncrypted));
  return new Forwarder(options, pool(false), pool(true));
}

/** The same for a request handler, in a server that nobody else knows. */
export function handlerService(handler: RequestListener, options: ForwardingOptions): Service {
  // The relay's limits are the only ones. The wire carries heads of up to `greatestHeadBytes`, and Node
  // writes them with more bytes.
  const server = createServer({ maxHeaderSize: 2 * greatestHeadBytes }, handler);
  server.maxHeadersCount = 0;
  return serverService(server, options);
}

function connectionsTo(server: Server, isEncrypted: boolean): Connections {
  const connect = () => {
    const pair = connectionPair(isEncrypted);
    // The event that Node's documentation names for connections from elsewhere. What a listener throws would
    // be an uncaught exception with a connection of the network, which goes on.
    runAside(() => server.emit("connection", pair.server));
    return pair.client;
  };
  return {
    // Later, because undici expects that a connection takes time, and would not notice one that stands
    // already.
    connector: (_options, callback) => process.nextTick(callback, null, connect()),
    connect(onConnected) {
      onConnected();
      return connect();
    },
  };
}
