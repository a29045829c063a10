import type { Socket } from "node:net";
import { TunnelError } from "mcp-tunnel-protocol";
import { messageOf } from "mcp-tunnel-shared";
import type { Engine, NodeInfo } from "../engine.js";
import { type Call, lineOf, maxMessageBytes, readCall, readLines, type Said } from "./messages.js";

/** The connection over which each node has renewed its lease last. */
export type NodeOwners = Map<string, Caller>;

/** The connection of a worker, at the primary's end. */
export class Caller {
  /** Resolves when the connection is over, and its nodes have left. Never rejects. */
  readonly ended: Promise<void>;
  readonly #socket: Socket;
  readonly #engine: Engine;
  readonly #owners: NodeOwners;

  constructor(socket: Socket, engine: Engine, owners: NodeOwners) {
    this.#socket = socket;
    this.#engine = engine;
    this.#owners = owners;
    const stop = engine.watch((event) => this.#say({ event }));
    readLines(socket, (line) => this.#onLine(line));
    // A broken connection is a closed one, and "close" follows.
    socket.on("error", () => {});
    this.ended = new Promise((resolve) => {
      socket.once("close", () => {
        stop();
        void this.#leave().then(resolve);
      });
    });
  }

  async close(): Promise<void> {
    this.#socket.destroy();
    await this.ended;
  }

  #onLine(line: string): void {
    const call = readCall(line);
    // No worker of this program says that, so nothing that follows can be trusted.
    if (call === undefined) this.#socket.destroy();
    else void this.#answer(call);
  }

  async #answer(call: Call): Promise<void> {
    const { id } = call;
    try {
      this.#own(call);
      const method = this.#engine[call.call] as (...args: readonly unknown[]) => Promise<unknown>;
      this.#say({ id, value: await method.apply(this.#engine, [...call.args]) });
    } catch (error) {
      const code = error instanceof TunnelError ? error.code : "unavailable";
      this.#say({ id, error: { code, message: messageOf(error) } });
    }
  }

  /** A worker whose connection broke is back before its old connection has ended, and its nodes stay. */
  #own({ call, args }: Call): void {
    if (call === "join" || call === "renew") this.#owners.set((args[0] as NodeInfo).id, this);
  }

  #say(said: Said): void {
    if (this.#socket.destroyed) return;
    this.#socket.write(lineOf(said));
    // A worker that hangs would fill the memory. It connects again when it goes on.
    if (this.#socket.writableLength > maxMessageBytes) this.#socket.destroy();
  }

  async #leave(): Promise<void> {
    const nodes = [...this.#owners].filter(([, owner]) => owner === this).map(([node]) => node);
    for (const node of nodes) this.#owners.delete(node);
    // An engine that does not answer forgets the nodes by itself, when their leases end.
    await Promise.allSettled(nodes.map((node) => this.#engine.leave(node)));
  }
}
