import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TunnelError } from "mcp-tunnel-protocol";
import { messageOf } from "mcp-tunnel-shared";
import type { Engine } from "../engine.js";
import { Caller, type NodeOwners } from "./caller.js";

/**
 * Lends an engine to the workers of this machine, over a unix socket in a folder that this user alone can
 * enter. The connection of a worker is as good as a lease: when it ends, the nodes that renewed over it have
 * left.
 */
export class EngineServer {
  readonly #engine: Engine;
  readonly #server: Server;
  readonly #callers = new Set<Caller>();
  readonly #owners: NodeOwners = new Map();
  #folder: string | undefined;

  constructor(engine: Engine) {
    this.#engine = engine;
    this.#server = createServer((socket) => this.#accept(socket));
    // A connection that could not be accepted does not concern the others. The worker tries again.
    this.#server.on("error", () => {});
  }

  /**
   * Takes connections from now on, and resolves with the path of the socket.
   * @throws TunnelError `unavailable` when there can be no socket in the folder for temporary files.
   */
  async listen(): Promise<string> {
    try {
      // The system makes the folder with mode 0700.
      this.#folder = await mkdtemp(join(tmpdir(), "mcp-tunnel-"));
      const path = join(this.#folder, "engine");
      this.#server.listen(path);
      await once(this.#server, "listening");
      return path;
    } catch (error) {
      await this.#removeFolder();
      const why = `workers have no socket below ${tmpdir()}: ${messageOf(error)}`;
      throw new TunnelError("unavailable", `${why}; set TMPDIR to a folder with a short path`, {
        cause: error,
      });
    }
  }

  #accept(socket: Socket): void {
    const caller = new Caller(socket, this.#engine, this.#owners);
    this.#callers.add(caller);
    void caller.ended.then(() => this.#callers.delete(caller));
  }

  /** Ends all connections. The engine stays open: it belongs to the one who made it. */
  async close(): Promise<void> {
    const isClosed = this.#server.listening ? once(this.#server, "close") : undefined;
    this.#server.close();
    await Promise.all([...this.#callers].map((caller) => caller.close()));
    await isClosed;
    await this.#removeFolder();
  }

  async #removeFolder(): Promise<void> {
    if (this.#folder !== undefined) await rm(this.#folder, { recursive: true, force: true });
    this.#folder = undefined;
  }
}
