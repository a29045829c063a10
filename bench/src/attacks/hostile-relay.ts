import { once } from "node:events";
import { type WebSocket, WebSocketServer } from "ws";
import type { Wire } from "./hostile-client.js";
import { bareFrame, FrameReader } from "./wire.js";

/** A relay to which a client connects, and which asks the client for things that no honest relay would. */
export class HostileRelay {
  readonly #server: WebSocketServer;
  readonly #wire: Wire;

  constructor(port: number, wire: Wire) {
    this.#server = new WebSocketServer({ host: "127.0.0.1", port, perMessageDeflate: false });
    this.#wire = wire;
  }

  /** The next client that registers, within `limitMs`; undefined if none does. */
  async client(limitMs: number): Promise<Victim | undefined> {
    const signal = AbortSignal.timeout(Math.round(limitMs));
    try {
      const [socket] = (await once(this.#server, "connection", { signal })) as [WebSocket];
      socket.on("error", () => {});
      await once(socket, "message", { signal });
      const protocol = this.#wire === "v1" ? 1 : undefined;
      socket.send(JSON.stringify({ subdomain: "target", url: "http://target.localhost", protocol }));
      return new Victim(socket, this.#wire);
    } catch {
      return undefined;
    }
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#server.clients) socket.terminate();
  }
}

/** A client that has registered. */
export class Victim {
  readonly #socket: WebSocket;
  readonly #wire: Wire;
  readonly #frames = new FrameReader();
  readonly #answers = new Map<string, (status: number) => void>();
  #nextId = 1;

  constructor(socket: WebSocket, wire: Wire) {
    this.#socket = socket;
    this.#wire = wire;
    socket.on("message", (data) => this.#read(data as Buffer));
  }

  /** Bytes written that the client has not taken yet. */
  get backlog(): number {
    return this.#socket.bufferedAmount;
  }

  /** Sends a request with a body of 11 MB. On v1 only the part for which there is credit at first. */
  upload(path: string, headers: readonly string[]): void {
    const id = this.#nextId++;
    if (this.#wire === "json") {
      this.#request(id, "POST", path, headers, base64Body);
      return;
    }
    this.#request(id, "POST", path, [...headers, "Content-Length", String(bodyBytes)], base64Body);
    const chunk = Buffer.alloc(262_144, "x");
    for (let sent = 0; sent < initialCredit; sent += chunk.length) {
      this.#socket.send(bareFrame(0x05, id, chunk));
    }
  }

  /** Asks for `path` and resolves with the status of the answer; 0 if there is none within `limitMs`. */
  ask(path: string, limitMs: number): Promise<number> {
    const id = this.#nextId++;
    return new Promise((resolve) => {
      const timer = setTimeout(() => settle(0), limitMs);
      const settle = (status: number): void => {
        clearTimeout(timer);
        this.#answers.delete(String(id));
        resolve(status);
      };
      this.#answers.set(String(id), settle);
      this.#request(id, "GET", path, [], "");
    });
  }

  /** Breaks the connection off. */
  drop(): void {
    this.#socket.terminate();
  }

  /** `body`, in base64, is sent on the JSON wire only. */
  #request(id: number, method: string, path: string, headers: readonly string[], body: string): void {
    if (this.#wire === "v1") {
      const head = [method, path, "Host", "target.localhost", ...headers].join("\n");
      this.#socket.send(bareFrame(body === "" ? 0x82 : 0x02, id, head));
      return;
    }
    const rest = JSON.stringify({ kind: "request", id: String(id), method, path, headers: {} }).slice(1);
    this.#socket.send(`{"body":"${body}",${rest}`);
  }

  #read(data: Buffer): void {
    if (this.#wire === "v1") {
      for (const { type, stream, payload } of this.#frames.read(data)) {
        if (type === 0x04) this.#answers.get(String(stream))?.(Number(payload.toString("latin1", 0, 3)));
        if (type === 0x07) this.#answers.get(String(stream))?.(0);
      }
      return;
    }
    const { kind, id, status } = JSON.parse(data.toString()) as { kind: string; id: string; status?: number };
    if (kind !== "response_chunk") this.#answers.get(id)?.(status ?? 0);
  }
}

const bodyBytes = 11_000_001;
/** As much of the body as fits into a message of 16 MiB. */
const base64Body = "eHh4".repeat(bodyBytes / 3);
/** Bytes that a client takes of each stream before it gives credit, unless it announces another number. */
const initialCredit = 1_048_576;
