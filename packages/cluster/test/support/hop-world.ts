import {
  type AcceptedStream,
  type Carries,
  type OpeningSession,
  type Refusal,
  type RequestHead,
  type ResponseHead,
  type Session,
  type SessionHandler,
  type StreamReset,
  type TunnelStream,
} from "mcp-tunnel-protocol";
import {
  JsonClientSession,
  JsonRelaySession,
  V1ClientSession,
  V1RelaySession,
  type V1Options,
} from "mcp-tunnel-protocol/sessions";
import { linkedPair, type MemoryLink } from "mcp-tunnel-protocol/testing";
import { ByteChecker } from "../../../../test/support/bytes.js";
import type { Entry } from "../../src/engine/engine.js";
import { type FindHopRoute, HopAcceptor } from "../../src/hop/acceptor.js";
import type { HopRefusal } from "../../src/hop/field.js";
import { RemoteRoute } from "../../src/hop/remote-route.js";
import type { Peer } from "../../src/peers/peers.js";
import type { Route, RouteHandler } from "../../src/route.js";

/** A turn of the event loop, after which everything that waited for `setImmediate` has run. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
}

/**
 * Waits for a state that other turns of the event loop bring about; the test's time limit is the only one.
 */
export async function until(isSo: () => boolean): Promise<void> {
  // oxlint-disable-next-line no-await-in-loop -- one turn after the other
  while (!isSo()) await turn();
}

/** One end of an exchange: what it has heard, in words, and the bytes, which must be those of `bytesAt`. */
class Party {
  readonly heard: string[] = [];
  readonly body = new ByteChecker();
  stream: TunnelStream | undefined;
  reset: StreamReset | undefined;
  hasEnded = false;
  /** Takes data as it comes. Otherwise it waits for {@link take}. */
  isEager = true;
  #untaken = 0;
  #isGivenUp = false;
  #onDrain: (() => void) | undefined;

  onData(chunk: Buffer): void {
    this.body.update(chunk);
    if (this.isEager) this.stream?.consumed(chunk.length);
    else this.#untaken += chunk.length;
  }

  onEnd(trailers: string[]): void {
    this.hasEnded = true;
    this.heard.push(trailers.length === 0 ? "end" : `end ${trailers.join(" ")}`);
  }

  onReset(reason: StreamReset): void {
    this.reset = reason;
    this.heard.push(`reset ${reason.code}: ${reason.message}`);
    this.giveUp();
  }

  onDrain(): void {
    this.#onDrain?.();
  }

  /** Takes up to `bytes` of what has come. */
  take(bytes = Number.POSITIVE_INFINITY): void {
    const taken = Math.min(bytes, this.#untaken);
    this.#untaken -= taken;
    this.stream?.consumed(taken);
  }

  /** Sends no more: this end has reset the stream, or has heard of a reset. */
  giveUp(): void {
    this.#isGivenUp = true;
    this.#onDrain?.();
  }

  /** Sends chunks, as fast as they are taken. */
  async send(chunks: Iterable<Buffer>): Promise<void> {
    for (const chunk of chunks) {
      if (this.#isGivenUp) return;
      if (this.stream?.write(chunk) !== false) continue;
      // oxlint-disable-next-line no-await-in-loop -- the stream asks for a pause
      await new Promise<void>((resolve) => {
        this.#onDrain = resolve;
      });
      this.#onDrain = undefined;
    }
  }
}

/** The visitor's side: the handler of a request at the relay to which the visitor came. */
export class Visitor extends Party implements RouteHandler {
  /** Called when the request is taken, or refused. */
  whenAccepted: () => void = () => {};

  onAccepted(): void {
    this.heard.push("accepted");
    this.whenAccepted();
  }

  onRefused(): void {
    this.heard.push("refused");
  }

  onLimited(): void {
    this.heard.push("limited");
  }

  onInterim({ status, headers }: ResponseHead): void {
    this.heard.push(`interim ${[status, ...headers].join(" ")}`);
  }

  onHead({ status, headers }: ResponseHead, end: boolean): void {
    this.heard.push(`head ${[status, ...headers].join(" ")}${end ? " (no body)" : ""}`);
  }
}

/** The client's side: a stream that its session has accepted. */
export class Served extends Party {
  declare stream: AcceptedStream;
  readonly head: RequestHead;

  constructor(stream: AcceptedStream, head: RequestHead, end: boolean) {
    super();
    this.stream = stream;
    this.head = head;
    this.heard.push(`${head.method} ${head.path}${end ? " (no body)" : ""}`);
  }
}

/** The tunnel of the relay that has it. */
class LocalTunnel implements Route {
  isAway = false;
  readonly acceptsLater = false;
  readonly takesRefusals = true;
  readonly counted: [requestBytes: number, responseBytes: number][] = [];
  readonly told: Refusal[] = [];
  session!: OpeningSession;

  get carries(): Carries {
    return this.session.carries;
  }

  get wire() {
    return this.session.wire;
  }

  get streamCount(): number {
    return this.session.streamCount;
  }

  get queuedBytes(): number {
    return this.session.heldBytes;
  }

  open(head: RequestHead, end: boolean, handler: RouteHandler): TunnelStream {
    return this.session.open(head, end, handler);
  }

  count(requestBytes: number, responseBytes: number): void {
    this.counted.push([requestBytes, responseBytes]);
  }

  tellRefusals(refusals: readonly Refusal[]): void {
    this.told.push(...refusals);
  }
}

export interface HopOptions {
  wire?: "v1" | "json";
  /** Of the session from relay to relay, at its two ends, and of the tunnel's. */
  hop?: V1Options;
  hopOwner?: V1Options;
  tunnel?: V1Options;
  takesRefusals?: boolean;
}

/** A relay with a visitor, a relay with the tunnel, and its client, all linked in memory. */
export class HopWorld {
  /** What the sessions have reported, in the order in which it happened. */
  readonly events: string[] = [];
  readonly served: Served[] = [];
  readonly tunnel = new LocalTunnel();
  /** More tunnels of that relay. */
  readonly others = new Map<string, Route>();
  readonly acceptor: HopAcceptor;
  readonly route: RemoteRoute;
  readonly peer: Peer & { session: OpeningSession | undefined };
  readonly asked: [about: string, body: unknown][] = [];
  readonly refusals: HopRefusal[] = [];
  readonly front: V1RelaySession;
  /** The link to the relay with the tunnel. */
  readonly frontLink: MemoryLink;
  readonly owner: V1ClientSession;
  readonly client: V1ClientSession | JsonClientSession;
  readonly entry: Entry;
  /** What the client does with a stream at once. */
  onServed: (served: Served) => void = () => {};

  constructor({ wire = "v1", hop = {}, hopOwner = {}, tunnel = {}, takesRefusals = true }: HopOptions = {}) {
    const liveness = { pingIntervalMs: 0 };
    const told = (name: string): SessionHandler => ({
      onClose: (error) => this.events.push(`${name} closed: ${error.code}`),
      onFault: (error) => this.events.push(`${name} fault: ${String(error)}`),
      onOverloaded: () => this.events.push(`${name} overloaded`),
    });
    const [tunnelLink, clientLink] = linkedPair();
    const accept = (stream: AcceptedStream, head: RequestHead, end: boolean): Served => {
      const served = new Served(stream, head, end);
      this.served.push(served);
      this.onServed(served);
      return served;
    };
    if (wire === "v1") {
      const session = new V1RelaySession(told("tunnel"), { liveness, ...tunnel });
      const client = new V1ClientSession(accept, told("client"), { liveness });
      session.attach(tunnelLink, 0);
      client.attach(clientLink, 0);
      this.tunnel.session = session;
      this.client = client;
    } else {
      this.tunnel.session = new JsonRelaySession(tunnelLink, told("tunnel"), { liveness });
      this.client = new JsonClientSession(clientLink, accept, told("client"), { liveness });
    }

    const info = {
      instance: undefined,
      owner: "token",
      address: "127.0.0.1",
      session: "owner.1",
      wire,
      takesRefusals,
      pool: undefined,
    };
    this.entry = { name: "app", node: "owner", gen: 1_764_500_000_000_001, info, moving: false };
    this.acceptor = new HopAcceptor(this.find);
    const [frontLink, ownerLink] = linkedPair();
    this.front = new V1RelaySession(told("front"), { liveness, ...hop });
    this.owner = new V1ClientSession(this.acceptor.accept, told("owner"), { liveness, ...hopOwner });
    this.frontLink = frontLink;
    this.front.attach(frontLink, 0);
    this.owner.attach(ownerLink, 0);
    const { asked } = this;
    this.peer = {
      node: "owner",
      isGone: false,
      session: this.front,
      ask: async (about, body) => void asked.push([about, body]),
      splice: () => Promise.reject(new Error("not here")),
    };
    this.route = new RemoteRoute(this.entry, this.peer, {
      onRefused: (_route, reason) => this.refusals.push(reason),
    });
  }

  /** The tunnel, for who has its name and number. */
  readonly find: FindHopRoute = (name, gen) => {
    if (gen !== this.entry.gen) return undefined;
    return name === this.entry.name ? this.tunnel : this.others.get(name);
  };

  /** The sessions of both tunnels, from the visitor to the client. */
  get sessions(): readonly Session[] {
    return [this.front, this.owner, this.tunnel.session, this.client];
  }

  /** Opens a request of a visitor. `body`: the body or the upgraded bytes follow once it is taken. */
  visit(head: Partial<RequestHead> = {}, body = false): Visitor {
    const visitor = new Visitor();
    const whole = { method: "GET", path: "/", headers: ["Host", "app.example"], ...head };
    visitor.stream = this.route.open(whole, !body, visitor);
    return visitor;
  }

  /** The stream with this number at the client, once it is there. */
  async serve(index = 0): Promise<Served> {
    await until(() => this.served.length > index);
    return this.served.at(index) as Served;
  }

  /** Waits until nothing is open any more. Nothing may be held then. */
  async settled(): Promise<HopWorld["held"]> {
    await until(() => this.sessions.every(({ streamCount }) => streamCount === 0));
    await turn();
    return this.held;
  }

  /** What is held for requests anywhere: numbers that are 0 when nothing is going on. */
  get held() {
    const { client } = this;
    return {
      frontStreams: this.front.streamCount,
      frontBytes: this.front.queuedBytes,
      ownerStreams: this.owner.streamCount,
      ownerBytes: this.owner.queuedBytes,
      tunnelStreams: this.tunnel.session.streamCount,
      tunnelBytes: this.tunnel.session instanceof V1RelaySession ? this.tunnel.session.queuedBytes : 0,
      clientStreams: client.streamCount,
      clientBytes: client instanceof V1ClientSession ? client.queuedBytes : 0,
      exchanges: this.acceptor.open.size,
      routeStreams: this.route.streamCount,
      routeBytes: this.route.queuedBytes,
    };
  }

  close(): void {
    for (const session of this.sessions) session.close(1000, "");
  }
}

/** What {@link HopWorld.held} is when nothing is going on. */
export const nothingHeld: HopWorld["held"] = {
  frontStreams: 0,
  frontBytes: 0,
  ownerStreams: 0,
  ownerBytes: 0,
  tunnelStreams: 0,
  tunnelBytes: 0,
  clientStreams: 0,
  clientBytes: 0,
  exchanges: 0,
  routeStreams: 0,
  routeBytes: 0,
};
