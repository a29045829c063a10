import type { Socket } from "node:net";
import { ResponseNormaliser } from "./response-normaliser.js";

/**
 * A connection that undici has been given. When a visitor does not keep up undici stops reading, and if the service closes the
 * connection then, after a response that ends with it (HTTP/1.0, `Connection: close`), undici 7 fails an assertion, with nobody to
 * catch it. So before it hears of the end it is made to take what is left, which is one read at most.
 */
export class LocalConnection {
  /** The service has closed it: there is nothing left to hold up. */
  ended = false;
  /** Has undici go on, where it was told to stop. */
  resume: (() => void) | undefined;
  readonly responses: ResponseNormaliser;
  readonly #socket: Socket;
  #requests = 0;
  #idleSince = performance.now();

  /** `maxHeadBytes`: of a response. */
  constructor(socket: Socket, maxHeadBytes: number) {
    this.#socket = socket;
    // A request that upgrades or expects a 100 is sent with node:http. undici would wait for the body of a 304 that has a length.
    const context = { upgrade: false, expectsContinue: false, withholdsLength: true };
    this.responses = new ResponseNormaliser(socket, { ...context, maxHeadBytes }, false);
    socket.prependListener("end", () => {
      this.ended = true;
      this.resume?.();
    });
  }

  /** Milliseconds since its last response was complete, for one that carries no request now. */
  get idleMs(): number {
    return performance.now() - this.#idleSince;
  }

  /** It had carried a request before this one, to which no byte has come: the service may have closed it as idle. */
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

  close(): void {
    this.#socket.destroy();
  }
}
