import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { closeGently, maxLateBytes } from "../../net/closing.js";
import type { Http1Request, Http1Response, ResponseKeeper } from "../wire/http1.js";

/** How many requests a visitor may send after being told that the connection closes. Then it is cut. */
const maxIgnored = 100;

/** The requests of a connection. Pipelined requests are answered in order (RFC 9112 section 9.3.2). */
class Pipeline implements ResponseKeeper {
  /**
   * The latest response, until it is out. An idle connection keeps neither it nor its request: the fields of
   * one head may take fifteen times as much memory as they took bytes.
   */
  latest: Http1Response | undefined;
  /** The connection closes after the response that was the latest one. */
  hasClosed = false;
  ignored = 0;

  onOut(response: Http1Response): void {
    if (response !== this.latest) return;
    this.hasClosed = !response.shouldKeepAlive;
    this.latest = undefined;
  }

  get closes(): boolean {
    return this.latest === undefined ? this.hasClosed : !this.latest.shouldKeepAlive;
  }
}

/** Knows the latest response of each HTTP/1 connection. All earlier responses go out before it. */
export class Pipelines {
  readonly #pipelines = new WeakMap<Duplex, Pipeline>();

  /** The latest response, unless it is out. */
  latest(connection: Duplex): Http1Response | undefined {
    return this.#pipelines.get(connection)?.latest;
  }

  /** Whether the connection closes after the latest response. */
  closes(connection: Duplex): boolean {
    return this.#pipelines.get(connection)?.closes === true;
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
  admit(req: Http1Request, res: Http1Response): boolean {
    const { socket } = req;
    let pipeline = this.#pipelines.get(socket);
    if (pipeline === undefined) {
      pipeline = new Pipeline();
      this.#pipelines.set(socket, pipeline);
    }
    if (!pipeline.closes) {
      pipeline.latest = res;
      res.keeper = pipeline;
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
      if (this.closes(connection)) closeGently(connection);
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
  #closeAfter(answer: Http1Response, connection: Socket): void {
    const from = connection.bytesRead;
    answer.shouldKeepAlive = false;
    answer.once("finish", () => closeGently(connection));
    // Nor does Node tell `drain` any longer to the answer that is being written, which may be an earlier one.
    connection.on("drain", () =>
      (connection as { _httpMessage?: Http1Response })._httpMessage?.emit("drain"),
    );
    connection.on("end", () => connection.destroy());
    connection.on("data", () => {
      if (connection.bytesRead - from > maxLateBytes) connection.destroy();
    });
  }
}
