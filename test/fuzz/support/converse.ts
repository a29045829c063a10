import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { Duplex } from "node:stream";
import { setImmediate as turn } from "node:timers/promises";
import { connect as connectTls } from "node:tls";
import type { Conversation, Move, Way } from "./conversations.js";
import { FrameWriter } from "./http2-frames.js";

/** The ports of the ways, of one relay or of several. */
export type Ports = Partial<Record<Way, number>>;

/** How long a visitor waits for something that may not come, in milliseconds. */
const momentMs = 15;

/** A visitor of a plan and his connection. */
export class Peer {
  /** The port by which the relay knows the visitor. */
  readonly localPort: number;
  readonly conversation: Conversation;
  readonly #raw: Socket;
  readonly #socket: Socket;
  readonly #frames = new FrameWriter();
  #unheard = 0;
  #dripping: NodeJS.Timeout | undefined;

  private constructor(conversation: Conversation, raw: Socket, socket: Socket) {
    this.conversation = conversation;
    this.localPort = raw.localPort as number;
    this.#raw = raw;
    this.#socket = socket;
    socket.on("data", (chunk: Buffer) => {
      this.#unheard += chunk.length;
    });
  }

  /** Plays the whole conversation. A visitor whose ending is to stay has not left afterwards. */
  static async converse(conversation: Conversation, ports: Ports): Promise<Peer> {
    const { way, moves } = conversation;
    // This end sees the other side's end and stays.
    const raw = connect({
      port: ports[way] as number,
      host: "127.0.0.1",
      allowHalfOpen: true,
      noDelay: true,
    });
    raw.on("error", () => {});
    await once(raw, "connect");
    const socket = way === "tls" || way === "h2" ? await handshake(raw, way) : raw;
    const peer = new Peer(conversation, raw, socket);
    await peer.#play(moves);
    peer.#end();
    return peer;
  }

  /** Makes a visitor who stays leave. */
  leave(): void {
    clearInterval(this.#dripping);
    this.#socket.destroy();
    this.#raw.destroy();
  }

  async #play(moves: readonly Move[]): Promise<void> {
    let unsaid: Buffer[] = [];
    for (const move of moves) {
      if (typeof move !== "string") {
        unsaid.push(await this.#bytes(move));
        continue;
      }
      await this.#say(Buffer.concat(unsaid));
      unsaid = [];
      if (move === "listen") await this.#answer();
      else if (move === "end") this.#socket.end();
      else if (move === "deaf") this.#socket.pause();
      else this.#socket.resume();
    }
    await this.#say(Buffer.concat(unsaid));
    await this.#answer();
  }

  #end(): void {
    const { ending } = this.conversation;
    if (ending === "close") this.leave();
    else if (ending === "reset") this.#raw.resetAndDestroy();
    else this.#socket.pause();
    if (ending !== "drip") return;
    this.#dripping = setInterval(() => {
      if (this.#socket.writable) this.#socket.write("x");
      else clearInterval(this.#dripping);
    }, momentMs);
  }

  async #bytes(move: Exclude<Move, string>): Promise<Buffer> {
    if ("say" in move) return Buffer.from(move.say, "latin1");
    if ("hello" in move) return (await clientHello()).subarray(0, move.hello);
    return this.#frames.bytes(move);
  }

  /** Writes a packet for each piece between the cuts. */
  async #say(said: Buffer): Promise<void> {
    const places = this.conversation.cuts.map((cut) => cut % (said.length + 1));
    const ends = [...new Set([...places, said.length])].sort((a, b) => a - b);
    let from = 0;
    for (const to of ends) {
      const piece = said.subarray(from, to);
      from = to;
      if (piece.length === 0) continue;
      if (this.#socket.destroyed || !this.#socket.writable) return;
      await this.#moment((done) => this.#socket.write(piece, done));
      // A relay in this process reads this piece now, and not together with the next one.
      await turn();
    }
  }

  /**
   * Waits for the next bytes of an answer, for the end, or for a moment without either: the relay may rightly
   * wait for more.
   */
  async #answer(): Promise<void> {
    const hear = (done: () => void): void => {
      this.#socket.once("data", done);
    };
    if (this.#unheard === 0 && !this.#socket.destroyed) await this.#moment(hear);
    this.#unheard = 0;
  }

  async #moment(begin: (done: () => void) => void): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, momentMs);
      const done = (): void => {
        clearTimeout(timer);
        this.#socket.off("close", done);
        resolve();
      };
      this.#socket.once("close", done);
      begin(done);
    });
  }
}

/** @throws Error when the relay does not shake hands, because no plan depends on that. */
async function handshake(raw: Socket, way: "tls" | "h2"): Promise<Socket> {
  const socket = connectTls({
    socket: raw,
    servername: "demo.localhost",
    rejectUnauthorized: false,
    ALPNProtocols: [way === "h2" ? "h2" : "http/1.1"],
  });
  socket.on("error", () => {});
  await once(socket, "secureConnect");
  return socket;
}

let hello: Promise<Buffer> | undefined;

/** The first bytes of a TLS client. */
function clientHello(): Promise<Buffer> {
  hello ??= new Promise((resolve) => {
    const catcher = new Duplex({
      read() {},
      write(chunk: Buffer, _encoding, done) {
        resolve(chunk);
        done();
      },
    });
    connectTls({ socket: catcher, servername: "demo.localhost" }).on("error", () => {});
  });
  return hello;
}
