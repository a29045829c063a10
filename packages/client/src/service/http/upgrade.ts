import type { Socket } from "node:net";
import type { Answer } from "./answer.js";
import { upstreamFailure } from "./errors.js";
import type { Target } from "./target.js";

/** A connection that has left HTTP: bytes go both ways, and each direction ends by itself. */
export class UpgradedConnection {
  readonly #answer: Answer;
  readonly #socket: Socket;
  #localEnded = false;
  #visitorEnded = false;

  constructor(answer: Answer, socket: Socket, target: Target, onClosed: () => void) {
    this.#answer = answer;
    this.#socket = socket;
    socket.setTimeout(0);
    socket.on("data", (chunk: Buffer) => this.send(chunk));
    socket.on("end", () => {
      this.#localEnded = true;
      this.#answer.end(undefined);
      this.#stopIfDone();
    });
    socket.on("error", (error) => this.#answer.fail(upstreamFailure(error, target, true)));
    socket.on("close", () => {
      if (!this.#localEnded) {
        const error = new Error("the connection was closed");
        this.#answer.fail(upstreamFailure(error, target, true));
      }
      this.#answer.stop();
      onClosed();
    });
  }

  /** Bytes of the local service. */
  send(chunk: Buffer): void {
    if (this.#answer.isOver) return;
    if (!this.#answer.write(chunk)) this.#socket.pause();
  }

  onDrain(): void {
    this.#socket.resume();
  }

  /** Bytes of the visitor. Credit goes back once they have left this process. */
  onData(chunk: Buffer): void {
    this.#socket.write(chunk, () => this.#answer.stream.consumed(chunk.length));
  }

  onEnd(): void {
    this.#visitorEnded = true;
    this.#socket.end();
    this.#stopIfDone();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #stopIfDone(): void {
    if (this.#localEnded && this.#visitorEnded) this.#answer.stop();
  }
}
