import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";

/** How a connection is made. */
export interface LineOptions {
  /** It stays half open when the relay has ended its half. */
  readonly allowHalfOpen?: boolean;
  /** The protocol that is chosen in the handshake, over TLS. Default `http/1.1`. */
  readonly alpn?: "h2" | "http/1.1";
}

/** Where an attack takes place, as the attacker sees it. */
export class Field {
  /** Of the relay that is attacked; where a hostile relay listens, if a client is. */
  readonly port: number;
  readonly untilMs: number;
  readonly tls: boolean;
  /** What was tried so far: connections, requests, messages, whichever the attack is about. */
  attempts = 0;
  /** What should have gone well and did not, as far as only the attacker can tell. */
  readonly failures: Record<string, number> = {};

  /** `untilMs`: when it is over, by `performance.now()`. */
  constructor(port: number, untilMs: number, tls: boolean) {
    this.port = port;
    this.untilMs = untilMs;
    this.tls = tls;
  }

  get isOver(): boolean {
    return performance.now() >= this.untilMs;
  }

  /** Begins `perSecond` of them each second as long as fewer than `most` are going on, until it is over. */
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

  /** A connection from that address. */
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
  /** Resolves when it is closed, which it is at the end of the attack. */
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

  /** Writes `bytes` again and again as fast as they are taken, `atMost` bytes in all, until the connection is closed. */
  async flood(bytes: Buffer, atMost = Number.POSITIVE_INFINITY): Promise<void> {
    for (let sent = 0; sent < atMost && !this.socket.destroyed; sent += bytes.length) {
      const taken = this.socket.write(bytes);
      await new Promise<void>((resolve) => {
        // Others have their turn as well, however fast the other end takes it.
        if (taken) setImmediate(resolve);
        else this.socket.once("drain", resolve);
        void this.closed.then(resolve);
      });
    }
  }

  /** The head of the next answer, or all there was when the connection was closed. */
  async head(): Promise<string> {
    await this.#headHeard;
    return this.#head;
  }
}

/** The head of a request for the tunnel that is attacked. */
export function requestHead(line: string, ...fields: string[]): string {
  return [`${line} HTTP/1.1`, "Host: target.localhost", ...fields, "", ""].join("\r\n");
}
