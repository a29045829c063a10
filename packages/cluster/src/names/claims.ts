interface Pending {
  count: number;
  readonly afterwards: (() => void)[];
}

/**
 * The claims that the engine has not answered yet. News of a name waits for them: an event may overtake the
 * answer to the claim that it is about, and would be compared with what this relay had before.
 */
export class Claims {
  readonly #pending = new Map<string, Pending>();

  /** Runs the claim of a name. `claim` includes taking note of the answer. */
  async run<T>(name: string, claim: () => Promise<T>): Promise<T> {
    const pending = this.#pending.get(name) ?? { count: 0, afterwards: [] };
    pending.count += 1;
    this.#pending.set(name, pending);
    try {
      return await claim();
    } finally {
      pending.count -= 1;
      if (pending.count === 0) {
        this.#pending.delete(name);
        for (const action of pending.afterwards) action();
      }
    }
  }

  /** Runs `action` when no claim of `name` waits for its answer: now, or later. */
  after(name: string, action: () => void): void {
    const pending = this.#pending.get(name);
    if (pending === undefined) action();
    else pending.afterwards.push(action);
  }
}
