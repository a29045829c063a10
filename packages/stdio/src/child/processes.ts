import { ServerProcess } from "./server-process.js";
import { startServer } from "./spawn.js";
import type { ProcessPurpose } from "../events.js";
import type { ResolvedStdioOptions } from "../options.js";
import type { OpenPipe, Pipe, PipeEnd, PipeOwner } from "../pipe.js";

/** All processes of one server: they are started here, and end with this at the latest. */
export class Processes {
  readonly #options: ResolvedStdioOptions;
  readonly #running = new Set<ServerProcess>();
  #state: "open" | "closed" = "open";
  #count = 0;

  constructor(options: ResolvedStdioOptions) {
    this.#options = options;
  }

  /** Processes that run, and those whose group is being ended. */
  get size(): number {
    return this.#running.size;
  }

  /** A way to start processes for one purpose. */
  open(purpose: ProcessPurpose): OpenPipe {
    return (owner) => this.#open(purpose, owner);
  }

  /**
   * Ends all processes. Resolves when they and their groups are gone. What is opened from now on ends at
   * once.
   */
  async close(): Promise<void> {
    this.#state = "closed";
    await Promise.all(
      [...this.#running].map((server) => {
        void server.end();
        return server.cleared;
      }),
    );
  }

  #open(purpose: ProcessPurpose, owner: PipeOwner): Pipe {
    if (this.#state === "closed") {
      return new NeverStarted({ code: "ended", message: "No process is started any more." }, owner);
    }
    this.#count += 1;
    const number = this.#count;
    const { onEvent } = this.#options;
    const started = startServer(this.#options);
    if ("code" in started) {
      onEvent({ type: "failed", process: number, ...started });
      return new NeverStarted(started, owner);
    }
    onEvent({ type: "started", process: number, purpose });
    const server = new ServerProcess(this.#options, started, owner, (event) => {
      onEvent({ ...event, process: number });
    });
    this.#running.add(server);
    void server.cleared.then(() => this.#running.delete(server));
    return server;
  }
}

/** The pipe of a process that could not be started. */
class NeverStarted implements Pipe {
  readonly #ended: Promise<void>;

  constructor(end: PipeEnd, owner: PipeOwner) {
    this.#ended = new Promise((resolve) => {
      setImmediate(() => {
        owner.onEnd(end);
        resolve();
      });
    });
  }

  send(): boolean {
    return true;
  }

  pause(): void {}

  resume(): void {}

  end(): Promise<void> {
    return this.#ended;
  }
}
