import type { Peers } from "../peers/peers.js";

/** How long another relay may take to say whether the engine answers it, in milliseconds. */
const timeoutMs = 1_000;

/**
 * Whether the engine is away for all relays. Then none of them is better than this one: a balancer that left
 * all of them would leave tunnels that serve.
 */
export class Outage {
  #isEverywhere = false;
  readonly #peers: Pick<Peers, "get">;
  readonly #others: () => readonly string[];

  /** `others`: the ids of all other relays, as far as this one knows. */
  constructor(peers: Pick<Peers, "get">, others: () => readonly string[]) {
    this.#peers = peers;
    this.#others = others;
  }

  get isEverywhere(): boolean {
    return this.#isEverywhere;
  }

  /** The engine has not answered this relay: asks the others. Never rejects. */
  async look(): Promise<void> {
    const isAway = await Promise.all(this.#others().map((node) => this.#isAwayFor(node)));
    this.#isEverywhere = isAway.every(Boolean);
  }

  over(): void {
    this.#isEverywhere = false;
  }

  /** A relay that cannot be asked may have the engine: it is this one that is cut off, perhaps. */
  async #isAwayFor(node: string): Promise<boolean> {
    try {
      return (await this.#peers.get(node)?.ask("engine", null, timeoutMs)) === "away";
    } catch {
      return false;
    }
  }
}
