import type { Socket } from "node:net";

/** All connections of one relay with others, so that none outlives it. */
export class OpenSockets {
  readonly #open = new Set<Socket>();
  #empty: Promise<void> | undefined;
  #onEmpty: (() => void) | undefined;

  add(socket: Socket): void {
    this.#open.add(socket);
    socket.once("close", () => {
      this.#open.delete(socket);
      if (this.#open.size === 0) this.#onEmpty?.();
    });
  }

  /** Resolves when all are closed. Those that are still open after `graceMs` are cut. */
  async end(graceMs: number): Promise<void> {
    if (this.#open.size === 0) return;
    // One for all who wait.
    this.#empty ??= new Promise((resolve) => {
      this.#onEmpty = resolve;
    });
    const timer = setTimeout(() => {
      for (const socket of this.#open) socket.destroy();
    }, graceMs);
    await this.#empty;
    clearTimeout(timer);
  }
}
