import { connect, type NetConnectOpts, type Socket, type TcpNetConnectOpts } from "node:net";

/** A connection of which the test writes and sees every byte, one char for each. */
export class RawVisitor {
  readonly socket: Socket;
  received = "";
  readonly closed: Promise<void>;
  readonly #waiters = new Set<() => void>();

  /** `options`: the port at least. `open` makes the connection, if it is to be another than one of TCP. */
  constructor(options: NetConnectOpts, open: (options: TcpNetConnectOpts) => Socket = connect) {
    this.socket = open({ host: "127.0.0.1", ...options } as TcpNetConnectOpts);
    this.socket.setEncoding("latin1");
    this.socket.on("data", (text: string) => {
      this.received += text;
      this.#wake();
    });
    this.socket.on("error", () => {});
    this.closed = new Promise((resolve) => {
      this.socket.on("close", () => {
        resolve();
        this.#wake();
      });
    });
  }

  /** Sends what it is given; an empty line ends a head, and lines are as they are in the text. */
  send(text: string): void {
    this.socket.write(text, "latin1");
  }

  /** Waits until what has been received satisfies `done`, or the connection is closed. */
  async until(done: (received: string) => boolean): Promise<string> {
    while (!done(this.received) && !this.socket.closed) {
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#waiters.delete(wake);
          resolve();
        };
        this.#waiters.add(wake);
      });
    }
    return this.received;
  }

  /** Everything until the other side closes. */
  async all(): Promise<string> {
    await this.closed;
    return this.received;
  }

  close(): void {
    this.socket.destroy();
  }

  #wake(): void {
    for (const wake of this.#waiters) wake();
  }
}

/** The statuses of the final answers in these bytes, as far as they begin a line. */
export function statuses(received: string): number[] {
  return [...received.matchAll(/^HTTP\/1\.[01] ([2-9]\d\d)/gm)].map((match) => Number(match[1]));
}

/** The same for answers that follow one another without a line's end between them. */
export function allStatuses(received: string): number[] {
  return [...received.matchAll(/HTTP\/1\.[01] ([2-9]\d\d) /g)].map((match) => Number(match[1]));
}
