import { isIP } from "node:net";
import { buildConnector, Pool } from "undici";
import { ServiceLookup } from "../../net/lookup.js";
import type { ForwardingOptions } from "./policies.js";
import { readAfterRefusedWrite } from "./early-answer.js";
import { headerPolicy } from "./headers.js";
import type { HeaderPolicy } from "./headers.js";
import { LocalClient, maxIdleMs } from "./local-client.js";
import { parserMaxHeadBytes } from "./response-normaliser.js";

/** The local service, and the connections to it that wait for the next request. */
export interface Upstream extends HeaderPolicy {
  readonly pool: Pool;
  readonly lookup: ServiceLookup;
  readonly connectTimeoutMs: number;
  /** The longest head of a response, in bytes. */
  readonly maxHeadBytes: number;
  /** Requests that were given up while undici is still making a connection for them, which nothing can stop. */
  readonly givenUp: { count: number };
}

export function createUpstream(options: ForwardingOptions): Upstream {
  const { target, connectTimeoutMs, maxResponseHeadBytes: maxHeadBytes } = options;
  const lookup = new ServiceLookup();
  const connector = buildConnector({
    timeout: connectTimeoutMs,
    ...lookup.connectOptions(target.hostname, connectTimeoutMs),
  });
  const connect: buildConnector.connector = (connectOptions, callback) =>
    connector(
      // The name in the certificate is the target's; undici would take it from Host, which may be another. An address is not a
      // name (RFC 6066 section 3).
      { ...connectOptions, servername: isIP(target.hostname) === 0 ? target.hostname : "" },
      (...result) => {
        const [error, socket] = result;
        if (error === null) {
          lookup.connected(socket);
          socket.prependListener("error", nameReset);
          readAfterRefusedWrite(socket);
        }
        callback(...result);
      },
    );
  const pool = new Pool(target.origin, {
    factory: (origin, clientOptions) => new LocalClient(origin, clientOptions, connect, maxHeadBytes),
    // As many as there are streams: event streams hold theirs for hours, and one that waited for a free
    // connection would wait for ever. What bounds them is `maxStreams`.
    connections: null,
    pipelining: 1,
    // How long a response may take, or pause, is the relay's affair; a tool call of an hour and a quiet
    // event stream are both legal.
    headersTimeout: 0,
    bodyTimeout: 0,
    maxHeaderSize: parserMaxHeadBytes(maxHeadBytes),
    keepAliveTimeout: maxIdleMs,
    // The same for a service that tells how long it waits (`Keep-Alive: timeout=5`), unless that is shorter.
    keepAliveMaxTimeout: maxIdleMs,
    keepAliveTimeoutThreshold: maxIdleMs,
  });
  return { ...headerPolicy(options), connectTimeoutMs, maxHeadBytes, pool, lookup, givenUp: { count: 0 } };
}

/**
 * undici takes a reset for the proper end of a response whose connection closes after it: a body without a length would
 * look whole, and one that waits for its reader fails an assertion, with nobody to catch it. It does so by the code, and
 * takes any other for the error that it is.
 */
function nameReset(error: NodeJS.ErrnoException): void {
  if (error.code === "ECONNRESET") error.code = "UND_ERR_SOCKET";
}
