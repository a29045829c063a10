import { Client } from "undici";
import type { Dispatcher } from "undici";
import { LocalConnection } from "./connection.js";
import type { Connections } from "./connections.js";
import { readAfterRefusedWrite } from "./early-answer.js";
import { maxIdleMs, maxIdleToRepeatMs } from "./idle-connections.js";
import type { IdleConnection, IdleConnections } from "./idle-connections.js";
import { parserMaxHeadBytes } from "./response-normaliser.js";

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

/** What the clients of a service have in common. */
export interface LocalService {
  readonly url: URL;
  readonly connections: Connections;
  /** The longest head of a response, in bytes. */
  readonly maxHeadBytes: number;
  readonly idle: IdleConnections<LocalClient>;
}

/**
 * undici's client, which has one connection at a time, with a view of that connection. While the connection
 * is open and carries no request, the client is in the list of the idle ones.
 */
export class LocalClient implements IdleConnection<LocalClient> {
  previous: LocalClient | undefined;
  next: LocalClient | undefined;
  readonly #client: Client;
  readonly #idle: IdleConnections<LocalClient>;
  #connection: LocalConnection | undefined;
  #isIdle = false;

  constructor({ url, connections, maxHeadBytes, idle }: LocalService) {
    this.#idle = idle;
    this.#client = new Client(url, {
      connect: (options, callback) =>
        connections.connector(options, (...result) => {
          const [error, socket] = result;
          if (error === null) {
            socket.prependListener("error", nameReset);
            readAfterRefusedWrite(socket);
            this.#connection = new LocalConnection(socket, maxHeadBytes);
            socket.once("close", () => this.#take());
          }
          callback(...result);
        }),
      pipelining: 1,
      // The relay decides how long a response may take or pause. A tool call of an hour and a quiet event
      // stream are both legal.
      headersTimeout: 0,
      bodyTimeout: 0,
      maxHeaderSize: parserMaxHeadBytes(maxHeadBytes),
      keepAliveTimeout: maxIdleToRepeatMs,
      // The same for a service that tells how long it waits (`Keep-Alive: timeout=5`), unless that is less.
      keepAliveMaxTimeout: maxIdleToRepeatMs,
      // So much less than what it tells: half of `timeout=1`.
      keepAliveTimeoutThreshold: maxIdleMs,
    });
  }

  /** The connection that the client reads and writes, or the last one that it had. */
  get connection(): LocalConnection | undefined {
    return this.#connection;
  }

  get idleMs(): number {
    return this.#connection?.idleMs ?? 0;
  }

  dispatch(options: Dispatcher.DispatchOptions, handler: LocalHandler): void {
    handler.client = this;
    // undici's own timer is late if the event loop was busy. undici connects anew once the close is done.
    if (handler.isRepeated || this.idleMs > longestIdleMs(handler)) this.close();
    else this.#take();
    this.#client.dispatch(options, handler);
  }

  /** The response is complete. */
  finish(): void {
    this.#connection?.finish();
    this.giveBack();
  }

  /** No request is on the connection, or the one that had taken it was not sent. */
  giveBack(): void {
    // The close may be the end of the response. It may also be about to come: undici refuses the requests of
    // a client that is being destroyed before it closes the connection.
    if (this.#isIdle || this.#client.destroyed || this.#connection?.isClosed !== false) return;
    this.#isIdle = true;
    this.#idle.add(this);
  }

  close(): void {
    this.#take();
    this.#connection?.close();
  }

  async destroy(): Promise<void> {
    this.#take();
    await this.#client.destroy();
  }

  /** The connection is to carry a request, or none any more. */
  #take(): void {
    if (!this.#isIdle) return;
    this.#isIdle = false;
    this.#idle.delete(this);
  }
}

function longestIdleMs({ isRepeatable }: LocalHandler): number {
  return isRepeatable ? maxIdleToRepeatMs : maxIdleMs;
}

/**
 * undici takes a reset for the proper end of a response whose connection closes after it. A body without a
 * length would look complete, and a body that waits for its reader would fail an assertion that nobody can
 * catch. undici does so by the code of the error, and takes any other code for the error that it is.
 */
function nameReset(error: NodeJS.ErrnoException): void {
  if (error.code === "ECONNRESET") error.code = "UND_ERR_SOCKET";
}
