import type { ClaimantInfo, ClientIdentity, Verdict } from "../directory.js";

/** How long a session of a pool stays with its member after its last request, in milliseconds. */
export const stickyMs = 3_600_000;

/** A relay, as the others know it. */
export interface NodeInfo {
  /** Drawn at each start. */
  readonly id: string;
  /** Where other relays reach it: `host:port`, `[v6]:port`, or the path of a unix socket (`unix:/run/x`). */
  readonly address: string;
  /** The version of the relay. */
  readonly version: string;
  /** Its tunnels have names below it. Relays of an older version do not tell. */
  readonly domain?: string | undefined;
  /** It takes no clients and visitors any more. */
  readonly draining: boolean;
}

/** A tunnel that has its name, or shares it with the other members of its pool. */
export interface Entry {
  /** The name of the tunnel. */
  readonly name: string;
  /** The relay that has the tunnel. */
  readonly node: string;
  /**
   * The fence: each claim of a name gets a greater one than all before, also after the engine was lost. A
   * whole number of microseconds, `max(last + 1, clock)`, below 2^53.
   */
  readonly gen: number;
  /** What other relays have to know of it. */
  readonly info: ClaimantInfo;
  /** Its relay has asked the client to move (GOAWAY), so a claim of the same client cuts nothing. */
  readonly moving: boolean;
}

/** What a relay asks for a tunnel of its own. */
export interface ClaimRequest {
  /** The name that the tunnel is to get. */
  readonly name: string;
  /** The relay that has the tunnel. */
  readonly node: string;
  /** What other relays have to know of it. */
  readonly info: Entry["info"];
  /** See ClaimTerms. */
  readonly mayEvict: boolean;
  /** How many names the tunnel's token may have at one time. */
  readonly maxOwned: number;
}

/**
 * `gen`: the claim is granted, and the tunnels `displaced` have lost the name by it. `taken`: another client
 * has the name, and the claim may not evict. `gate`: the claim asks for a pool, and the members of its token
 * have another one. `limit`: the token has all the tunnels that it may have.
 */
export type ClaimAnswer =
  | { readonly gen: number; readonly displaced: readonly Entry[] }
  | { readonly refused: "taken" | "gate" | "limit" };

/** A tunnel of the node that asks, as the node knows it. */
export interface Held {
  /** The name of the tunnel. */
  readonly name: string;
  /** The fence of its claim. */
  readonly gen: number;
  /** What other relays have to know of it. */
  readonly info: Entry["info"];
  /** Its relay has asked the client to move. */
  readonly moving: boolean;
}

/** A tunnel that has lost its name while its relay did not hear of it. */
export interface Lost {
  /** The name that it had. */
  readonly name: string;
  /** The fence of the claim that is void. */
  readonly gen: number;
  /** The client that has the name now, or the one that took it and has left since. */
  readonly by: ClientIdentity;
}

/**
 * Something that others want to hear soon. It is a hint: an event may be lost, and the reconcile of every
 * node brings the truth.
 *
 *   name    who serves the name has changed, or its state. With `by`, the claim `gen` of that client has
 *           displaced all older ones that are not of its pool (same owner, same `pool`), and the older ones
 *           of that client itself.
 *   nodes   a relay has come, drains or has left; or events may have been lost, so that all that is known
 *           from before has to be looked at again. A lease that ends is told by nobody.
 */
export type EngineEvent =
  | {
      readonly kind: "name";
      readonly name: string;
      readonly gen: number;
      readonly by?: ClientIdentity | undefined;
      readonly pool?: string | undefined;
    }
  | { readonly kind: "nodes" };

/** Times that all nodes of a cluster have to agree on, in milliseconds. */
export interface EngineTimes {
  /** How long a node counts as alive after it has renewed its lease. Default 6,000. */
  readonly leaseMs: number;
  /**
   * How long the names of a dead node are kept for their clients: the relay's `resumeTimeoutMs`, and
   * `leaseMs` at least. Default 60,000, as there.
   */
  readonly keepNamesMs: number;
  /** How long verdicts are kept. Default 86,400,000: the client's laptop may be asleep for hours. */
  readonly verdictMs: number;
}

/** The times of an engine that is told no others. */
export const defaultTimes: EngineTimes = { leaseMs: 6_000, keepNamesMs: 60_000, verdictMs: 86_400_000 };

/**
 * Where the relays of a cluster keep who serves which name. It is asked for names alone, and no byte of a
 * visitor goes through it. Every method that returns a promise rejects with TunnelError `unavailable` if the
 * engine does not answer, within two seconds at most.
 */
export interface Engine {
  /**
   * Connects, and takes a lease for `node`.
   * @throws TunnelError `unavailable`.
   */
  join(node: NodeInfo): Promise<void>;
  /** Renews the lease, with what is known of the node now. */
  renew(node: NodeInfo): Promise<void>;
  /** Gives the lease up. The names of the node stay for their clients, as after its death. */
  leave(node: string): Promise<void>;
  /** The nodes that are alive. */
  nodes(): Promise<NodeInfo[]>;
  /**
   * The tunnels that have the name: one, or the members of a pool; none if nobody has it. A tunnel whose
   * relay is gone is among them as long as its client is expected.
   */
  find(name: string): Promise<Entry[]>;
  /**
   * Gives the name to a tunnel, in one step with the limit of its token and the verdicts for those who lose
   * it: a displaced tunnel of another client with a session gets 4002. A tunnel of the same client (owner and
   * instance) makes way to the claim, whatever its terms. A claim with a pool joins tunnels of the same owner
   * and pool, of which it displaces none but its own client's. It is refused if it has another pool than a
   * tunnel of the same owner and another client, whatever its terms. Tunnels of others have the name until
   * `keepNamesMs` after the lease of their node has ended.
   *
   * The limit counts the names of the owner over all nodes, and each member of a pool. What the claim
   * displaces does not count, nor does a tunnel that is `moving`. The reasons are looked for in the
   * order `gate`, `taken`, `limit`.
   */
  claim(request: ClaimRequest): Promise<ClaimAnswer>;
  /** Takes away the entry with this `gen`. False if there is none: another claim has displaced it. */
  release(name: string, gen: number): Promise<boolean>;
  /** Tells the others that the entry with this `gen` is away or back, or moves. */
  changed(name: string, gen: number, moving: boolean): Promise<void>;
  /**
   * Compares what a node holds with what the engine knows. An entry that the engine has lost is put back,
   * unless others have claimed the name since, and displaces older claims. Entries of this node that it does
   * not hold are taken away if they are older than `leaseMs`: the answer to a younger claim may be on its
   * way. Names of nodes whose lease ended `keepNamesMs` ago are swept. Returns what the node has lost, for
   * `verdictMs` each time that the node still holds it.
   */
  reconcile(node: string, held: readonly Held[]): Promise<Lost[]>;
  /** Why the client of a session may not come back; `undefined` if it may. */
  verdict(session: string): Promise<Verdict | undefined>;
  /** Keeps why the client of a session may not come back. */
  remember(session: string, verdict: Verdict): Promise<void>;
  /** Keeps which member of a pool has the MCP session with this digest, for an hour. */
  stick(name: string, digest: string, gen: number): Promise<void>;
  /**
   * The `gen` of the member that has the session, which is kept for an hour from now on. A new
   * tunnel of the member's client has its sessions, because the service behind it is the same. `undefined`
   * if no member has it.
   */
  stuck(name: string, digest: string): Promise<number | undefined>;
  /**
   * A text that all nodes share, such as the certificate that one of them has obtained. `expected`: the
   * revision that the writer has read, 0 for none; false if another has written since.
   */
  read(key: string): Promise<{ readonly text: string; readonly revision: number } | undefined>;
  /** Writes such a text. Revisions count from 1. */
  write(key: string, text: string, expected: number): Promise<boolean>;
  /** Takes the lock `key` for `ms` unless another node has it; the holder may take it again. */
  lock(key: string, node: string, ms: number): Promise<boolean>;
  /** Calls `listener` for events of all nodes, this one too. Returns a function that ends the calls. */
  watch(listener: (event: EngineEvent) => void): () => void;
  /** Ends the connection, and the watches. {@link join} may be called again, and makes another one. */
  close(): Promise<void>;
}
