import { connect, type Socket } from "node:net";

/** Where an attack takes place, as the attacker sees it. */
export class Field {
  readonly port: number;
  readonly untilMs: number;
  /** What was tried so far: connections, requests, messages, whichever the attack is about. */
  attempts = 0;

  /** `untilMs`: when it is over, by `performance.now()`. */
  constructor(port: number, untilMs: number) {
    this.port = port;
    this.untilMs = untilMs;
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

  /** A connection from the `i`th of the attacker's `addresses` addresses. */
  connect(i: number, addresses = 1): Line {
    return new Line(this.port, `127.0.1.${1 + (i % addresses)}`, this.untilMs);
  }
}

/** A connection of which the attacker writes every byte. */
export class Line {
  readonly socket: Socket;
  /** Resolves when it is closed, which it is at the end of the attack. */
  readonly closed: Promise<void>;
  #head = "";
  readonly #headHeard: Promise<void>;

  constructor(port: number, localAddress: string, untilMs: number) {
    this.socket = connect({ host: "127.0.0.1", port, localAddress });
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

/** What makes a connection a WebSocket on which a client may register. */
export const handshake = [
  "GET /_tunnel/register HTTP/1.1",
  "Host: localhost",
  "Connection: Upgrade",
  "Upgrade: websocket",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
  "",
  "",
].join("\r\n");

/** The kinds of WebSocket frames, final and not. */
export const kinds = { text: 0x81, binary: 0x82, ping: 0x89, textBegins: 0x01, continues: 0x00 } as const;

/** A WebSocket frame of a client, masked with zeros. `length` may lie. */
export function message(kind: number, payload: Buffer | string, length?: number): Buffer {
  const bytes = Buffer.from(payload);
  const header = Buffer.alloc(14);
  header[0] = kind;
  header[1] = 0x80 | 127;
  header.writeBigUInt64BE(BigInt(length ?? bytes.length), 2);
  return Buffer.concat([header, bytes]);
}

/** A frame of the tunnel's protocol, in a message of its own. */
export function frame(type: number, stream: number, payload: Buffer | string = ""): Buffer {
  const bytes = Buffer.from(payload);
  const header = Buffer.alloc(8);
  header.writeUInt8(type, 0);
  header.writeUIntBE(bytes.length, 1, 3);
  header.writeUInt32BE(stream, 4);
  return message(kinds.binary, Buffer.concat([header, bytes]));
}
