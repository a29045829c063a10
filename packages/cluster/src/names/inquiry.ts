import type { Engine, Entry } from "../engine/engine.js";
import type { Peer, Peers } from "../peers/peers.js";
import { readOwnAnswers } from "./questions.js";

/** Times of an {@link Inquiry}, in milliseconds. */
export interface InquiryTimes {
  /** How long other relays may take to say what they have. */
  readonly peersMs: number;
  /** How long the engine is not asked after it has failed: a request should not wait for it each time. */
  readonly engineRestMs: number;
}

/** Asks the engine who has a name, and the other relays if the engine does not answer. */
export class Inquiry {
  #engineRestsUntil = 0;
  readonly #engine: Pick<Engine, "find">;
  readonly #peers: Pick<Peers, "all">;
  readonly #times: InquiryTimes;

  constructor(engine: Pick<Engine, "find">, peers: Pick<Peers, "all">, times: InquiryTimes) {
    this.#engine = engine;
    this.#peers = peers;
    this.#times = times;
  }

  /**
   * The tunnels that have the name. `undefined`: the engine is down, and no relay says that it has the name.
   */
  async entriesOf(name: string): Promise<readonly Entry[] | undefined> {
    if (performance.now() >= this.#engineRestsUntil) {
      try {
        return await this.#engine.find(name);
      } catch {
        this.#engineRestsUntil = performance.now() + this.#times.engineRestMs;
      }
    }
    const asked = [...this.#peers.all()].filter(({ session }) => session !== undefined);
    const entries = newestOf((await Promise.all(asked.map((peer) => this.#has(peer, name)))).flat());
    return entries.length === 0 ? undefined : entries;
  }

  /** Whether the relay of the tunnel would take a request for it now. */
  async takes({ name, gen }: Entry, peer: Peer): Promise<boolean> {
    return (await this.#has(peer, name)).some((own) => own.gen === gen && own.takes);
  }

  /** What a relay has of the name, and nothing if it does not say. */
  async #has(peer: Peer, name: string): Promise<(Entry & { readonly takes: boolean })[]> {
    try {
      const answers = readOwnAnswers(await peer.ask("has", { name }, this.#times.peersMs));
      return answers.map((answer) => ({ ...answer, name, node: peer.node }));
    } catch {
      return [];
    }
  }
}

/**
 * What several relays say that they have. One of them may not have heard that it has lost the name, so only
 * the newest counts, with its pool.
 */
function newestOf<T extends Entry>(entries: readonly T[]): readonly T[] {
  const [newest] = [...entries].sort((a, b) => b.gen - a.gen);
  if (newest === undefined) return [];
  const { pool, owner } = newest.info;
  if (pool === undefined) return [newest];
  return entries.filter(({ info }) => info.pool === pool && info.owner === owner);
}
