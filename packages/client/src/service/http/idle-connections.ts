import { OpenList } from "mcp-tunnel-shared";
import type { Linked } from "mcp-tunnel-shared";

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

/** A connection that may carry no request now. */
export interface IdleConnection<Self> extends Linked<Self> {
  /** Milliseconds since the last response was complete. */
  readonly idleMs: number;
  /** Takes the connection out of its list too. */
  close(): void;
  /** The same. Resolves once the connection is closed. */
  destroy(): Promise<void>;
}

/**
 * The idle connections to a service, and the number of requests that wait for the beginning of an answer. A
 * service may serve one connection at a time and keep it while it is idle, as Python's `HTTPServer` does with
 * HTTP/1.1. All other requests wait then. So a connection that has been idle for {@link maxIdleMs} is closed
 * if a request has waited as long.
 *
 * One timer serves all of them. It starts when a request waits beside an idle connection, and does nothing if
 * no request waits at its end. Requests that follow each other never start it.
 */
export class IdleConnections<Connection extends IdleConnection<Connection>> {
  readonly #idle = new OpenList<Connection>();
  #waiting = 0;
  #timer: NodeJS.Timeout | undefined;

  /** The one that carried a request last. */
  get newest(): Connection | undefined {
    return this.#idle.newest;
  }

  /** The connection has become idle. */
  add(connection: Connection): void {
    this.#idle.add(connection);
    this.#watch(maxIdleMs);
  }

  /** The connection is given a request, or is gone. */
  delete(connection: Connection): void {
    this.#idle.delete(connection);
  }

  /** A request was sent. If it is to get one of the idle connections, it already has it. */
  requested(): void {
    this.#waiting += 1;
    this.#watch(maxIdleMs);
  }

  /** The answer to one of the requests has begun, or will never come. */
  answered(): void {
    this.#waiting -= 1;
  }

  /** Closes all of them. Resolves once that is done. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    await Promise.all(this.#idle.toArray().map((connection) => connection.destroy()));
  }

  #watch(delayMs: number): void {
    if (this.#timer !== undefined || this.#waiting === 0 || this.#idle.size === 0) return;
    this.#timer = setTimeout(() => this.#closeOld(), delayMs);
  }

  #closeOld(): void {
    this.#timer = undefined;
    if (this.#waiting === 0) return;
    let longestMs = 0;
    for (const connection of this.#idle.toArray()) {
      const { idleMs } = connection;
      if (idleMs >= maxIdleMs) connection.close();
      else longestMs = Math.max(longestMs, idleMs);
    }
    this.#watch(maxIdleMs - longestMs);
  }
}
