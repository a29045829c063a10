import { Client } from "undici";
import type { buildConnector, Dispatcher } from "undici";
import { LocalConnection } from "./connection.js";

/**
 * How long a connection may have been idle that gets another request, in milliseconds. The service may close it just then: the
 * request is lost, and most may not be repeated. Services count in whole seconds (gunicorn closes after 2 s, uvicorn may after 1 s),
 * so this is half of the shortest time. A new connection on loopback costs a tenth of a millisecond.
 */
export const maxIdleMs = 500;

/** What sends a request, and hears of the response. */
export interface LocalHandler extends Dispatcher.DispatchHandler {
  /** It has been sent before, over a connection that had been idle: this time it gets a new one. */
  readonly isRepeated: boolean;
  /** Where it has been sent, set before it is. */
  client: LocalClient | undefined;
}

/** undici's client, with what it has of connections: one at a time. */
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

  /** The one that it reads and writes, or that it has had last. */
  get connection(): LocalConnection | undefined {
    return this.#newest.connection;
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: LocalHandler): boolean {
    handler.client = this;
    const { connection } = this;
    // undici's own timer is late where the event loop was busy. undici connects anew once the close is done.
    if (connection !== undefined && (handler.isRepeated || connection.idleMs > maxIdleMs)) connection.close();
    return super.dispatch(options, handler);
  }
}
