import { Client } from "undici";
import type { buildConnector, Dispatcher } from "undici";
import { LocalConnection } from "./connection.js";
import { maxIdleMs, maxIdleToRepeatMs } from "./idle-connections.js";
import type { IdleConnections } from "./idle-connections.js";

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

  /**
   * `connect` makes the connections, whose responses have heads of at most `maxHeadBytes`. They are in `idle`
   * while they carry no request.
   */
  constructor(
    origin: URL,
    options: Client.Options,
    connect: buildConnector.connector,
    maxHeadBytes: number,
    idle: IdleConnections,
  ) {
    const newest: { connection: LocalConnection | undefined } = { connection: undefined };
    super(origin, {
      ...options,
      connect: (connectOptions, callback) =>
        connect(connectOptions, (...result) => {
          if (result[0] === null) newest.connection = new LocalConnection(result[1], maxHeadBytes, idle);
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
    if (connection !== undefined) {
      if (handler.isRepeated || connection.idleMs > longestIdleMs(handler)) connection.close();
      else connection.take();
    }
    return super.dispatch(options, handler);
  }
}

function longestIdleMs({ isRepeatable }: LocalHandler): number {
  return isRepeatable ? maxIdleToRepeatMs : maxIdleMs;
}
