import type { SessionHandler } from "../tunnel.js";

/**
 * Runs code that calls a stream's handler. If the code throws, the stream is cut and nothing else is touched.
 */
export function guard(session: SessionHandler, stream: { fault(): void }, action: () => void): void {
  try {
    action();
  } catch (error) {
    session.onFault?.(error);
    try {
      stream.fault();
    } catch (again) {
      session.onFault?.(again);
    }
  }
}

/** Promises that resolve when a session has no open stream. */
export class IdleWaiters {
  #waiters: (() => void)[] = [];

  wait(): Promise<void> {
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  resolve(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const resolve of waiters) resolve();
  }
}
