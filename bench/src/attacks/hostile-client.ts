import { once } from "node:events";
import { WebSocket } from "ws";
import type { Field } from "./field.js";
import { FrameReader } from "./wire.js";

/** The binary protocol, or the original's JSON wire. */
export type Wire = "v1" | "json";

/**
 * A client that holds a name and answers as no honest client would. It disconnects when the attack is over.
 */
export class HostileClient {
  /** Called with the id of each request. On v1 this is the number of the stream. */
  onRequest: (id: string) => void = () => {};
  readonly #socket: WebSocket;
  readonly #wire: Wire;
  readonly #frames = new FrameReader();

  private constructor(socket: WebSocket, wire: Wire) {
    this.#socket = socket;
    this.#wire = wire;
    socket.on("message", (data) => this.#read(data as Buffer));
  }

  /** Registers `name` from the `i`th of 20 addresses. Undefined when the relay has no place for it. */
  static async register(
    field: Field,
    i: number,
    name: string,
    wire: Wire,
  ): Promise<HostileClient | undefined> {
    const url = `${field.tls ? "wss" : "ws"}://127.0.0.1:${field.port}/_tunnel/register`;
    const socket = new WebSocket(url, {
      localAddress: field.address(i, 20),
      rejectUnauthorized: false,
      perMessageDeflate: false,
      // Masking is work that would slow the attacker down.
      generateMask: (mask) => mask.fill(0),
    });
    const timer = setTimeout(() => socket.terminate(), Math.max(0, field.untilMs - performance.now()));
    socket.on("close", () => clearTimeout(timer));
    const protocol = wire === "v1" ? [1] : undefined;
    const message = { token: `token of ${name}`, subdomain: name, protocol };
    socket.on("open", () => socket.send(JSON.stringify(message)));
    // A failed connection shows as the first message that never comes.
    socket.on("error", () => {});
    const isTaken = await Promise.race([
      once(socket, "message").then(
        () => true,
        () => false,
      ),
      new Promise<boolean>((resolve) => socket.once("close", () => resolve(false))),
    ]);
    return isTaken ? new HostileClient(socket, wire) : undefined;
  }

  /** Bytes written that have not left yet. */
  get backlog(): number {
    return this.#socket.bufferedAmount;
  }

  get isOpen(): boolean {
    return this.#socket.readyState === WebSocket.OPEN;
  }

  /** Says a message: frames on v1, text on the JSON wire. */
  say(message: Buffer | string): void {
    if (this.isOpen) this.#socket.send(message, { binary: this.#wire === "v1" });
  }

  close(): void {
    this.#socket.close(1_000);
  }

  #read(data: Buffer): void {
    if (this.#wire === "v1") {
      for (const { type, stream } of this.#frames.read(data)) {
        if (type === 0x02) this.onRequest(String(stream));
      }
      return;
    }
    const { kind, id } = JSON.parse(data.toString()) as { kind?: string; id: string };
    if (kind === "request") this.onRequest(id);
  }
}
