import { setImmediate as nextTurn } from "node:timers/promises";
import {
  type Claimant,
  type ClaimResult,
  type ClaimTerms,
  type Directory,
  MemoryDirectory,
  type Pool,
  type Route,
} from "../src/index.js";

export type Asked = "find" | "claim" | "release" | "changed";

/**
 * A directory that acts as if it were asked over a network: its actions and its answers come a turn later.
 */
export class LaterDirectory implements Directory {
  readonly names = new MemoryDirectory();
  /**
   * Run before the directory does anything (`before`), and before it answers (`after`). A test may make them
   * fail, or wait.
   */
  before: (asked: Asked, name: string) => Promise<unknown> = () => nextTurn();
  after: (asked: Asked, name: string) => Promise<unknown> = () => nextTurn();

  find(name: string): Promise<Route | Pool | undefined> {
    return this.#do("find", name, () => this.names.find(name));
  }

  claim(claimant: Claimant, terms: ClaimTerms): Promise<ClaimResult> {
    return this.#do("claim", claimant.name, () => this.names.claim(claimant, terms));
  }

  release(claimant: Claimant): Promise<void> {
    return this.#do("release", claimant.name, () => this.names.release(claimant));
  }

  changed(claimant: Claimant): void {
    void this.#do("changed", claimant.name, () => this.names.changed(claimant));
  }

  watch(listener: (name: string) => void): () => void {
    return this.names.watch(listener);
  }

  async #do<T>(asked: Asked, name: string, action: () => T): Promise<T> {
    await this.before(asked, name);
    const result = action();
    await this.after(asked, name);
    return result;
  }
}
