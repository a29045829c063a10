import { setImmediate as nextTurn } from "node:timers/promises";
import { type Refusal, TunnelError, type TunnelStream } from "mcp-tunnel-protocol";
import {
  type Claimant,
  type ClaimResult,
  type ClaimantInfo,
  type ClaimTerms,
  type ClientIdentity,
  type Directory,
  MemoryDirectory,
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

  find(name: string): Promise<Route | undefined> {
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

/** A tunnel that serves nobody. */
export class FakeClaimant implements Claimant {
  readonly name: string;
  readonly info: ClaimantInfo;
  isAway = false;
  readonly acceptsLater = false;
  readonly carries = { upgrades: false, interim: false, trailers: false };
  readonly wire = undefined;
  readonly streamCount = 0;
  readonly queuedBytes = 0;
  readonly takesRefusals = false;

  constructor(name: string, instance: string | undefined, owner = "token") {
    this.name = name;
    this.info = {
      instance,
      owner,
      address: "127.0.0.1",
      session: undefined,
      wire: "v1",
      takesRefusals: false,
      pool: undefined,
    };
  }

  isOfClient({ instance, owner }: ClientIdentity): boolean {
    return instance !== undefined && this.info.instance === instance && this.info.owner === owner;
  }

  open(): TunnelStream {
    throw new TunnelError("session_closed", "the tunnel has no session");
  }

  displace(): void {}

  count(): void {}

  tellRefusals(_refusals: readonly Refusal[]): void {}
}
