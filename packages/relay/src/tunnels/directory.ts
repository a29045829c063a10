import type { Claimant, ClaimResult, ClaimTerms, Directory, Pool, Route } from "mcp-tunnel-cluster/relay";
import {
  closeCodes,
  evictedReason,
  firstProblem,
  meet,
  objectOf,
  otherGateReason,
  sendableCode,
  text,
} from "mcp-tunnel-protocol";
import { stackOf } from "mcp-tunnel-shared";
import type { Logger } from "../telemetry/log.js";
import { Pools } from "./pool.js";

/** Who has a name, and what is found under it. Of a client that has the name for itself both are one. */
interface Shared {
  readonly members: readonly Claimant[];
  readonly pool: Pool;
}

/** The directory of a relay that is alone, or of several in one process. It answers at once. */
export class MemoryDirectory implements Directory {
  readonly #names = new Map<string, Claimant | Shared>();
  readonly #pools = new Pools();
  readonly #listeners = new Set<(name: string) => void>();

  find(name: string): Route | Pool | undefined {
    const held = this.#names.get(name);
    return held !== undefined && "pool" in held ? held.pool : held;
  }

  claim(claimant: Claimant, { mayEvict }: ClaimTerms): ClaimResult {
    const { name, info } = claimant;
    const met = this.#holders(name).map((holder) => ({ holder, what: meet(holder.info, info) }));
    if (met.some(({ what }) => what === "other_gate")) {
      return { refused: { code: closeCodes.authenticationFailed, reason: otherGateReason } };
    }
    // Two clients that both return would evict each other in turns for ever, so only a fresh start evicts.
    if (!mayEvict && met.some(({ what }) => what === "stranger")) {
      return { refused: { code: closeCodes.evicted, reason: evictedReason } };
    }
    const holdersThat = (isFellow: boolean): Claimant[] =>
      met.filter(({ what }) => (what === "fellow") === isFellow).map(({ holder }) => holder);
    this.#hold(name, [...holdersThat(true), claimant]);
    return { displaced: holdersThat(false) };
  }

  release(claimant: Claimant): void {
    const { name } = claimant;
    const holders = this.#holders(name);
    if (!holders.includes(claimant)) return;
    this.#hold(
      name,
      holders.filter((holder) => holder !== claimant),
    );
    this.#tell(name);
  }

  changed(claimant: Claimant): void {
    if (this.#holders(claimant.name).includes(claimant)) this.#tell(claimant.name);
  }

  watch(listener: (name: string) => void): () => void {
    const own = (name: string): void => listener(name);
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  #holders(name: string): readonly Claimant[] {
    const held = this.#names.get(name);
    if (held === undefined) return [];
    return "pool" in held ? held.members : [held];
  }

  #hold(name: string, members: readonly Claimant[]): void {
    const [first] = members;
    if (first === undefined) this.#names.delete(name);
    else if (first.info.pool === undefined) this.#names.set(name, first);
    else {
      const pool = this.#pools.of(
        name,
        members.map((route) => ({ route, info: route.info })),
      );
      this.#names.set(name, { members, pool });
    }
  }

  #tell(name: string): void {
    for (const listener of this.#listeners) listener(name);
  }
}

const claimShape = objectOf(
  {
    refused: objectOf({ code: sendableCode, reason: text() }, "a verdict, with code and reason").optional(),
  },
  "an object with 'displaced' or 'refused'",
);

/**
 * Checks the result of a claim, which may come from a directory of the embedding program, and returns it.
 * @throws Error if it is not the result of a claim.
 */
export function checkClaim(result: ClaimResult): ClaimResult {
  const problem = firstProblem(claimShape, result);
  if (problem === undefined) return result;
  throw new Error(`the directory's answer to a claim is not usable: ${problem.message}`);
}

/** Whether a member has to be chosen before a request can be taken to a tunnel. */
export function isPool(found: Route | Pool): found is Pool {
  return "pick" in found;
}

/** Whether the answer of a directory or a judge comes later. */
export function isLater<T>(answer: T | Promise<T>): answer is Promise<T> {
  return typeof (answer as { then?: unknown } | null | undefined)?.then === "function";
}

/**
 * Calls `use` with the route or the pool of `name`, if there is one, and in this turn if the directory
 * answers at once. No request waits for this, so an error of the directory is only logged.
 */
export function noteAt(
  directory: Directory,
  name: string,
  logger: Logger,
  use: (route: Route | Pool) => void,
): void {
  unattended(logger, name, () => {
    const found = directory.find(name);
    if (!isLater(found)) {
      if (found !== undefined) use(found);
      return undefined;
    }
    return found.then((route) => {
      if (route !== undefined) use(route);
    });
  });
}

/**
 * Runs an action that no request waits for. An error of the directory, at once or later, is logged. `name`:
 * the name of the tunnel, if the action is about one.
 */
export function unattended(
  logger: Logger,
  name: string | undefined,
  action: () => void | Promise<void>,
): void {
  const report = (error: unknown): void => {
    logger.error({ name, error: stackOf(error) }, "the directory failed");
  };
  try {
    const later: unknown = action();
    if (isLater(later)) later.then(undefined, report);
  } catch (error) {
    report(error);
  }
}
