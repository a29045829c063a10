import { closeCodes, evictedReason, firstProblem, text, wholeNumber } from "mcp-tunnel-protocol";
import { stackOf } from "mcp-tunnel-shared";
import { z } from "zod";
import type { Logger } from "../telemetry/log.js";
import type { Route } from "./route.js";

/** Which client a tunnel is of. */
export interface ClientIdentity {
  /** Drawn once for each client process; `undefined` for an original. */
  readonly instance: string | undefined;
  /** Stands for the token: tunnels of one token have the same. */
  readonly owner: string;
  /** The client's address. */
  readonly address: string;
}

/** Why a client has no tunnel, or none any more: what it is told. */
export interface Verdict {
  /** Close code. */
  readonly code: number;
  readonly reason: string;
}

/** A tunnel as directories know it: a route that has a name and can lose it. */
export interface Claimant extends Route {
  readonly name: string;
  readonly info: ClientIdentity;
  /** Is this a tunnel of that client? */
  isOfClient(client: ClientIdentity): boolean;
  /**
   * Another tunnel, of the client `by`, has the name now. A tunnel of the same client gives way to its
   * successor; one of another client is closed with 4002. The relay calls this for the tunnel that a claim
   * has displaced, which may be one of another relay. The directory calls it for a tunnel of this relay that
   * has lost its name to another relay.
   */
  displace(by: ClientIdentity): void;
}

/** A claim is granted, and the tunnel `displaced` has lost the name by it; or it is refused. */
export type ClaimResult = { readonly displaced: Claimant | undefined } | { readonly refused: Verdict };

/**
 * Who serves which name. A directory answers at once or later; an answer at once costs a request no turn of
 * the event loop. An error that it throws, or rejects with, ends the request or the registration that it was
 * asked for, and nothing else.
 */
export interface Directory {
  /**
   * Who serves `name`; `undefined`: nobody. The relay asks for each request, and again for a request that
   * waits when the directory says that something has changed. It waits for an answer as long as for a client
   * that is away.
   */
  find(name: string): Route | undefined | Promise<Route | undefined>;
  /**
   * Gives `claimant` its name. The newest claim wins. A claim that may not evict, because its client had a
   * tunnel before, is refused with 4002 if another client has the name. The claimant is away until {@link
   * changed} is called for it. The relay waits `registrationTimeoutMs` for an answer, and releases a name
   * that it is given later.
   */
  claim(claimant: Claimant, mayEvict: boolean): ClaimResult | Promise<ClaimResult>;
  /**
   * Frees the name, if `claimant` still has it: a tunnel that was evicted is cleaned up after its successor
   * has taken the name, which must not lose it by that.
   */
  release(claimant: Claimant): void | Promise<void>;
  /** `claimant` takes requests from now on, or is away. This means nothing if it has lost its name. */
  changed(claimant: Claimant): void;
  /**
   * Calls `listener` with a name when `find` gives another route than before, or one in another state. A call
   * without a reason costs only a look. Returns how to end this. The relay watches from its start until it
   * drains.
   */
  watch(listener: (name: string) => void): () => void;
}

/** The directory of a relay that is alone, or of several in one process. It answers at once. */
export class MemoryDirectory implements Directory {
  readonly #claimants = new Map<string, Claimant>();
  readonly #listeners = new Set<(name: string) => void>();

  find(name: string): Route | undefined {
    return this.#claimants.get(name);
  }

  claim(claimant: Claimant, mayEvict: boolean): ClaimResult {
    const { name, info } = claimant;
    const displaced = this.#claimants.get(name);
    // Two clients that both return would evict each other in turns for ever: only a fresh start evicts.
    if (displaced !== undefined && !mayEvict && !displaced.isOfClient(info)) {
      return { refused: { code: closeCodes.evicted, reason: evictedReason } };
    }
    this.#claimants.set(name, claimant);
    return { displaced };
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

/** Close codes that an endpoint may send (RFC 6455 section 7.4, and the registry of IANA). */
const sendableCodes = wholeNumber(1_000, 4_999).refine(
  (code) => (code < 1_015 && ![1_004, 1_005, 1_006].includes(code)) || code >= 3_000,
  "a close code that may be sent, such as 4002",
);
const claimShape = z.object(
  {
    refused: z.object({ code: sendableCodes, reason: text() }, "a verdict, with code and reason").optional(),
  },
  "an object with 'displaced' or 'refused'",
);

/**
 * Gives the result of a claim back if it is one: a directory may be a program's own.
 * @throws Error when it is none.
 */
export function checkClaim(result: ClaimResult): ClaimResult {
  const problem = firstProblem(claimShape, result);
  if (problem === undefined) return result;
  throw new Error(`the directory's answer to a claim is not usable: ${problem.message}`);
}

/** Whether an answer of a directory is not there yet. */
export function isLater<T>(answer: T | Promise<T>): answer is Promise<T> {
  return typeof (answer as { then?: unknown } | null | undefined)?.then === "function";
}

/**
 * Calls `use` with the route of `name`, if there is one: in this turn, if the directory answers in it. No
 * request waits for this, so an error of the directory is only logged.
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
 * Runs what no request waits for. An error of the directory, at once or later, is logged. `name`: the tunnel's,
 * if it is about one.
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
