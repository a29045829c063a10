import type { Socket } from "node:net";

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

  /** `onRead` is called before undici reads, and calls its handler with what it has read. */
  constructor(socket: Socket, onRead: (connection: LocalConnection) => void) {
    socket.prependListener("readable", () => onRead(this));
    socket.prependListener("end", () => {
      this.ended = true;
      this.resume?.();
    });
  }
}
