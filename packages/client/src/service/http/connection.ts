import type { Socket } from "node:net";
import type { IdleConnection, IdleConnections } from "./idle-connections.js";
import { ResponseNormaliser } from "./response-normaliser.js";

/**
 * A connection that undici has been given. When a visitor does not keep up, undici stops reading. If the
 * service then closes the connection, after a response that ends with the connection (HTTP/1.0,
 * `Connection: close`), undici 7 fails an assertion that nobody can catch. So undici is made to take the
 * rest, which is one read at most, before it hears of the end.
 */
export class LocalConnection implements IdleConnection {
  previous: IdleConnection | undefined;
  next: IdleConnection | undefined;
  /** The service has closed the connection, so there is nothing left to hold up. */
  ended = false;
  /** Has undici go on after it was told to stop. */
  resume: (() => void) | undefined;
  readonly responses: ResponseNormaliser;
  readonly #socket: Socket;
  #requests = 0;
  readonly #idle: IdleConnections;
  #isIdle = false;
  #idleSince = performance.now();

  /** `maxHeadBytes`: the longest head of a response. The connection is in `idle` between requests. */
  constructor(socket: Socket, maxHeadBytes: number, idle: IdleConnections) {
    this.#socket = socket;
    this.#idle = idle;
    // A request that upgrades or expects a 100 is sent with node:http. undici would wait for the body of a
    // 304 that has a length.
    const context = { upgrade: false, expectsContinue: false, withholdsLength: true };
    const options = { ...context, maxHeadBytes, sparesFields: true };
    this.responses = new ResponseNormaliser(socket, options, false);
    socket.prependListener("end", () => {
      this.ended = true;
      this.resume?.();
    });
    socket.once("close", () => this.take());
  }

  /** Milliseconds since the last response was complete, if the connection carries no request now. */
  get idleMs(): number {
    return performance.now() - this.#idleSince;
  }

  /**
   * The connection had carried a request before this one, and no byte of an answer to this one has come. So
   * the service may have closed it as idle.
   */
  get mayHaveBeenIdle(): boolean {
    return this.#requests > 1 && !this.responses.isAnswering;
  }

  /** The connection is to carry another request, or none any more. */
  take(): void {
    if (!this.#isIdle) return;
    this.#isIdle = false;
    this.#idle.delete(this);
  }

  /** A request is being written. */
  begin(): void {
    this.#requests += 1;
    this.responses.requested();
  }

  /** The response is complete. */
  finish(): void {
    this.#idleSince = performance.now();
    this.responses.answered();
    // The close may be the end of the response.
    if (this.#socket.destroyed) return;
    this.#isIdle = true;
    this.#idle.add(this);
  }

  close(): void {
    this.take();
    this.#socket.destroy();
  }
}
