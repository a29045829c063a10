import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";

/** How a connection is made. */
export interface LineOptions {
  /** The connection stays half open when the relay has ended its half. */
  readonly allowHalfOpen?: boolean;
  /** The protocol that is chosen in the handshake, over TLS. Default `http/1.1`. */
  readonly alpn?: "h2" | "http/1.1";
}

/** The place of an attack, as the attacker sees it. */
export class Field {
  /** The port of the relay that is attacked. If a client is attacked: where the hostile relay listens. */
  readonly port: number;
  readonly untilMs: number;
  readonly tls: boolean;
  /** Attempts so far: connections, requests or messages, depending on the attack. */
  attempts = 0;
  /** Things that should have gone well and did not, as far as only the attacker can tell. */
  readonly failures: Record<string, number> = {};

  /** `untilMs`: the end of the attack, by `performance.now()`. */
  constructor(port: number, untilMs: number, tls: boolean) {
    this.port = port;
    this.untilMs = untilMs;
    this.tls = tls;
  }

  get isOver(): boolean {
    return performance.now() >= this.untilMs;
  }

  /**
   * Begins `perSecond` attempts each second until the attack is over, as long as fewer than `most` are going
   * on.
   */
  async paced(perSecond: number, most: number, begin: (i: number) => Promise<void>): Promise<void> {
    const startedAtMs = performance.now();
    const open = new Set<Promise<void>>();
    let due = 0;
    await new Promise<void>((resolve) => {
      const timer = setInterval(() => {
        if (this.isOver) {
          clearInterval(timer);
          resolve();
          return;
        }
        for (; due < ((performance.now() - startedAtMs) / 1_000) * perSecond; due++) {
          if (open.size >= most) continue;
          const one = begin(this.attempts++).finally(() => open.delete(one));
          open.add(one);
        }
      }, 10);
    });
  }

  /** The `i`th of the attacker's `addresses` addresses. */
  address(i: number, addresses = 1): string {
    return `127.0.1.${1 + (i % addresses)}`;
  }

  /** A connection from the `i`th address. */
  connect(i: number, addresses = 1, { allowHalfOpen = false, alpn = "http/1.1" }: LineOptions = {}): Line {
    const place = {
      host: "127.0.0.1",
      port: this.port,
      localAddress: this.address(i, addresses),
      allowHalfOpen,
    };
    const socket = this.tls
      ? connectTls({ ...place, ALPNProtocols: [alpn], rejectUnauthorized: false })
      : connect(place);
    return new Line(socket, this.untilMs);
  }
}

/** A connection of which the attacker writes every byte. */
export class Line {
  readonly socket: Socket;
  /** Resolves when the connection is closed, at the latest at the end of the attack. */
  readonly closed: Promise<void>;
  #head = "";
  readonly #headHeard: Promise<void>;

  constructor(socket: Socket, untilMs: number) {
    this.socket = socket;
    this.socket.on("error", () => {});
    const timer = setTimeout(() => this.socket.destroy(), Math.max(0, untilMs - performance.now()));
    this.closed = new Promise((resolve) => {
      this.socket.on("close", () => {
        clearTimeout(timer);
        resolve();
      });
    });
    this.#headHeard = new Promise((resolve) => {
      const hear = (chunk: Buffer): void => {
        this.#head += chunk.toString("latin1");
        if (!this.#head.includes("\r\n\r\n")) return;
        this.socket.off("data", hear);
        this.socket.resume();
        resolve();
      };
      this.socket.on("data", hear);
      void this.closed.then(resolve);
    });
  }

  say(bytes: string | Buffer): void {
    if (!this.socket.destroyed) this.socket.write(bytes, "latin1");
  }

  /** Says `bytes` again every so often until the connection is closed. */
  drip(bytes: string, everyMs: number): void {
    const timer = setInterval(() => this.say(bytes), everyMs);
    void this.closed.then(() => clearInterval(timer));
  }

  /**
   * Writes `bytes` again and again as fast as the other end takes them, `atMost` bytes in all, until the
   * connection is closed.
   */
  async flood(bytes: Buffer, atMost = Number.POSITIVE_INFINITY): Promise<void> {
    for (let sent = 0; sent < atMost && !this.socket.destroyed; sent += bytes.length) {
      const taken = this.socket.write(bytes);
      await new Promise<void>((resolve) => {
        // The other connections have their turn as well, however fast this one takes the bytes.
        if (taken) setImmediate(resolve);
        else this.socket.once("drain", resolve);
        void this.closed.then(resolve);
      });
    }
  }

  /** The head of the next answer, or everything that came if the connection was closed first. */
  async head(): Promise<string> {
    await this.#headHeard;
    return this.#head;
  }
}

/** The head of a request for the tunnel that is attacked. */
export function requestHead(line: string, ...fields: string[]): string {
  return [`${line} HTTP/1.1`, "Host: target.localhost", ...fields, "", ""].join("\r\n");
}
