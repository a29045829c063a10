import type { Peers } from "../peers/peers.js";

/** How long another relay may take to say whether the engine answers it, in milliseconds. */
const timeoutMs = 1_000;
/** How often they are asked, in milliseconds. */
const lookMs = 500;

/**
 * Whether the engine is away for all relays. Then none of them is better than this one: a balancer that left
 * all of them would leave tunnels that serve.
 */
export class Outage {
  #isEverywhere = false;
  #timer: NodeJS.Timeout | undefined;
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

  /**
   * The engine has not answered this relay: asks the others, again and again, because they may notice later.
   * Each lease is longer than that takes.
   */
  begin(): void {
    if (this.#timer !== undefined) return;
    this.#timer = setInterval(() => void this.#look(), lookMs).unref();
    void this.#look();
  }

  over(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#isEverywhere = false;
  }

  async #look(): Promise<void> {
    const timer = this.#timer;
    const isAway = await Promise.all(this.#others().map((node) => this.#isAwayFor(node)));
    if (this.#timer === timer) this.#isEverywhere = isAway.every(Boolean);
  }

  /**
   * A relay that cannot be asked may have the engine: it is this one that is cut off, perhaps. One that has
   * ended has it no more, and stays in the engine's last list as long as the engine is away.
   */
  async #isAwayFor(node: string): Promise<boolean> {
    const peer = this.#peers.get(node);
    if (peer?.isGone === true) return true;
    try {
      return (await peer?.ask("engine", null, timeoutMs)) === "away";
    } catch {
      return false;
    }
  }
}
