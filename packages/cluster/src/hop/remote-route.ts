import {
  carriedBy,
  type Carries,
  type OpeningSession,
  type Refusal,
  RefusalGatherer,
  type RequestHead,
  TunnelError,
  type TunnelStream,
  type Wire,
} from "mcp-tunnel-protocol";
import type { Entry } from "../engine/engine.js";
import type { Peer } from "../peers/peers.js";
import type { Route, RouteHandler } from "../route.js";
import { type HopRefusal, hopValue, withHop } from "./field.js";
import { refusalsQuestion, type RefusalsReport } from "./refusals.js";
import { RemoteRequest, type RemoteRequestOwner } from "./remote-request.js";

/** How long a relay may take to note what was refused in the name of its tunnel, in milliseconds. */
const refusalsTimeoutMs = 5_000;

/** Who finds routes to other relays. */
export interface RemoteRouteOwner {
  /**
   * The relay of `route` has not taken a request. What is known of the tunnel is out of date. The request
   * looks for a route again as soon as this returns.
   */
  onRefused(route: RemoteRoute, reason: HopRefusal): void;
}

/** The way to a tunnel of another relay. */
export class RemoteRoute implements Route, RemoteRequestOwner {
  readonly entry: Entry;
  /** The tunnel takes no requests now, as the directory has been told. */
  isTunnelAway = false;
  readonly #peer: Peer;
  readonly #owner: RemoteRouteOwner;
  readonly #hop: string;
  /** A session that takes no more streams, because it ends. */
  #spent: OpeningSession | undefined;
  #streams = 0;
  #queuedBytes = 0;
  /** Made at its first use, because most routes never need it. */
  #refusals: RefusalGatherer | undefined;

  /** `peer`: the relay that has the tunnel. */
  constructor(entry: Entry, peer: Peer, owner: RemoteRouteOwner) {
    this.entry = entry;
    this.#peer = peer;
    this.#owner = owner;
    this.#hop = hopValue(entry);
  }

  /** Requests wait also while there is no session with the other relay, or one that ends. */
  get isAway(): boolean {
    const { session } = this.#peer;
    return this.isTunnelAway || session === undefined || session === this.#spent;
  }

  get acceptsLater(): boolean {
    return true;
  }

  get carries(): Carries {
    return carriedBy[this.entry.info.wire];
  }

  get wire(): Wire {
    return this.entry.info.wire;
  }

  /** Requests of this relay's visitors: the tunnel may have more from elsewhere. */
  get streamCount(): number {
    return this.#streams;
  }

  /** Bytes of answers that this relay's visitors have not taken. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  get takesRefusals(): boolean {
    return this.entry.info.takesRefusals;
  }

  /**
   * Opens a stream to the other relay. Without a session, or on one that ends, the request counts as refused:
   * it looks for a route again, and waits.
   * @throws TunnelError `overloaded` or `head_too_large`.
   */
  open(head: RequestHead, end: boolean, handler: RouteHandler): TunnelStream {
    const request = new RemoteRequest(this, handler, !end);
    const { session } = this.#peer;
    if (session === undefined) {
      request.refuseLater();
      return request;
    }
    const { method, path, upgrade } = head;
    const headers = withHop(this.#hop, head.headers);
    try {
      request.begin(session.open({ method, path, headers, upgrade: upgrade === true }, end, request));
    } catch (error) {
      if (!(error instanceof TunnelError) || !isGone.has(error.code)) throw error;
      this.#spent = session;
      request.refuseLater();
      return request;
    }
    this.#streams += 1;
    return request;
  }

  /** Does nothing: the relay that has the tunnel counts its requests. */
  count(): void {}

  /** Tells the relay that has the tunnel, which tells the client. Nobody is told while there is no link. */
  tellRefusals(refusals: readonly Refusal[]): void {
    if (!this.takesRefusals) return;
    this.#refusals ??= new RefusalGatherer((gathered) => {
      const { name, gen } = this.entry;
      const report: RefusalsReport = { name, gen, refusals: [...gathered] };
      void this.#peer.ask(refusalsQuestion, report, refusalsTimeoutMs).catch(() => {});
      return true;
    });
    this.#refusals.add(refusals);
  }

  // ---- from its requests

  onRefused(reason: HopRefusal): void {
    this.#owner.onRefused(this, reason);
  }

  onQueued(bytes: number): void {
    this.#queuedBytes += bytes;
  }

  onOver(): void {
    this.#streams -= 1;
  }
}

/** Codes with which a session takes no stream because it ends. */
const isGone: ReadonlySet<string> = new Set(["session_closed", "session_lost", "draining"]);
