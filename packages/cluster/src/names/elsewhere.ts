import type { Engine, Entry } from "../engine/engine.js";
import type { Peers } from "../peers/peers.js";
import { Inquiry, type InquiryTimes } from "./inquiry.js";
import { awayRoute, type RemoteTunnel, type RouteTo } from "./remote.js";

/** Times of {@link Elsewhere}, in milliseconds. */
export interface LookTimes extends InquiryTimes {
  /** What was found is used for so long without another look. Events and refusals end that at once. */
  readonly freshMs: number;
  /** A name that nobody has is not asked for again for so long. */
  readonly nobodyMs: number;
  /** How often a name is looked for while requests wait for it: an event may be lost. */
  readonly relookMs: number;
}

export const defaultLookTimes: LookTimes = {
  freshMs: 5_000,
  nobodyMs: 250,
  relookMs: 500,
  peersMs: 200,
  engineRestMs: 1_000,
};

/** Names of which this relay keeps what it has found. Beyond that the one that was asked for first goes. */
const maxKnown = 100_000;
/** The same for names that no relay has, which strangers can make up as they like. */
const maxAbsent = 10_000;
/** Names that are asked for at once. Requests for further names wait. */
const maxAsking = 1_000;
/**
 * The same for names that are served meanwhile, so that no request waits for the answer. Claims and other
 * relays do wait for the engine, behind what is asked here.
 */
const maxAskingAhead = 50;

interface Known {
  readonly tunnels: readonly RemoteTunnel[];
  readonly askedAt: number;
  /** Something has changed, or may have: it is no answer until the next look. */
  isDoubtful: boolean;
}

interface Absent {
  readonly isSure: boolean;
  readonly until: number;
}

interface Asking {
  /** Something has changed since the engine was asked. */
  isDoubtful: boolean;
  readonly answer: Promise<FoundElsewhere>;
}

/** The tunnels of other relays that have a name. `unsure`: the engine is down, and no relay has it. */
export type FoundElsewhere = readonly RemoteTunnel[] | "unsure";

export interface ElsewhereParts {
  readonly engine: Pick<Engine, "find">;
  readonly peers: Pick<Peers, "get" | "all">;
  readonly routeTo: RouteTo;
  /** See DirectoryParts. Default false. */
  readonly servesMoving?: boolean;
}

/** What is known of the tunnels of other relays. */
export class Elsewhere {
  /** In the order of the last look. */
  readonly #known = new Map<string, Known>();
  /** Names of which no tunnel was found, in the order of the last look. */
  readonly #absent = new Map<string, Absent>();
  readonly #asking = new Map<string, Asking>();
  /** The names for which requests wait. */
  readonly #awaited = new Map<string, NodeJS.Timeout>();
  readonly #node: string;
  readonly #inquiry: Inquiry;
  readonly #peers: Pick<Peers, "get">;
  readonly #routeTo: RouteTo;
  readonly #servesMoving: boolean;
  readonly #tell: (name: string) => void;
  readonly #times: LookTimes;

  /** `node`: this relay, whose tunnels are not looked for. `tell` is called when another look may help. */
  constructor(
    node: string,
    { engine, peers, routeTo, servesMoving = false }: ElsewhereParts,
    tell: (name: string) => void,
    times: LookTimes = defaultLookTimes,
  ) {
    this.#node = node;
    this.#inquiry = new Inquiry(engine, peers, times);
    this.#peers = peers;
    this.#routeTo = routeTo;
    this.#servesMoving = servesMoving;
    this.#tell = tell;
    this.#times = times;
  }

  /** In this turn if it is known. */
  find(name: string): FoundElsewhere | Promise<FoundElsewhere> {
    const known = this.#known.get(name);
    const now = performance.now();
    if (known === undefined) {
      const absent = this.#absent.get(name);
      if (absent === undefined || now >= absent.until) return this.#look(name);
      return absent.isSure ? nobody : "unsure";
    }
    if (known.isDoubtful) return this.#look(name);
    const ageMs = now - known.askedAt;
    if (known.tunnels.some(({ route }) => !route.isAway)) {
      // What is out of date does no harm, because its relay refuses the request then. So no request waits for
      // this look, and names that are in use go on while the engine is down.
      if (ageMs >= this.#times.freshMs && this.#asking.size < maxAskingAhead) void this.#look(name);
      return known.tunnels;
    }
    return ageMs < this.#times.relookMs ? known.tunnels : this.#look(name);
  }

  /** Requests wait for the name. As long as this is called after each `tell`, the name is looked for. */
  await(name: string): void {
    if (this.#awaited.has(name)) return;
    const timer = setTimeout(() => void this.#lookAgain(name), this.#times.relookMs).unref();
    this.#awaited.set(name, timer);
  }

  /** Something has changed about the name. */
  doubt(name: string): void {
    const asking = this.#asking.get(name);
    if (asking !== undefined) asking.isDoubtful = true;
    const known = this.#known.get(name);
    if (known !== undefined) known.isDoubtful = true;
    this.#absent.delete(name);
    if (this.#awaited.has(name)) void this.#lookAgain(name);
    else this.#tell(name);
  }

  /** Any number of events may have been lost. */
  doubtAll(): void {
    for (const name of new Set([...this.#known.keys(), ...this.#asking.keys(), ...this.#awaited.keys()])) {
      this.doubt(name);
    }
    this.#absent.clear();
  }

  /** The link to a relay has come or gone: its tunnels are away, or are not any more. */
  onPeer(node: string): void {
    for (const [name, { tunnels }] of this.#known) {
      if (tunnels.some(({ entry }) => entry.node === node)) this.#tell(name);
    }
  }

  close(): void {
    for (const timer of this.#awaited.values()) clearTimeout(timer);
    this.#awaited.clear();
  }

  /** Looks first, and tells afterwards, so that the requests that wait have their answer at once. */
  async #lookAgain(name: string): Promise<void> {
    clearTimeout(this.#awaited.get(name));
    this.#awaited.delete(name);
    await this.#look(name);
    this.#tell(name);
  }

  /** One look for all who ask. Never rejects. */
  #look(name: string): Promise<FoundElsewhere> {
    const current = this.#asking.get(name);
    if (current !== undefined) return current.answer;
    if (this.#asking.size >= maxAsking) return Promise.resolve("unsure");
    // The closure runs in a later turn than the entry of `#asking` is made.
    const answer = Promise.resolve().then(() => this.#ask(name, asking));
    const asking: Asking = { isDoubtful: false, answer };
    this.#asking.set(name, asking);
    return answer;
  }

  async #ask(name: string, asking: Asking): Promise<FoundElsewhere> {
    try {
      let entries = await this.#inquiry.entriesOf(name);
      if (asking.isDoubtful) {
        // The answer may be older than what has changed meanwhile.
        asking.isDoubtful = false;
        entries = await this.#inquiry.entriesOf(name);
      }
      // As long as nobody can say, what was known before is as good as anything.
      entries ??= this.#known.get(name)?.tunnels.map(({ entry }) => entry);
      if (entries === undefined) {
        this.#noteAbsent(name, { isSure: false, until: performance.now() + this.#times.relookMs });
        return "unsure";
      }
      const tunnels = this.#tunnelsOf(name, entries);
      await Promise.all(tunnels.map((tunnel) => this.#askWhetherBack(tunnel)));
      this.#note(name, tunnels, asking.isDoubtful);
      return tunnels;
    } finally {
      this.#asking.delete(name);
    }
  }

  /**
   * Asks the relay that has refused a request whether it would take one now. Until it says so, another
   * request would be refused as well.
   */
  async #askWhetherBack({ entry, peer, route }: RemoteTunnel): Promise<void> {
    if (peer === undefined || !route.isTunnelAway || this.#isLeaving(entry)) return;
    if (await this.#inquiry.takes(entry, peer)) route.isTunnelAway = false;
  }

  /** The route of a tunnel that was known before stays: it knows which requests are open on it. */
  #tunnelsOf(name: string, entries: readonly Entry[]): readonly RemoteTunnel[] {
    const before = this.#known.get(name)?.tunnels ?? nobody;
    // An entry of this relay that it does not hold is one that it has just given back, or is about to get.
    return entries
      .filter(({ node }) => node !== this.#node)
      .map((entry) => {
        const peer = this.#peers.get(entry.node);
        if (peer === undefined) return { entry, peer, route: awayRoute };
        const same = before.find((known) => known.peer === peer && known.entry.gen === entry.gen);
        const route = same?.route ?? this.#routeTo(entry, peer, (isGone) => this.#onRefused(entry, isGone));
        // Its relay has asked the client to move: it takes no requests, and is elsewhere in a moment.
        if (this.#isLeaving(entry)) route.isTunnelAway = true;
        return { entry, peer, route };
      });
  }

  #isLeaving({ moving }: Entry): boolean {
    return moving && !this.#servesMoving;
  }

  #onRefused({ name, node, gen }: Entry, isGone: boolean): void {
    const known = this.#known.get(name);
    const tunnel = known?.tunnels.find(({ entry }) => entry.gen === gen && entry.node === node);
    if (known === undefined || tunnel === undefined) return;
    tunnel.route.isTunnelAway = true;
    if (isGone) known.isDoubtful = true;
  }

  #note(name: string, tunnels: readonly RemoteTunnel[], isDoubtful: boolean): void {
    const askedAt = performance.now();
    this.#known.delete(name);
    this.#absent.delete(name);
    if (tunnels.length > 0) {
      this.#known.set(name, { tunnels, askedAt, isDoubtful });
      dropOldest(this.#known, maxKnown);
    } else if (!isDoubtful) this.#noteAbsent(name, { isSure: true, until: askedAt + this.#times.nobodyMs });
  }

  #noteAbsent(name: string, absent: Absent): void {
    this.#absent.delete(name);
    this.#absent.set(name, absent);
    dropOldest(this.#absent, maxAbsent);
  }
}

const nobody: readonly RemoteTunnel[] = [];

function dropOldest<T>(map: Map<string, T>, max: number): void {
  if (map.size <= max) return;
  for (const key of map.keys()) {
    map.delete(key);
    return;
  }
}
