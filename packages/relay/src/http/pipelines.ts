import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";

/** Requests that a visitor may send after being told that the connection closes, before it is cut. */
const maxIgnored = 100;

/** What a connection has been asked: requests that are pipelined are answered in order (RFC 9112 section 9.3.2). */
interface Pipeline {
  latest: ServerResponse;
  ignored: number;
}

/** Knows the latest response of each HTTP/1 connection: those before it are all ahead of it. */
export class Pipelines {
  readonly #pipelines = new WeakMap<Duplex, Pipeline>();

  latest(connection: Duplex): ServerResponse | undefined {
    return this.#pipelines.get(connection)?.latest;
  }

  /** Whether the visitor still has an answer to come. */
  isOwed(connection: Duplex): boolean {
    return this.latest(connection)?.writableFinished === false;
  }

  /**
   * Notes a request. False when it must not be served: the connection closes after the answer to one before it
   * (RFC 9112 section 9.6), perhaps because nobody can be sure where that one ended. Node would parse on.
   */
  admit(req: IncomingMessage, res: ServerResponse): boolean {
    const { socket } = req;
    const pipeline = this.#pipelines.get(socket);
    if (pipeline?.latest.shouldKeepAlive !== false) {
      if (pipeline === undefined) this.#pipelines.set(socket, { latest: res, ignored: 0 });
      else pipeline.latest = res;
      return true;
    }
    // Read all the same: on a connection that is not read nobody notices that the visitor leaves.
    req.resume();
    pipeline.ignored += 1;
    if (pipeline.ignored > maxIgnored) socket.destroy();
    return false;
  }
}
