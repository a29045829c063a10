import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { type RawServer, startRawServer } from "../support/raw-server.js";

/** One end of a TCP connection whose every byte counts. */
export class RawPeer {
  readonly socket: Socket;
  /** All bytes that came so far, one character for each. */
  received = "";
  #wake: () => void = () => {};
  readonly #closed: Promise<void>;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (chunk: Buffer) => {
      this.received += chunk.toString("latin1");
      this.#wake();
    });
    this.#closed = new Promise((resolve) => {
      socket.on("error", () => {}); // A reset closes the socket too.
      socket.on("close", () => {
        resolve();
        this.#wake();
      });
    });
  }

  write(text: string): void {
    this.socket.write(text, "latin1");
  }

  /** Resolves with all bytes so far once they match. Rejects if the connection is closed before. */
  async until(pattern: RegExp): Promise<string> {
    while (!pattern.test(this.received)) {
      if (this.socket.destroyed) throw new Error(`closed before ${pattern}; it said:\n${this.received}`);
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    return this.received;
  }

  /** Resolves with all bytes when the other side has ended or cut the connection. */
  async all(): Promise<string> {
    this.socket.once("end", () => this.socket.end());
    await this.#closed;
    return this.received;
  }

  close(): void {
    this.socket.destroy();
  }
}

/** A visitor's connection to the relay. */
export async function rawVisitor(port: number): Promise<RawPeer> {
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  await once(socket, "connect");
  return new RawPeer(socket);
}

/** A local service that sends nothing by itself. */
export interface RawService extends RawServer {
  /** The connection on which the client sends matching bytes: a new one, or one that it keeps. */
  receiving(pattern: RegExp): Promise<RawPeer>;
}

export async function startRawService(): Promise<RawService> {
  const peers: RawPeer[] = [];
  const wakers = new Set<() => void>();
  const server = await startRawServer((socket) => {
    peers.push(new RawPeer(socket));
    // This listener comes after the peer's own.
    socket.on("data", () => {
      for (const wake of wakers) wake();
    });
  });
  return {
    ...server,
    async receiving(pattern) {
      for (;;) {
        const found = peers.find((peer) => !peer.socket.destroyed && pattern.test(peer.received));
        if (found !== undefined) return found;
        await new Promise<void>((resolve) => {
          const wake = (): void => {
            wakers.delete(wake);
            resolve();
          };
          wakers.add(wake);
        });
      }
    },
  };
}
