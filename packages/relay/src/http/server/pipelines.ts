import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { closeGently, maxLateBytes } from "../../net/closing.js";

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
  /**
   * Calls `serve` for a connection that Node has handed over, for an upgrade or a CONNECT. Not while an answer to an earlier
   * request is owed over it, which would end up in the midst of what follows, and not when the connection closes after
   * that answer: then it closes, and nothing else is served.
   */
  handOver(connection: Socket, serve: () => void): void {
    const latest = this.latest(connection);
    const next = (): void => {
      if (latest?.shouldKeepAlive === false) closeGently(connection);
      else serve();
    };
    // It is being written, or has been and Node has yet to take it off the connection.
    if (latest?.writableEnded === true && latest.socket === connection) latest.once("finish", next);
    else if (latest?.writableFinished === false) this.#closeAfter(latest, connection);
    else next();
  }

  /** Node has let go of the connection: it is read here, so that a visitor who leaves is noticed. */
  #closeAfter(answer: ServerResponse, connection: Socket): void {
    const from = connection.bytesRead;
    answer.shouldKeepAlive = false;
    answer.once("finish", () => closeGently(connection));
    // Node has also stopped to tell the answer that is being written, which may be one before this.
    connection.on("drain", () =>
      (connection as { _httpMessage?: ServerResponse })._httpMessage?.emit("drain"),
    );
    connection.on("end", () => connection.destroy());
    connection.on("data", () => {
      if (connection.bytesRead - from > maxLateBytes) connection.destroy();
    });
  }
}
