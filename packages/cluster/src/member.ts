import type { Link } from "mcp-tunnel-protocol";
import type { ClaimantInfo, Directory, Verdict } from "./directory.js";
import type { Pool, Route } from "./route.js";

/** A client that wants to go on with a session of another relay. */
export interface ReturningClient {
  /** The id of the session. */
  readonly session: string;
  /** The secret with which the client resumes it. */
  readonly secret: string;
  /** The client's first message, as it came. */
  readonly message: string;
  /** The client's link. It has said nothing else yet, and waits for an answer. */
  readonly link: Link;
  /** The client's address. */
  readonly address: string;
  /** The client came to the relay's own domain. */
  readonly isAtDomain: boolean;
}

/**
 * What becomes of a returning client. `taken`: the relay that has the session has taken it, and the link
 * belongs to the cluster now. `gone`: no relay has the session any more, so the client may register anew.
 * `refused`: the client is sent away with the verdict.
 */
export type ReturnAnswer = "taken" | "gone" | { readonly refused: Verdict };

/** A client whose messages come through another relay. */
export interface SplicedClient {
  /** The client's address. */
  readonly address: string;
  /** The client came to the relay's own domain. */
  readonly isAtDomain: boolean;
}

/** What one relay answers to a question for all of them. */
export interface Answers<T> {
  /** By the ids of the relays. This relay is among them. */
  readonly answers: ReadonlyMap<string, T>;
  /** The relays that did not answer in time. */
  readonly silent: readonly string[];
}

/** What a relay knows of its cluster at one moment. The counts are of what is open now. */
export interface MemberStatus {
  /** Relays that are alive, this one among them. */
  readonly nodes: number;
  /** Other relays to which this one has a link. */
  readonly peers: number;
  /** Requests that other relays have brought for tunnels of this one. */
  readonly requestsIn: number;
  /** Requests that were taken to tunnels of other relays. */
  readonly requestsOut: number;
  /** Clients of this relay's sessions that are connected to other relays. */
  readonly splicesIn: number;
  /** Clients that are connected here, and whose sessions other relays have. */
  readonly splicesOut: number;
}

/** A relay of the cluster, as one of them knows it. */
export interface MemberRelay {
  /** Its id, drawn at each start. */
  readonly node: string;
  /** Where other relays reach it: `host:port`, `[v6]:port`, or the path of a unix socket (`unix:/run/x`). */
  readonly address: string;
  /** Whether this relay has a link to it, or is it. */
  readonly isLinked: boolean;
}

/** A text that all relays share. */
export interface SharedText {
  /** `undefined` if this relay cannot open it: it was sealed with another secret, or changed since. */
  readonly text: string | undefined;
  /** Counts the writes of the key, from 1. */
  readonly revision: number;
}

/**
 * Texts that all relays share, such as the certificate that one of them has obtained. The engine has them
 * sealed with a key that is made of the cluster's secret. Every method rejects with TunnelError `unavailable`
 * if the engine does not answer.
 */
export interface SharedStore {
  /** `undefined` if nobody has written the key. */
  read(key: string): Promise<SharedText | undefined>;
  /** `expected`: the revision that the writer has read, 0 for none. False if another has written since. */
  write(key: string, text: string, expected: number): Promise<boolean>;
  /** Takes the lock `key` for `ms` unless another relay has it. The holder may take it again, for longer. */
  lock(key: string, ms: number): Promise<boolean>;
}

/** A relay's place in a cluster, as the relay uses it. */
export interface Member {
  /**
   * The id of the relay, drawn at each start: up to 64 letters, digits, hyphens and underscores. The relay's
   * sessions have ids that begin with it and a dot.
   */
  readonly node: string;
  /** Who has which name, over all relays. */
  readonly directory: Directory;
  /** Works from {@link join} until {@link leave}. */
  readonly store: SharedStore;
  /**
   * Whether the other relays can count on this one: it has a lease of the engine, or the engine answers no
   * relay. Balancers should send no visitors to a relay that is not ready. It still serves those that come.
   */
  readonly isReady: boolean;
  /**
   * Listens for other relays, and takes its place among them. Called before the relay listens for visitors,
   * and again only after {@link leave}, if the relay could not have its port and is told to listen again.
   * @throws TunnelError `unavailable` when the port for relays, or the engine, is not to be had.
   */
  join(host: MemberHost): Promise<void>;
  /**
   * Which relay has the session that a client wants to go on with, and what it says. Never rejects. The link
   * has no handler when this is called, so it keeps what the client says meanwhile. It has none again when
   * the answer is not `taken`.
   */
  returning(client: ReturningClient): Promise<ReturnAnswer>;
  /** Keeps the verdict for a client that is away, for a day, also if this relay is gone by then. */
  remember(session: string, verdict: Verdict): void;
  /** Asks all relays, this one too. `question`: for {@link MemberHost.answer} of each. Never rejects. */
  ask<T>(question: Question): Promise<Answers<T>>;
  /** For the operator's metrics. */
  status(): MemberStatus;
  /** The relays that are alive, this one among them. None before {@link join}. */
  relays(): readonly MemberRelay[];
  /** No visitors and clients come to this relay any more. Cuts the clients whose sessions are elsewhere. */
  drain(): Promise<void>;
  /**
   * Called when nothing is open at a relay that drains. Resolves when it may end: at once, unless the relays
   * of the cluster end together. More may be open by then.
   */
  awaitOthers(): Promise<void>;
  /** Gives the place up. Requests from other relays are cut. The end of a relay does not depend on others. */
  leave(): Promise<void>;
}

/**
 * A question that one relay asks all of them. In words: which tunnels are open; close the tunnel `name` for
 * good; a token (by the id of its grant) was taken back, so close its tunnels, or all but those with names
 * that the patterns `allowed` grant; which bytes of open requests, by name, went to tunnels of other relays.
 */
export type Question =
  | { readonly about: "tunnels" }
  | { readonly about: "disconnect"; readonly name: string }
  | { readonly about: "revoked"; readonly token: string; readonly allowed?: readonly string[] | undefined }
  | { readonly about: "traffic" };

/** A tunnel of a pool: of this relay, or of another one. */
export interface PoolMember {
  /** The way to the tunnel. */
  readonly route: Route;
  /** What other relays have to know of it. */
  readonly info: ClaimantInfo;
}

/**
 * Which member of a pool has which MCP session, as far as all relays know. Sessions are told by digests of
 * their ids. What is kept is forgotten an hour after it was kept, or found, last.
 */
export interface PoolSessions {
  /** The member has the session. Never throws. */
  keep(digest: string, member: PoolMember): void;
  /** The member that has the session, if it is still there. Never rejects. */
  find(digest: string): Promise<PoolMember | undefined>;
}

/** The relay, as its place in a cluster uses it. */
export interface MemberHost {
  /** The version of the relay. */
  readonly version: string;
  /** The relay's domain, for a warning: all relays of a cluster have the same. */
  readonly domain: string;
  /** Whether a client with this secret may go on with a session of this relay. */
  session(id: string, secret: string): "known" | "unknown" | Verdict;
  /** Lets a client register or resume whose messages come through another relay. */
  onSpliced(link: Link, client: SplicedClient): void;
  /** Answers a question of another relay, or of this one. The answer is plain JSON. */
  answer(question: Question): unknown;
  /**
   * Makes a pool of the tunnels that serve `name` together, even if there is only one. Called again when its
   * members change. The relay knows from before which sessions they have and which of them fail. It asks
   * `sessions` for a session that it does not know.
   */
  pool(name: string, members: readonly PoolMember[], sessions: PoolSessions): Pool;
}
