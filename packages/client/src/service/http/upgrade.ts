import type { Socket } from "node:net";
import { upstreamFailure } from "./errors.js";
import type { Exchange } from "./exchange.js";
import type { Target } from "./target.js";

/** A connection that has left HTTP: bytes both ways, each direction ended by itself. */
export class UpgradedConnection {
  readonly #exchange: Exchange;
  readonly #socket: Socket;
  #localEnded = false;
  #visitorEnded = false;

  constructor(exchange: Exchange, socket: Socket, target: Target) {
    this.#exchange = exchange;
    this.#socket = socket;
    socket.setTimeout(0);
    socket.on("data", (chunk: Buffer) => this.send(chunk));
    socket.on("end", () => {
      this.#localEnded = true;
      this.#exchange.end(undefined);
      this.#finishIfDone();
    });
    socket.on("error", (error) => this.#exchange.fail(upstreamFailure(error, target, true)));
    socket.on("close", () => {
      if (!this.#localEnded) {
        const error = new Error("the connection was closed");
        this.#exchange.fail(upstreamFailure(error, target, true));
      }
      this.#exchange.finish();
    });
  }

  /** Bytes of the local service. */
  send(chunk: Buffer): void {
    if (this.#exchange.finished) return;
    if (!this.#exchange.write(chunk)) this.#socket.pause();
  }

  onDrain(): void {
    this.#socket.resume();
  }

  /** Bytes of the visitor. Credit goes back once they have left this process. */
  onData(chunk: Buffer): void {
    this.#socket.write(chunk, () => this.#exchange.stream.consumed(chunk.length));
  }

  onEnd(): void {
    this.#visitorEnded = true;
    this.#socket.end();
    this.#finishIfDone();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #finishIfDone(): void {
    if (this.#localEnded && this.#visitorEnded) this.#exchange.finish();
  }
}
