import { once } from "node:events";
import { Agent, type IncomingMessage, request } from "node:http";
import { connect, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { WebSocket } from "ws";
import { bytesAt } from "../support/bytes.js";
import type { FaultProxy } from "../support/fault-proxy.js";

/** The exchanges in a run of the traffic, by kind. */
export type Tally = Record<string, number>;

const host = "demo.localhost";
const upload = bytesAt(0, 300_000);

/**
 * Honest and other traffic of all kinds at once, for a while. Everything is closed again when `run` resolves.
 */
export class Traffic {
  /** The relay's own port, for visitors. */
  readonly #port: number;
  /** The proxy between the client and the relay. */
  readonly #proxy: FaultProxy;
  #agent = new Agent();
  #untilMs = 0;
  readonly tally: Tally = {};
  /** Wrong answers: cut off without a reason, or different from the service's. */
  readonly wrong: string[] = [];

  constructor(port: number, proxy: FaultProxy) {
    this.#port = port;
    this.#proxy = proxy;
  }

  async run(ms: number): Promise<void> {
    this.#untilMs = performance.now() + ms;
    this.#agent = new Agent({ keepAlive: true, maxSockets: 20 });
    await Promise.all([
      this.#again("requests", 4, () => this.#get("/", 2)),
      this.#again("downloads", 2, () => this.#get("/big", 300_000)),
      this.#again("uploads", 2, () => this.#post()),
      this.#again("event streams", 2, () => this.#get("/events", 57)),
      this.#again("upgrades", 2, () => this.#upgrade()),
      this.#again("given up", 2, () => this.#giveUp()),
      this.#again("bad visitors", 2, (i) => this.#badVisitor(i)),
      this.#again("bad clients", 1, (i) => this.#badClient(i)),
      this.#again("evictions", 1, (i) => this.#evict(i)),
      this.#again("lost clients", 1, (i) => this.#lostClient(i)),
      this.#again("cut links", 1, () => this.#cut()),
    ]);
    this.#agent.destroy();
  }

  async #again(kind: string, atOnce: number, one: (i: number) => Promise<void>): Promise<void> {
    const work = async (): Promise<void> => {
      while (performance.now() < this.#untilMs) {
        const count = (this.tally[kind] ?? 0) + 1;
        this.tally[kind] = count;
        await one(count).catch((error: unknown) => this.wrong.push(`${kind}: ${String(error)}`));
        await delay(10);
      }
    };
    await Promise.all(Array.from({ length: atOnce }, work));
  }

  async #get(path: string, length: number): Promise<void> {
    const req = request({ agent: this.#agent, host: "127.0.0.1", port: this.#port, path, headers: { host } });
    req.end();
    const [res] = (await once(req, "response")) as [IncomingMessage];
    const body = await collect(res);
    if (res.statusCode !== 200 || body.length !== length) {
      throw new Error(`${res.statusCode} with ${body.length} bytes: ${body.toString("latin1", 0, 100)}`);
    }
  }

  async #post(): Promise<void> {
    const headers = { host, "content-length": upload.length };
    const req = request({
      agent: this.#agent,
      host: "127.0.0.1",
      port: this.#port,
      path: "/echo",
      method: "POST",
      headers,
    });
    req.end(upload);
    const [res] = (await once(req, "response")) as [IncomingMessage];
    if (!(await collect(res)).equals(upload)) throw new Error(`${res.statusCode}, and not what was sent`);
  }

  async #upgrade(): Promise<void> {
    const socket = this.#connect();
    socket.write(`GET /upgrade HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n`);
    await received(socket, (text) => text.endsWith("\r\n\r\n"));
    socket.write("over and over");
    await received(socket, (text) => text.endsWith("over and over"));
    socket.destroy();
  }

  async #giveUp(): Promise<void> {
    const socket = this.#connect();
    const path = Math.random() < 0.5 ? "/hang" : "/big";
    socket.write(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    await delay(20 * Math.random());
    socket.resetAndDestroy();
  }

  async #badVisitor(i: number): Promise<void> {
    const bad = [
      "GET / HTTP/1.1\r\nHost: demo.localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
      "\x16\x03\x01\x00\x05hello\r\n\r\n",
      "POST /echo HTTP/1.1\r\nHost: demo.localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhellooo",
      `GET / HTTP/1.1\r\nHost: demo.localhost\r\nX: ${"x".repeat(40_000)}\r\n\r\n`,
      "GET / HTTP/1.1\r\nHost: demo.localhost\r\nX-Slow: ",
      "POST /echo HTTP/1.1\r\nHost: demo.localhost\r\nContent-Length: 500\r\n\r\nhalf of it",
    ];
    const socket = this.#connect();
    socket.write(bad[i % bad.length] as string);
    await Promise.race([once(socket, "close"), delay(300)]);
    socket.destroy();
  }

  async #badClient(i: number): Promise<void> {
    const ws = await this.#webSocket();
    const bad: (string | Buffer)[] = [
      "{",
      JSON.stringify({ token: 5 }),
      Buffer.alloc(100),
      "x".repeat(70_000),
    ];
    if (i % 2 === 0) {
      ws.send(JSON.stringify({ token: "t", subdomain: `bad-${i % 5}`, protocol: [1] }));
      await once(ws, "message");
    }
    ws.send(bad[i % bad.length] as string);
    await Promise.race([once(ws, "close"), delay(100)]);
    ws.terminate();
  }

  async #evict(i: number): Promise<void> {
    const message = JSON.stringify({
      token: "t",
      subdomain: "contested",
      ...(i % 2 === 0 && { protocol: [1] }),
    });
    const [one, other] = [await this.#webSocket(), await this.#webSocket()];
    const evicted = once(one, "close");
    one.send(message);
    await once(one, "message");
    other.send(message);
    const [code] = (await evicted) as [number];
    if (code !== 4002) throw new Error(`closed with ${code}`);
    other.terminate();
  }

  /** A client that has a request open when it is gone for good. */
  async #lostClient(i: number): Promise<void> {
    const ws = await this.#webSocket();
    ws.send(
      JSON.stringify({ token: "t", subdomain: `lost-${i % 3}`, ...(i % 2 === 0 && { protocol: [1] }) }),
    );
    await once(ws, "message");
    const socket = this.#connect();
    const request = once(ws, "message");
    socket.write(`GET / HTTP/1.1\r\nHost: lost-${i % 3}.localhost\r\nConnection: close\r\n\r\n`);
    await request;
    ws.terminate();
    await received(socket, (text) => text.startsWith("HTTP/1.1 5"));
    socket.destroy();
  }

  async #cut(): Promise<void> {
    await delay(700);
    const again = this.#proxy.nextConnection();
    this.#proxy.cut();
    await again;
  }

  async #webSocket(): Promise<WebSocket> {
    const ws = new WebSocket(`ws://127.0.0.1:${this.#port}/_tunnel/register`, { perMessageDeflate: false });
    ws.on("error", () => {});
    await once(ws, "open");
    return ws;
  }

  #connect(): Socket {
    const socket = connect({ port: this.#port, host: "127.0.0.1" });
    socket.on("error", () => {});
    return socket;
  }
}

async function collect(res: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of res) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** Waits until `done` accepts the received text. @throws Error when the connection is closed before. */
async function received(socket: Socket, done: (text: string) => boolean): Promise<void> {
  let text = "";
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    text += (chunk as Buffer).toString("latin1");
    if (done(text)) return;
  }
  throw new Error(`closed after ${JSON.stringify(text.slice(0, 100))}`);
}
