import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { closeGently, maxLateBytes } from "../../net/closing.js";

/** How many requests a visitor may send after being told that the connection closes. Then it is cut. */
const maxIgnored = 100;

/** The requests of a connection. Pipelined requests are answered in order (RFC 9112 section 9.3.2). */
interface Pipeline {
  latest: ServerResponse;
  ignored: number;
}

/** Knows the latest response of each HTTP/1 connection. All earlier responses go out before it. */
export class Pipelines {
  readonly #pipelines = new WeakMap<Duplex, Pipeline>();

  latest(connection: Duplex): ServerResponse | undefined {
    return this.#pipelines.get(connection)?.latest;
  }

  /** Whether the relay still owes the visitor an answer. */
  isOwed(connection: Duplex): boolean {
    return this.latest(connection)?.writableFinished === false;
  }

  /**
   * Notes a request. False when it must not be served, because the connection closes after the answer to an
   * earlier request (RFC 9112 section 9.6). Perhaps nobody can be sure where that request ended. Node would
   * parse on.
   */
  admit(req: IncomingMessage, res: ServerResponse): boolean {
    const { socket } = req;
    const pipeline = this.#pipelines.get(socket);
    if (pipeline?.latest.shouldKeepAlive !== false) {
      if (pipeline === undefined) this.#pipelines.set(socket, { latest: res, ignored: 0 });
      else pipeline.latest = res;
      return true;
    }
    // Read all the same: on an unread connection the relay would not notice that the visitor leaves.
    req.resume();
    pipeline.ignored += 1;
    if (pipeline.ignored > maxIgnored) socket.destroy();
    return false;
  }
  /**
   * Calls `serve` for a connection that Node has handed over, for an upgrade or a CONNECT. While an earlier
   * answer is still to come, nothing is served: that answer would end up in the midst of the bytes that
   * follow. The connection closes after it then, and also if it was to close after an earlier answer anyway.
   */
  handOver(connection: Socket, serve: () => void): void {
    const latest = this.latest(connection);
    const next = (): void => {
      if (latest?.shouldKeepAlive === false) closeGently(connection);
      else serve();
    };
    // The answer is complete. It is being written, or Node has yet to take it off the connection.
    if (latest?.writableEnded === true && latest.socket === connection) latest.once("finish", next);
    else if (latest?.writableFinished === false) this.#closeAfter(latest, connection);
    else next();
  }

  /**
   * Closes the connection after `answer`. Node no longer reads it, so it is read here to notice a visitor who
   * leaves.
   */
  #closeAfter(answer: ServerResponse, connection: Socket): void {
    const from = connection.bytesRead;
    answer.shouldKeepAlive = false;
    answer.once("finish", () => closeGently(connection));
    // Nor does Node tell `drain` any longer to the answer that is being written, which may be an earlier one.
    connection.on("drain", () =>
      (connection as { _httpMessage?: ServerResponse })._httpMessage?.emit("drain"),
    );
    connection.on("end", () => connection.destroy());
    connection.on("data", () => {
      if (connection.bytesRead - from > maxLateBytes) connection.destroy();
    });
  }
}
