import { setMaxListeners } from "node:events";
import {
  closeCodes,
  type Link,
  type LivenessOptions,
  type Logger,
  type OpeningSession,
  TunnelError,
} from "mcp-tunnel-protocol";
import type { Verdict } from "../directory.js";
import type { Dialer } from "./dialer.js";
import { KeptSession, type KeptSessionOwner } from "./kept-session.js";
import { spliceReply } from "./messages.js";
import type { Peer, SpliceHello } from "./peers.js";
import { ask } from "./questions.js";
import type { Splices } from "./splices.js";
import { Turnstile } from "./turnstile.js";

/**
 * Handshakes of splices with one relay at the same time. Thousands of clients may come back in one moment,
 * and the other relay cuts the oldest of too many strangers.
 */
const spliceHandshakes = 64;

export interface OutgoingPeerOptions {
  readonly dialer: Dialer;
  readonly splices: Splices;
  readonly liveness: LivenessOptions;
  readonly resumeTimeoutMs: number;
  /** How long the handshake of a splice may take, and wait for its turn while the relay answers none. */
  readonly handshakeTimeoutMs: number;
  readonly logger: Logger;
  /** The link to the relay has come or gone. */
  onLink(node: string): void;
  /** The relay has ended. */
  onGone(node: string): void;
}

/** Another relay, with the links that this one makes to it. */
export class OutgoingPeer implements Peer, KeptSessionOwner {
  readonly node: string;
  /** Where the relay is. The next link is made there. */
  address: string;
  readonly #options: OutgoingPeerOptions;
  readonly #onOver: () => void;
  readonly #sessions = new Set<KeptSession>();
  #current: KeptSession;
  /** Takes over when it has a link: the ids of the current session run low. */
  #successor: KeptSession | undefined;
  /** What the relay announced on its last link. */
  #features: readonly string[] | undefined;
  readonly #turnstile = new Turnstile(spliceHandshakes);
  /** When the relay has answered a splice. In `performance.now()`. */
  #splicedAtMs = 0;
  readonly #giveUp = new AbortController();
  /** Nobody opens streams there any more. */
  #isLeft = false;
  #isGone = false;

  /** Dials at once. `onOver` is called when the relay has left and its streams have ended. */
  constructor(node: string, address: string, options: OutgoingPeerOptions, onOver: () => void) {
    this.node = node;
    this.address = address;
    this.#options = options;
    this.#onOver = onOver;
    // As many listen as handshakes are on their way.
    setMaxListeners(0, this.#giveUp.signal);
    this.#current = this.#keep();
  }

  get session(): OpeningSession | undefined {
    if (this.#isLeft) return undefined;
    const { session } = this.#current;
    // A session says so itself when four billion streams are near.
    if (session?.leaving === true) this.#successor ??= this.#keep();
    return session;
  }

  get isGone(): boolean {
    return this.#isGone;
  }

  async ask(about: string, body: unknown, timeoutMs: number): Promise<unknown> {
    const { session } = this;
    if (session === undefined) throw this.#unavailable("there is no link to it");
    if (this.#features?.includes("questions") !== true) throw this.#unavailable("it takes no questions");
    return ask(session, about, body, timeoutMs);
  }

  async splice(hello: SpliceHello): Promise<Link | "unknown" | { readonly refused: Verdict }> {
    if (this.#features?.includes("splice") === false) throw this.#unavailable("it takes no spliced clients");
    const { dialer, splices, handshakeTimeoutMs } = this.#options;
    const { node, address } = this;
    const call = { node, address, kind: "splice", request: hello, answer: spliceReply } as const;
    const askedAtMs = performance.now();
    const { link, socket, answer } = await this.#turnstile.pass(async () => {
      // Each handshake with a relay that is silent takes its whole time. The last of a thousand clients would
      // wait for minutes, and new ones would find no room.
      const silentSinceMs = Math.max(askedAtMs, this.#splicedAtMs);
      if (performance.now() - silentSinceMs > handshakeTimeoutMs) {
        throw this.#unavailable("it is silent, and many clients wait for it");
      }
      const dialed = await dialer.dial(call, this.#giveUp.signal);
      this.#splicedAtMs = performance.now();
      return dialed;
    });
    if (answer.splice === "known") {
      splices.add(link, socket);
      return link;
    }
    link.close(closeCodes.normal, "");
    return answer.verdict === undefined ? "unknown" : { refused: answer.verdict };
  }

  /**
   * The relay is gone: no more links. Streams may go on over the link that there is. The clients that wait
   * for a handshake register anew now, and not after it has failed.
   */
  leave(): void {
    this.#isLeft = true;
    this.#giveUp.abort();
    for (const session of this.#sessions) void session.retire();
  }

  /** Ends all that this relay has open there, except for splices. */
  end(): void {
    this.#isLeft = true;
    this.#giveUp.abort();
    for (const session of this.#sessions) session.end();
  }

  onLink(kept: KeptSession, features: readonly string[] | undefined): void {
    if (features !== undefined) {
      this.#features = features;
      this.#isGone = false;
      if (kept === this.#successor) {
        const before = this.#current;
        this.#current = kept;
        this.#successor = undefined;
        void before.retire();
      }
    }
    if (kept === this.#current) this.#options.onLink(this.node);
  }

  onGone(): void {
    this.#isGone = true;
    this.#options.onGone(this.node);
  }

  onOver(kept: KeptSession): void {
    this.#sessions.delete(kept);
    if (this.#sessions.size === 0) this.#onOver();
  }

  #keep(): KeptSession {
    const { dialer, liveness, resumeTimeoutMs, logger } = this.#options;
    const kept = new KeptSession({ node: this.node, dialer, liveness, resumeTimeoutMs, logger }, this);
    this.#sessions.add(kept);
    return kept;
  }

  #unavailable(why: string): TunnelError {
    return new TunnelError("unavailable", `relay ${this.node} at ${this.address} cannot be asked: ${why}`);
  }
}
