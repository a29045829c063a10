import { Client } from "undici";
import type { buildConnector, Dispatcher } from "undici";
import { LocalConnection } from "./connection.js";

/**
 * The longest idle time of a connection that gets another request, in milliseconds. The service may close an
 * idle connection just then. The request is lost, and most requests may not be repeated. Services count in
 * whole seconds (gunicorn closes after 2 s, uvicorn may after 1 s), so this is half of the shortest time. A
 * new connection on loopback costs three tenths of a millisecond.
 */
export const maxIdleMs = 500;
/**
 * The same for a request that is repeated if it meets the close. Most services wait longer than this (Node
 * and uvicorn 5 s), so few have to be.
 */
export const maxIdleToRepeatMs = 4_000;

/** Sends a request, and is told of the response. */
export interface LocalHandler extends Dispatcher.DispatchHandler {
  /**
   * The request has been sent before, over a connection that had been idle. This time it gets a new
   * connection.
   */
  readonly isRepeated: boolean;
  /** The request will be sent again if the service closes the connection under it. */
  readonly isRepeatable: boolean;
  /** The client that sends the request, set before it does. */
  client: LocalClient | undefined;
}

/** undici's client, which has one connection at a time, with a view of that connection. */
export class LocalClient extends Client {
  readonly #newest: { connection: LocalConnection | undefined };

  /** `connect` makes the connections, whose responses have heads of at most `maxHeadBytes`. */
  constructor(origin: URL, options: Client.Options, connect: buildConnector.connector, maxHeadBytes: number) {
    const newest: { connection: LocalConnection | undefined } = { connection: undefined };
    super(origin, {
      ...options,
      connect: (connectOptions, callback) =>
        connect(connectOptions, (...result) => {
          if (result[0] === null) newest.connection = new LocalConnection(result[1], maxHeadBytes);
          callback(...result);
        }),
    });
    this.#newest = newest;
  }

  /** The connection that the client reads and writes, or the last one that it had. */
  get connection(): LocalConnection | undefined {
    return this.#newest.connection;
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: LocalHandler): boolean {
    handler.client = this;
    const { connection } = this;
    // undici's own timer is late if the event loop was busy. undici connects anew once the close is done.
    if (connection !== undefined && (handler.isRepeated || connection.idleMs > longestIdleMs(handler)))
      connection.close();
    return super.dispatch(options, handler);
  }
}

function longestIdleMs({ isRepeatable }: LocalHandler): number {
  return isRepeatable ? maxIdleToRepeatMs : maxIdleMs;
}
