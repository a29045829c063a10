import { isIP, type LookupFunction } from "node:net";
import { buildConnector, Pool } from "undici";
import type { ResolvedOptions } from "../options.js";
import { LocalConnection } from "./connection.js";
import { readAfterRefusedWrite } from "./early-answer.js";
import type { HeaderPolicy } from "./headers.js";
import { createLookup } from "./lookup.js";
import { parserMaxHeadBytes } from "./response-normaliser.js";

/** The local service, and the connections to it that wait for the next request. */
export interface Upstream extends HeaderPolicy {
  readonly pool: Pool;
  readonly connectTimeoutMs: number;
  /** The longest head of a response, in bytes. */
  readonly maxHeadBytes: number;
  readonly lookup: LookupFunction;
  /** The one that undici is reading: what it tells a handler just now has come over this one. */
  readonly reading: { connection: LocalConnection | undefined };
  /** Requests that were given up while undici is still making a connection for them, which nothing can stop. */
  readonly givenUp: { count: number };
}

export function createUpstream(options: ResolvedOptions): Upstream {
  const { target, hostHeader, dropOrigin, connectTimeoutMs, maxResponseHeadBytes: maxHeadBytes } = options;
  // `localhost` is ::1 and 127.0.0.1, and a service may listen on either.
  const lookup = createLookup();
  const connector = buildConnector({ timeout: connectTimeoutMs, autoSelectFamily: true, lookup });
  const reading: Upstream["reading"] = { connection: undefined };
  const pool = new Pool(target.origin, {
    // As many as there are streams: event streams hold theirs for hours, and one that waited for a free
    // connection would wait for ever. What bounds them is `maxStreams`.
    connections: null,
    pipelining: 1,
    // How long a response may take, or pause, is the relay's affair; a tool call of an hour and a quiet
    // event stream are both legal.
    headersTimeout: 0,
    bodyTimeout: 0,
    maxHeaderSize: parserMaxHeadBytes(maxHeadBytes),
    // The name in the certificate is the target's; undici would take it from Host, which may be another. An address
    // is not a name (RFC 6066 section 3).
    connect: (connectOptions, callback) =>
      connector(
        { ...connectOptions, servername: isIP(target.hostname) === 0 ? target.hostname : "" },
        (...result) => {
          const [error, socket] = result;
          if (error === null) {
            socket.prependListener("error", nameReset);
            readAfterRefusedWrite(socket);
            new LocalConnection(socket, maxHeadBytes, (connection) => (reading.connection = connection));
          }
          callback(...result);
        },
      ),
  });
  return {
    ...{ target, hostHeader, dropOrigin, connectTimeoutMs, maxHeadBytes, lookup, pool, reading },
    givenUp: { count: 0 },
  };
}

/**
 * undici takes a reset for the proper end of a response whose connection closes after it: a body without a length would
 * look whole, and one that waits for its reader fails an assertion, with nobody to catch it. It does so by the code, and
 * takes any other for the error that it is.
 */
function nameReset(error: NodeJS.ErrnoException): void {
  if (error.code === "ECONNRESET") error.code = "UND_ERR_SOCKET";
}
