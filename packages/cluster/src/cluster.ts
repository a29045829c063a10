import { randomBytes } from "node:crypto";
import { type LivenessOptions, type Logger, TunnelError } from "mcp-tunnel-protocol";
import type { Verdict } from "./directory.js";
import type { Engine, NodeInfo } from "./engine/engine.js";
import { HopAcceptor } from "./hop/acceptor.js";
import { refusalsQuestion, takeRefusals } from "./hop/refusals.js";
import { RemoteRoute } from "./hop/remote-route.js";
import type {
  Answers,
  Member,
  MemberHost,
  MemberRelay,
  MemberStatus,
  Question,
  ReturnAnswer,
  ReturningClient,
  SharedStore,
} from "./member.js";
import { ClusterDirectory } from "./names/directory.js";
import type { LookTimes } from "./names/elsewhere.js";
import { Domains } from "./names/domains.js";
import { Lease, type LeaseTimes, leaseTimesOf } from "./names/lease.js";
import { Neighbours } from "./names/neighbours.js";
import { Outage } from "./names/outage.js";
import { readGranted, readHas } from "./names/questions.js";
import { type MemberOptions, resolveOptions } from "./options.js";
import { PeerLinks } from "./peers/peer-links.js";
import type { Peer, PeerHandler, Peers } from "./peers/peers.js";
import { Returns } from "./splice/returns.js";
import { SealedStore } from "./store.js";

/** How long relays may take to answer an operator's question, in milliseconds. */
const questionTimeoutMs = 2_000;

/**
 * Makes a relay's place in a cluster. {@link Member.join} takes it.
 * @throws TunnelError `invalid_option`.
 */
export function createMember(options: MemberOptions): Member {
  const { engine, clientLiveness, endTogether, leaseMs, ...links } = resolveOptions(options);
  const { logger } = links;
  const node = drawNode();
  return new ClusterMember({
    node,
    engine,
    store: new SealedStore(engine, node, links.secret),
    makePeers: (handler) => new PeerLinks({ ...links, node }, handler),
    clientLiveness,
    endTogether,
    leaseTimes: leaseTimesOf(leaseMs),
    logger,
  });
}

/** No dot is in it, because one follows it in the ids of sessions. */
export function drawNode(): string {
  return `n${randomBytes(8).toString("hex")}`;
}

export interface MemberParts {
  readonly node: string;
  readonly engine: Engine;
  readonly store: SharedStore;
  /** Called at once, so that mistakes in the options show, and for each further join. */
  readonly makePeers: (handler: PeerHandler) => Peers;
  readonly clientLiveness?: LivenessOptions | undefined;
  /** See {@link MemberOptions.endTogether}. */
  readonly endTogether?: (() => Promise<void>) | undefined;
  readonly leaseTimes: LeaseTimes;
  readonly lookTimes?: LookTimes;
  readonly logger: Logger;
}

/** The parts, put together, started and closed. */
export class ClusterMember implements Member {
  readonly node: string;
  readonly directory: ClusterDirectory;
  readonly store: SharedStore;
  readonly #parts: MemberParts;
  readonly #engine: Engine;
  readonly #logger: Logger;
  readonly #hops: HopAcceptor;
  readonly #returns: Returns;
  readonly #neighbours: Neighbours;
  readonly #domains: Domains;
  readonly #outage: Outage;
  #peers: Peers;
  #host: MemberHost | undefined;
  #lease: Lease | undefined;
  #unwatch: (() => void) | undefined;
  #address = "";
  #draining = false;

  constructor(parts: MemberParts) {
    this.#parts = parts;
    this.node = parts.node;
    this.store = parts.store;
    this.#engine = parts.engine;
    this.#logger = parts.logger;
    this.#peers = parts.makePeers(this.#handler());
    const peers = {
      get: (node: string): Peer | undefined => this.#peers.get(node),
      all: (): Iterable<Peer> => this.#peers.all(),
      setNodes: (nodes: readonly NodeInfo[]): void => this.#peers.setNodes(nodes),
    };
    this.#neighbours = new Neighbours(this.node, peers, () => this.directory.doubtAll());
    this.#domains = new Domains(parts.logger);
    this.#outage = new Outage(peers, () => this.#neighbours.others);
    this.directory = new ClusterDirectory({
      node: this.node,
      engine: this.#engine,
      peers,
      servesMoving: parts.endTogether !== undefined,
      routeTo: (entry, peer, onRefused) =>
        new RemoteRoute(entry, peer, { onRefused: (_route, reason) => onRefused(reason === "moved") }),
      ...(parts.lookTimes === undefined ? {} : { lookTimes: parts.lookTimes }),
    });
    this.#hops = new HopAcceptor((name, gen) => this.directory.held(name, gen));
    this.#returns = new Returns({
      node: this.node,
      engine: this.#engine,
      peers,
      liveness: parts.clientLiveness,
    });
  }

  get isReady(): boolean {
    return this.#lease !== undefined && (this.#lease.isHeld || this.#outage.isEverywhere);
  }

  /**
   * The order of the start: other relays dial as soon as the engine tells them of this one, so the port for
   * them is first. Events are heard before there is anything that they could be about. The lease is last,
   * because it is the promise that all the rest works.
   */
  async join(host: MemberHost): Promise<void> {
    if (this.#host !== undefined) throw new TunnelError("invalid_state", "this relay has joined already");
    this.#host = host;
    this.directory.usePools((name, members, sessions) => host.pool(name, members, sessions));
    try {
      this.#address = await this.#peers.listen();
      this.#unwatch = this.#engine.watch((event) => {
        this.directory.onEvent(event);
      });
      this.#lease = new Lease(this.#engine, this, this.#logger, this.#parts.leaseTimes);
      await this.#lease.begin();
    } catch (error) {
      await this.leave();
      throw error;
    }
  }

  returning(client: ReturningClient): Promise<ReturnAnswer> {
    return this.#returns.take(client);
  }

  remember(session: string, verdict: Verdict): void {
    this.#engine.remember(session, verdict).catch(() => {
      // While this relay lives it knows the verdict itself.
      this.#logger.warn({ session }, "the engine does not know why a client was sent away");
    });
  }

  async ask<T>(question: Question): Promise<Answers<T>> {
    const answers = new Map<string, T>();
    const silent: string[] = [];
    const note = async (node: string, answer: () => unknown): Promise<void> => {
      try {
        answers.set(node, (await answer()) as T);
      } catch {
        silent.push(node);
      }
    };
    await Promise.all([
      note(this.node, () => this.#answerQuestion(question)),
      ...Array.from(this.#peers.all(), (peer) =>
        note(peer.node, () => peer.ask("question", question, questionTimeoutMs)),
      ),
    ]);
    return { answers, silent };
  }

  status(): MemberStatus {
    const sessions = Array.from(this.#peers.all(), ({ session }) => session).filter(
      (one) => one !== undefined,
    );
    return {
      nodes: this.#neighbours.nodes.length,
      peers: sessions.length,
      requestsIn: this.#hops.open.size,
      requestsOut: sessions.reduce((sum, { streamCount }) => sum + streamCount, 0),
      splicesIn: this.#peers.spliced.in,
      splicesOut: this.#peers.spliced.out,
    };
  }

  relays(): MemberRelay[] {
    const isLinked = (id: string): boolean => id === this.node || this.#peers.get(id)?.session !== undefined;
    return this.#neighbours.nodes.map(({ id, address }) => ({ node: id, address, isLinked: isLinked(id) }));
  }

  /**
   * Clients whose sessions are elsewhere come back through another relay at once, unless no other relay will
   * take them.
   */
  async drain(): Promise<void> {
    this.#draining = true;
    if (this.#parts.endTogether === undefined) this.#peers.cutSplices();
    await this.#lease?.announce();
  }

  async awaitOthers(): Promise<void> {
    await this.#parts.endTogether?.();
  }

  /**
   * The order of the end: once the lease is given up, no relay dials any more. Then the links are cut. The
   * engine is closed last, because it is told until then which names are free.
   */
  async leave(): Promise<void> {
    await this.#lease?.end();
    this.#unwatch?.();
    this.directory.close();
    await this.#peers.close();
    await this.#engine.close();
    // For a relay that is told to listen again.
    this.#lease = undefined;
    this.#outage.over();
    this.#host = undefined;
    this.#draining = false;
    this.#neighbours.set([]);
    this.#peers = this.#parts.makePeers(this.#handler());
  }

  // ---- from the lease

  ownNode(): NodeInfo {
    const { node: id } = this;
    const { version = "", domain } = this.#host ?? {};
    return { id, address: this.#address, version, domain, draining: this.#draining };
  }

  onNodes(nodes: readonly NodeInfo[]): void {
    this.#neighbours.set(nodes);
    if (this.#host !== undefined) this.#domains.look(this.#host.domain, nodes);
  }

  onUnanswered(): void {
    this.#outage.begin();
  }

  onAnswered(): void {
    this.#outage.over();
  }

  onMissed(): void {
    this.directory.doubtAll();
  }

  reconcile(): Promise<void> {
    return this.directory.reconcile();
  }

  // ---- from other relays

  #handler(): PeerHandler {
    return {
      acceptStream: (stream, head, end) => this.#hops.accept(stream, head, end),
      answer: (about, body) => this.#answer(about, body),
      onSplice: ({ session, secret }) => {
        const answer = this.#host?.session(session, secret) ?? "unknown";
        return typeof answer === "string" ? answer : { refused: answer };
      },
      onSpliced: (link, { address, isAtDomain }) => this.#host?.onSpliced(link, { address, isAtDomain }),
      onLink: (node) => {
        this.directory.onPeer(node);
        this.#neighbours.onLink(node);
      },
    };
  }

  async #answer(about: string, body: unknown): Promise<unknown> {
    switch (about) {
      case "has":
        return this.directory.answerHas(readHas(body).name);
      case "displaced":
        this.directory.onClaimed(readGranted(body));
        return null;
      case "engine":
        return this.#lease?.isAnswered === false ? "away" : "answers";
      case "question":
        return this.#answerQuestion(body as Question);
      case refusalsQuestion:
        takeRefusals((name, gen) => this.directory.held(name, gen), body);
        return null;
      default:
        throw new TunnelError("unsupported", `this relay knows no question about '${about}'`);
    }
  }

  #answerQuestion(question: Question): unknown {
    if (this.#host === undefined) throw new TunnelError("invalid_state", "this relay has not joined yet");
    return this.#host.answer(question);
  }
}
