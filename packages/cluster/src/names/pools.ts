import type { Engine } from "../engine/engine.js";
import type { MemberHost, PoolMember, PoolSessions } from "../member.js";
import type { Pool, Route } from "../route.js";

/** A member of a pool, and the claim by which it has the name. */
export interface ClaimedMember extends PoolMember {
  readonly gen: number;
}

/** Makes a pool of tunnels that serve a name together, as the relay does. */
export type MakePool = MemberHost["pool"];

/** The pools of a cluster. They last as long as their members do. */
export class Pools {
  readonly #engine: Pick<Engine, "stick" | "stuck">;
  readonly #lookAgain: (name: string) => Promise<readonly ClaimedMember[]>;
  #make: MakePool | undefined;
  /** By the first member. */
  readonly #made = new WeakMap<Route, { readonly members: readonly ClaimedMember[]; readonly pool: Pool }>();

  /** `lookAgain` asks who has a name, because what was known of it is out of date. */
  constructor(
    engine: Pick<Engine, "stick" | "stuck">,
    lookAgain: (name: string) => Promise<readonly ClaimedMember[]>,
  ) {
    this.#engine = engine;
    this.#lookAgain = lookAgain;
  }

  /** From now on `make` makes the pools. Before, there are none. */
  use(make: MakePool | undefined): void {
    this.#make = make;
  }

  of(name: string, members: readonly ClaimedMember[]): Pool | undefined {
    const first = members[0]?.route;
    if (first === undefined) return undefined;
    const before = this.#made.get(first);
    if (before !== undefined && areSame(before.members, members)) return before.pool;
    const pool = this.#make?.(name, members, this.#sessionsOf(name, members));
    if (pool !== undefined) this.#made.set(first, { members, pool });
    return pool;
  }

  /** Sessions are kept by the engine, because a visitor may come to any relay. */
  #sessionsOf(name: string, members: readonly ClaimedMember[]): PoolSessions {
    return {
      keep: (digest, { route }) => {
        const member = members.find((one) => one.route === route);
        // A session that only this relay knows goes on here.
        if (member !== undefined) this.#engine.stick(name, digest, member.gen).catch(() => {});
      },
      find: async (digest) => {
        // While the engine is down, a member is chosen as for a new session.
        const gen = await this.#engine.stuck(name, digest).catch(() => undefined);
        if (gen === undefined) return undefined;
        const isIt = (member: ClaimedMember): boolean => member.gen === gen;
        // A member of which this relay has not heard yet: a newer tunnel of a client, for example.
        return members.find(isIt) ?? (await this.#lookAgain(name)).find(isIt);
      },
    };
  }
}

/** Claims have numbers of their own, but the tunnels of all relays that are gone have one route. */
function areSame(before: readonly ClaimedMember[], now: readonly ClaimedMember[]): boolean {
  if (before.length !== now.length) return false;
  return now.every(({ route, gen }, i) => before[i]?.route === route && before[i].gen === gen);
}
