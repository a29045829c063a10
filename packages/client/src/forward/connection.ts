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

  /** `onRead` is called before undici reads, and calls its handler with what it has read. */
  constructor(socket: Socket, maxHeadBytes: number, onRead: (connection: LocalConnection) => void) {
    // A request that upgrades or expects a 100 is sent with node:http. undici would wait for the body of a 304 that has a length.
    const context = { upgrade: false, expectsContinue: false, withholdsLength: true };
    this.responses = new ResponseNormaliser(socket, { ...context, maxHeadBytes }, false);
    this.#announceRequests(socket);
    socket.prependListener("readable", () => onRead(this));
    socket.prependListener("end", () => {
      this.ended = true;
      this.resume?.();
    });
  }

  /** While nothing is awaited, whatever is written begins a request. */
  #announceRequests(socket: Socket): void {
    const write = socket._write.bind(socket);
    socket._write = (...args) => {
      this.responses.requested();
      write(...args);
    };
    const writev = socket._writev?.bind(socket);
    if (writev === undefined) return;
    socket._writev = (...args) => {
      this.responses.requested();
      writev(...args);
    };
  }
}
