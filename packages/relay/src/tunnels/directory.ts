import type { Claimant, ClaimResult, ClaimTerms, Directory, Route } from "mcp-tunnel-cluster/relay";
import {
  closeCodes,
  evictedReason,
  firstProblem,
  isSendableCode,
  objectOf,
  text,
  wholeNumber,
} from "mcp-tunnel-protocol";
import { stackOf } from "mcp-tunnel-shared";
import type { Logger } from "../telemetry/log.js";

/** The directory of a relay that is alone, or of several in one process. It answers at once. */
export class MemoryDirectory implements Directory {
  readonly #claimants = new Map<string, Claimant>();
  readonly #listeners = new Set<(name: string) => void>();

  find(name: string): Route | undefined {
    return this.#claimants.get(name);
  }

  claim(claimant: Claimant, { mayEvict }: ClaimTerms): ClaimResult {
    const { name, info } = claimant;
    const displaced = this.#claimants.get(name);
    // Two clients that both return would evict each other in turns for ever, so only a fresh start evicts.
    if (displaced !== undefined && !mayEvict && !displaced.isOfClient(info)) {
      return { refused: { code: closeCodes.evicted, reason: evictedReason } };
    }
    this.#claimants.set(name, claimant);
    return { displaced: displaced === undefined ? [] : [displaced] };
  }

  release(claimant: Claimant): void {
    const { name } = claimant;
    if (this.#claimants.get(name) !== claimant) return;
    this.#claimants.delete(name);
    this.#tell(name);
  }

  changed(claimant: Claimant): void {
    if (this.#claimants.get(claimant.name) === claimant) this.#tell(claimant.name);
  }

  watch(listener: (name: string) => void): () => void {
    const own = (name: string): void => listener(name);
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  #tell(name: string): void {
    for (const listener of this.#listeners) listener(name);
  }
}

const sendableCodes = wholeNumber(1_000, 4_999).refine(
  isSendableCode,
  "a close code that may be sent, such as 4002",
);
const claimShape = objectOf(
  {
    refused: objectOf({ code: sendableCodes, reason: text() }, "a verdict, with code and reason").optional(),
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

/** Whether the answer of a directory or a judge comes later. */
export function isLater<T>(answer: T | Promise<T>): answer is Promise<T> {
  return typeof (answer as { then?: unknown } | null | undefined)?.then === "function";
}

/**
 * Calls `use` with the route of `name`, if there is one, and in this turn if the directory answers at once.
 * No request waits for this, so an error of the directory is only logged.
 */
export function noteAt(
  directory: Directory,
  name: string,
  logger: Logger,
  use: (route: Route) => void,
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
