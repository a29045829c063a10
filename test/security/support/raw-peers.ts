import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { WebSocket, WebSocketServer } from "ws";
import { frame, parse, types, type WireFrame } from "../../../packages/protocol/test/support/wire.js";

/** One end of a tunnel's WebSocket in the hands of the test: it sends anything and sees all messages. */
export class RawPeer {
  readonly ws: WebSocket;
  readonly closed: Promise<{ code: number; reason: string }>;
  #heard = Buffer.alloc(0);
  readonly #waiters = new Set<() => void>();

  constructor(ws: WebSocket) {
    this.ws = ws;
    ws.on("error", () => {});
    ws.on("message", (data: Buffer, isBinary: boolean) => {
      if (isBinary) this.#heard = Buffer.concat([this.#heard, data]);
      this.#wake();
    });
    this.closed = new Promise((resolve) => {
      ws.on("close", (code, reason) => {
        resolve({ code, reason: reason.toString() });
        this.#wake();
      });
    });
  }

  /** Every whole frame that the other end has sent. */
  get frames(): WireFrame[] {
    return parse(this.#heard);
  }

  send(bytes: Buffer | string): void {
    this.ws.send(bytes);
  }

  /** Waits for a frame of that type among those after the first `from`. */
  next(type: keyof typeof types, from = 0): Promise<WireFrame> {
    return this.until((frames) => frames.slice(from).find((candidate) => candidate.type === types[type]));
  }

  /**
   * Waits until `find` finds something in the received frames.
   * @throws Error when the connection is closed before.
   */
  async until<T>(find: (frames: readonly WireFrame[]) => T | undefined): Promise<T> {
    for (;;) {
      const found = find(this.frames);
      if (found !== undefined) return found;
      if (this.ws.readyState === WebSocket.CLOSED) throw new Error("closed before it came");
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#waiters.delete(wake);
          resolve();
        };
        this.#waiters.add(wake);
      });
    }
  }

  /** Answers a request with a complete response. */
  answer(stream: number, text: string, headers: readonly string[] = []): void {
    const head = ["200", "Content-Length", String(text.length), ...headers].join("\n");
    this.send(Buffer.concat([frame(types.RESPONSE, stream, head), frame(types.DATA | 0x80, stream, text)]));
  }

  close(): void {
    this.ws.terminate();
  }

  #wake(): void {
    for (const wake of this.#waiters) wake();
  }
}

/** A client that registers and then does what the test says. `message` is merged into the registration. */
export async function connectRawClient(
  port: number,
  name: string,
  message: object = { protocol: [1] },
): Promise<RawPeer> {
  const ws = new WebSocket(`ws://127.0.0.1:${port}/_tunnel/register`, { perMessageDeflate: false });
  // The peer listens from the first byte: the relay may have requests for it at once.
  const peer = new RawPeer(ws);
  await once(ws, "open");
  ws.send(JSON.stringify({ token: "t", subdomain: name, ...message }));
  await once(ws, "message");
  return peer;
}

/**
 * The result of a registration: the name, the code of the close, or the status of the answer to the
 * handshake.
 */
export type Outcome = string | number;

/** Registers from an address. If the client got a name, `peer` has the connection. */
export async function tryToRegister(
  port: number,
  message: object,
  localAddress = "127.0.0.1",
): Promise<{ outcome: Outcome; peer: RawPeer }> {
  const ws = new WebSocket(`ws://127.0.0.1:${port}/_tunnel/register`, {
    perMessageDeflate: false,
    localAddress,
  });
  const peer = new RawPeer(ws);
  const outcome = await new Promise<Outcome>((resolve) => {
    ws.once("open", () => ws.send(JSON.stringify({ protocol: [1], ...message })));
    ws.once("message", (data: Buffer) =>
      resolve((JSON.parse(data.toString()) as { subdomain: string }).subdomain),
    );
    ws.once("unexpected-response", (_req, res) => resolve(res.statusCode ?? 0));
    ws.once("close", (code) => resolve(code));
  });
  if (typeof outcome === "number") ws.terminate();
  return { outcome, peer };
}

/** A relay that registers every client and then does what the test says. */
export interface RawRelay {
  readonly port: number;
  /**
   * The connection of the next client that has registered. With `name`: of the next client that asked for it.
   */
  nextClient(name?: string): Promise<RawPeer>;
  close(): Promise<void>;
}

/** `acknowledge` is merged into the acknowledgement for the client. */
export async function startRawRelay(acknowledge: object = { protocol: 1 }): Promise<RawRelay> {
  const server = createServer();
  const webSockets = new WebSocketServer({ server, maxPayload: 1 << 26 });
  const sockets = new Set<Socket>();
  const arrived: { name: string; peer: RawPeer }[] = [];
  let wake = (): void => {};
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  webSockets.on("connection", (ws) => {
    ws.once("message", (data: Buffer) => {
      const asked = JSON.parse(data.toString()) as { subdomain?: string | null };
      const subdomain = asked.subdomain ?? "app";
      ws.send(JSON.stringify({ subdomain, url: `http://${subdomain}.tunnel.test`, ...acknowledge }));
      arrived.push({ name: subdomain, peer: new RawPeer(ws) });
      wake();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    async nextClient(wanted) {
      for (;;) {
        const at = arrived.findIndex(({ name }) => wanted === undefined || name === wanted);
        const [found] = at === -1 ? [] : arrived.splice(at, 1);
        if (found !== undefined) return found.peer;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
    async close() {
      webSockets.close();
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, "close");
    },
  };
}
