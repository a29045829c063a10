import type { AcceptStream, Link, OpeningSession } from "mcp-tunnel-protocol";
import type { Verdict } from "../directory.js";
import type { NodeInfo } from "../engine/engine.js";

/** A client that wants to go on with a session of the peer. */
export interface SpliceHello {
  readonly session: string;
  readonly secret: string;
  readonly address: string;
  readonly isAtDomain: boolean;
}

/** What a peer says to a client that wants to go on with a session there. */
export type SpliceAnswer = "known" | "unknown" | { readonly refused: Verdict };

/** Another relay, as this one reaches it. This relay makes the link and keeps it up. */
export interface Peer {
  readonly node: string;
  /**
   * The session on which this relay opens streams: requests for the peer's tunnels. `undefined` while there
   * is no link. A session whose link is lost comes back within some seconds, or ends.
   */
  readonly session: OpeningSession | undefined;
  /** It has ended, as far as its address can tell, and was not reached since. */
  readonly isGone: boolean;
  /**
   * Asks the peer a question, and resolves with its answer; both are plain JSON of up to 16 MiB.
   * @throws TunnelError `unavailable` without a link, or if the peer failed; `timeout`; `overloaded` if the
   * link carries all that it may; `invalid_option` if the question is too long.
   */
  ask(about: string, body: unknown, timeoutMs: number): Promise<unknown>;
  /**
   * Opens a link of its own for a client whose session the peer has. Over it the peer speaks to the client as
   * if it were connected there.
   * @throws TunnelError `unavailable` or `timeout`: the peer cannot be reached. The cause is a `RelayGone`
   * if it has ended.
   */
  splice(hello: SpliceHello): Promise<Link | "unknown" | { readonly refused: Verdict }>;
}

/** What other relays ask of this one. */
export interface PeerHandler {
  /** A stream of another relay: a request for a tunnel of this one. */
  readonly acceptStream: AcceptStream;
  /** Answers a question, in plain JSON. What it throws is logged, and the peer learns only that it did. */
  answer(about: string, body: unknown, from: string): Promise<unknown>;
  /** Whether this relay has the session of a client that is at another relay. */
  onSplice(hello: SpliceHello): SpliceAnswer;
  /** The link of such a client, after {@link onSplice} has said `known`. */
  onSpliced(link: Link, hello: SpliceHello): void;
  /** {@link Peer.session} of this relay is there now, or is not. */
  onLink?(node: string): void;
}

/** The other relays of a cluster. */
export interface Peers {
  /**
   * Takes connections of other relays from now on, and resolves with the address at which they reach it.
   * @throws TunnelError `unavailable` when the port cannot be had.
   */
  listen(): Promise<string>;
  /** The relays that there are now. Links are made to the new ones, and given up to those that are gone. */
  setNodes(nodes: readonly NodeInfo[]): void;
  get(node: string): Peer | undefined;
  all(): Iterable<Peer>;
  /**
   * How many clients of this relay have their sessions at others (`out`), and the other way round (`in`).
   */
  readonly spliced: { readonly in: number; readonly out: number };
  /** Cuts the links of clients whose sessions other relays have. */
  cutSplices(): void;
  /** Ends all links and listens no more. */
  close(): Promise<void>;
}
