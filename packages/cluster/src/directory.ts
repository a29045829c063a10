import type { Pool, Route } from "./route.js";

/** The client of a tunnel. */
export interface ClientIdentity {
  /** SHA-256 of the secret that the client process drew at its start; `undefined` for an original. */
  readonly instance: string | undefined;
  /** Stands for the token: all tunnels of one token have the same owner. */
  readonly owner: string;
  /** The client's address. */
  readonly address: string;
}

/** What other relays have to know of a tunnel. */
export interface ClaimantInfo extends ClientIdentity {
  /** The id of the session that the tunnel gets; `undefined` if the session ends with its link. */
  readonly session: string | undefined;
  /** The wire, as far as it is known before the client's first message: see `carriedBy` of the protocol. */
  readonly wire: "v1" | "json";
  /** The client wants to know what is refused in the tunnel's name. */
  readonly takesRefusals: boolean;
  /**
   * Several clients of one token serve the name together if all of them ask for that, and if their gates have
   * the same digest, which this is; empty without a gate. `undefined`: the client serves the name alone.
   */
  readonly pool: string | undefined;
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
  /** The name that it asks for, or has. */
  readonly name: string;
  /** What other relays have to know of it. */
  readonly info: ClaimantInfo;
  /** The relay has asked its client to register anew (GOAWAY). It takes no requests any more. */
  readonly isMoving: boolean;
  /** Whether this is a tunnel of `client`. */
  isOfClient(client: ClientIdentity): boolean;
  /**
   * Another tunnel, of the client `by`, has the name now. If `by` is this tunnel's client as well, the tunnel
   * gives way to its successor. Otherwise it is closed with 4002. The relay calls this for the tunnels that a
   * claim has displaced, which may be tunnels of another relay. The directory calls it for a tunnel of this
   * relay that has lost its name to another relay.
   */
  displace(by: ClientIdentity): void;
}

/** How a name is claimed. */
export interface ClaimTerms {
  /** The claim may take the name from another client. */
  readonly mayEvict: boolean;
  /**
   * How many tunnels the claimant's token may have at once, over all relays that share the directory. A relay
   * counts its own tunnels before it claims.
   */
  readonly maxOwned: number;
}

/**
 * The directory grants a claim, by which the tunnels `displaced` have lost the name, or refuses it. The
 * client of a refused claim is sent away with the verdict.
 */
export type ClaimResult = { readonly displaced: readonly Claimant[] } | { readonly refused: Verdict };

/**
 * Knows who serves which name. A directory answers at once or later. An answer at once costs a request no
 * turn of the event loop. An error that the directory throws, or rejects with, ends only the request or the
 * registration that asked.
 */
export interface Directory {
  /**
   * The route that serves `name`, or the pool of them; `undefined` if there is none. The relay asks for each
   * request. For a request that waits it asks again when the directory says that something has changed. The
   * relay waits for an answer as long as for a client that is away.
   */
  find(name: string): Route | Pool | undefined | Promise<Route | Pool | undefined>;
  /**
   * Gives `claimant` its name. The newest claim wins. A claim that may not evict, because its client had a
   * tunnel before or wants only a free name, is refused with 4002 if another client has the name. Claimants
   * with the same owner and {@link ClaimantInfo.pool} have a name together, and displace nobody but an older
   * tunnel of the same client. If only their pools differ, and neither has the name for itself, the claim is
   * refused with 4001. `meet` of mcp-tunnel-protocol says who is what to whom. The
   * claimant is away until {@link changed} is called for it. The relay waits `registrationTimeoutMs` for an
   * answer, and releases a name that it is given later.
   */
  claim(claimant: Claimant, terms: ClaimTerms): ClaimResult | Promise<ClaimResult>;
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
