import type { Socket } from "node:net";
import { ResponseNormaliser } from "./response-normaliser.js";

/**
 * A connection that undici has been given. When a visitor does not keep up, undici stops reading. If the
 * service then closes the connection, after a response that ends with the connection (HTTP/1.0,
 * `Connection: close`), undici 7 fails an assertion that nobody can catch. So undici is made to take the
 * rest, which is one read at most, before it hears of the end.
 */
export class LocalConnection {
  /** The service has closed the connection, so there is nothing left to hold up. */
  ended = false;
  /** Has undici go on after it was told to stop. */
  resume: (() => void) | undefined;
  readonly responses: ResponseNormaliser;
  readonly #socket: Socket;
  #requests = 0;
  #idleSince = performance.now();

  /** `maxHeadBytes`: the longest head of a response. */
  constructor(socket: Socket, maxHeadBytes: number) {
    this.#socket = socket;
    // A request that upgrades or expects a 100 is sent with node:http. undici would wait for the body of a
    // 304 that has a length.
    const context = { upgrade: false, expectsContinue: false, withholdsLength: true };
    const options = { ...context, maxHeadBytes, sparesFields: true };
    this.responses = new ResponseNormaliser(socket, options, false);
    socket.prependListener("end", () => {
      this.ended = true;
      this.resume?.();
    });
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

  /** A request is being written. */
  begin(): void {
    this.#requests += 1;
    this.responses.requested();
  }

  /** The response is complete. */
  finish(): void {
    this.#idleSince = performance.now();
    this.responses.answered();
  }

  get isClosed(): boolean {
    return this.#socket.destroyed;
  }

  close(): void {
    this.#socket.destroy();
  }
}
