import { Pool } from "undici";
import type { buildConnector } from "undici";
import { OpenList } from "mcp-tunnel-shared";
import type { Linked } from "mcp-tunnel-shared";
import type { Connections } from "./connections.js";
import type { ForwardingOptions } from "./policies.js";
import { readAfterRefusedWrite } from "./early-answer.js";
import { headerPolicy } from "./headers.js";
import type { HeaderPolicy } from "./headers.js";
import { IdleConnections, maxIdleMs, maxIdleToRepeatMs } from "./idle-connections.js";
import { LocalClient } from "./local-client.js";
import { parserMaxHeadBytes } from "./response-normaliser.js";

/** A request on a connection of its own. */
export interface OwnConnection extends Linked<OwnConnection> {
  cut(): void;
}

/** The local service, and the connections to it that wait for the next request. */
export interface Upstream extends HeaderPolicy {
  readonly connections: Connections;
  readonly pool: Pool;
  /** Those of the pool, in view of all requests to the service. */
  readonly idle: IdleConnections;
  /** The longest head of a response, in bytes. */
  readonly maxHeadBytes: number;
  /**
   * Requests that undici has, or will have. Some of them may have been given up while undici is still making
   * a connection for them, which nothing can stop.
   */
  pooled: number;
  readonly own: OpenList<OwnConnection>;
}

export function createUpstream(options: ForwardingOptions, connections: Connections): Upstream {
  const { target, maxResponseHeadBytes: maxHeadBytes } = options;
  const connect: buildConnector.connector = (connectOptions, callback) =>
    connections.connector(connectOptions, (...result) => {
      const [error, socket] = result;
      if (error === null) {
        socket.prependListener("error", nameReset);
        readAfterRefusedWrite(socket);
      }
      callback(...result);
    });
  const idle = new IdleConnections();
  const pool = new Pool(fixedUrl(target.origin), {
    factory: (origin, clientOptions) => new LocalClient(origin, clientOptions, connect, maxHeadBytes, idle),
    // There are as many connections as streams. Event streams hold theirs for hours, and a request that
    // waited for a free connection would wait for ever. `maxStreams` limits the connections.
    connections: null,
    pipelining: 1,
    // The relay decides how long a response may take or pause. A tool call of an hour and a quiet event
    // stream are both legal.
    headersTimeout: 0,
    bodyTimeout: 0,
    maxHeaderSize: parserMaxHeadBytes(maxHeadBytes),
    keepAliveTimeout: maxIdleToRepeatMs,
    // The same for a service that tells how long it waits (`Keep-Alive: timeout=5`), unless that is shorter.
    keepAliveMaxTimeout: maxIdleToRepeatMs,
    // So much less than what it tells: half of `timeout=1`.
    keepAliveTimeoutThreshold: maxIdleMs,
  });
  return { ...headerPolicy(options), connections, pool, idle, maxHeadBytes, pooled: 0, own: new OpenList() };
}

/** undici asks for these parts with every request, and Node would make their texts anew each time. */
function fixedUrl(origin: string): URL {
  const url = new URL(origin);
  const { protocol } = url;
  return Object.defineProperties(url, { origin: { value: origin }, protocol: { value: protocol } });
}

/**
 * undici takes a reset for the proper end of a response whose connection closes after it. A body without a
 * length would look complete, and a body that waits for its reader would fail an assertion that nobody can
 * catch. undici does so by the code of the error, and takes any other code for the error that it is.
 */
function nameReset(error: NodeJS.ErrnoException): void {
  if (error.code === "ECONNRESET") error.code = "UND_ERR_SOCKET";
}
