import { closeCodes, evictedReason, firstProblem, objectOf, text, wholeNumber } from "mcp-tunnel-protocol";
import { stackOf } from "mcp-tunnel-shared";
import type { Logger } from "../telemetry/log.js";
import type { Route } from "./route.js";

/** The client of a tunnel. */
export interface ClientIdentity {
  /** Drawn once for each client process; `undefined` for an original. */
  readonly instance: string | undefined;
  /** Stands for the token: all tunnels of one token have the same owner. */
  readonly owner: string;
  /** The client's address. */
  readonly address: string;
}

/** What a client is told when it gets no tunnel, or when its tunnel was taken away. */
export interface Verdict {
  /**
   * The close code of the client's WebSocket, by which the client decides what to do (PROTOCOL.md section 9).
   * A directory may give one of three codes. 4001 (refused) and 4002 (evicted: another client has the name)
   * end the client. After 1013 (try again later) the client tries again, with growing pauses. A client that
   * was never connected does so only with `waitForRelay`, which the command sets. It treats any other code
   * like 1013.
   */
  readonly code: number;
  /** For the user of the client. It is cut to the 123 bytes for which a close frame has room. */
  readonly reason: string;
}

/** A tunnel as directories know it: a route that has a name and can lose it. */
export interface Claimant extends Route {
  readonly name: string;
  readonly info: ClientIdentity;
  /** Whether this is a tunnel of `client`. */
  isOfClient(client: ClientIdentity): boolean;
  /**
   * Another tunnel, of the client `by`, has the name now. If `by` is this tunnel's client as well, the tunnel
   * gives way to its successor. Otherwise it is closed with 4002. The relay calls this for the tunnel that a
   * claim has displaced, which may be a tunnel of another relay. The directory calls it for a tunnel of this
   * relay that has lost its name to another relay.
   */
  displace(by: ClientIdentity): void;
}

/**
 * The directory grants a claim, by which the tunnel `displaced` has lost the name, or refuses it. The client
 * of a refused claim is sent away with the verdict.
 */
export type ClaimResult = { readonly displaced: Claimant | undefined } | { readonly refused: Verdict };

/**
 * Knows who serves which name. A directory answers at once or later. An answer at once costs a request no
 * turn of the event loop. An error that the directory throws, or rejects with, ends only the request or the
 * registration that asked.
 */
export interface Directory {
  /**
   * The route that serves `name`; `undefined` if there is none. The relay asks for each request. For a
   * request that waits it asks again when the directory says that something has changed. The relay waits for
   * an answer as long as for a client that is away.
   */
  find(name: string): Route | undefined | Promise<Route | undefined>;
  /**
   * Gives `claimant` its name. The newest claim wins. A claim that may not evict, because its client had a
   * tunnel before or wants only a free name, is refused with 4002 if another client has the name. The
   * claimant is away until {@link changed} is called for it. The relay waits `registrationTimeoutMs` for an
   * answer, and releases a name that it is given later.
   */
  claim(claimant: Claimant, mayEvict: boolean): ClaimResult | Promise<ClaimResult>;
  /**
   * Frees the name if `claimant` still has it. An evicted tunnel is cleaned up after its successor has taken
   * the name, and the successor must not lose the name by that.
   */
  release(claimant: Claimant): void | Promise<void>;
  /**
   * `claimant` takes requests from now on, or is away. This means nothing if `claimant` has lost its name.
   */
  changed(claimant: Claimant): void;
  /**
   * Calls `listener` with a name when `find` gives another route than before, or a route in another state. A
   * needless call costs only a look. Returns a function that ends the calls. The relay watches from its start
   * until it drains.
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
    // Two clients that both return would evict each other in turns for ever, so only a fresh start evicts.
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
