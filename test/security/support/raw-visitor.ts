import { connect, type NetConnectOpts, type Socket, type TcpNetConnectOpts } from "node:net";

/** A connection whose bytes the test writes and sees itself, one char for each. */
export class RawVisitor {
  readonly socket: Socket;
  received = "";
  readonly closed: Promise<void>;
  readonly #waiters = new Set<() => void>();

  /** `options`: at least the port. `open` makes the connection if it is not plain TCP. */
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

  /** Sends the text unchanged. An empty line in it ends a head. */
  send(text: string): void {
    this.socket.write(text, "latin1");
  }

  /** Waits until the received text satisfies `done`, or the connection is closed. */
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

  /** All received text, when the other side has closed. */
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

/** The statuses of the final answers in this text, if each begins a line. */
export function statuses(received: string): number[] {
  return [...received.matchAll(/^HTTP\/1\.[01] ([2-9]\d\d)/gm)].map((match) => Number(match[1]));
}

/** The same for answers that follow one another without a line end between them. */
export function allStatuses(received: string): number[] {
  return [...received.matchAll(/HTTP\/1\.[01] ([2-9]\d\d) /g)].map((match) => Number(match[1]));
}
