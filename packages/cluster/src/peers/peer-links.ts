import {
  checkLiveness,
  type LivenessOptions,
  type Logger,
  silentLogger,
  TunnelError,
} from "mcp-tunnel-protocol";
import { AcceptedSessions } from "./accepted-sessions.js";
import { Acceptor, type Caller } from "./acceptor.js";
import { formatPeerAddress, parsePeerAddress, type PeerPlace } from "./address.js";
import { Dialer } from "./dialer.js";
import type { NodeInfo } from "../engine/engine.js";
import { nodeForm } from "./fields.js";
import { RefusalLog } from "./refusal-log.js";
import { OpenSockets } from "./open-sockets.js";
import { OutgoingPeer } from "./outgoing-peer.js";
import { PeerPort } from "./peer-port.js";
import type { Peer, PeerHandler, Peers } from "./peers.js";
import { answerQuestion, questionOf } from "./questions.js";
import { acceptSplice } from "./splice-calls.js";
import { Splices } from "./splices.js";
import { clientOptions, type PeerTls, serverContext } from "./tls.js";

/** The shortest secret, in characters or bytes: 192 bits, if it was drawn and written in base64. */
const minSecretLength = 32;
/** How long the other ends may take to answer the close of their links, in milliseconds. */
const closingMs = 1_000;

/** How a relay is linked with others. */
export interface PeerLinksOptions {
  /** The id of this relay, drawn at each start: 1 to 64 of `A-Z`, `a-z`, `0-9`, `-` and `_`. */
  readonly node: string;
  /** What all relays of the cluster have, and nobody else: at least 32 characters, drawn at random. */
  readonly secret: string | Buffer;
  /** Where to listen for other relays. Port 0 is any that is free. */
  readonly listen: PeerPlace;
  /**
   * Where other relays reach this one: `host:port`, `[v6]:port` or `unix:/path`. Default: where it listens.
   * Needed if that is an address for all networks of the machine, such as 0.0.0.0.
   */
  readonly advertise?: string | undefined;
  /** TLS on TCP. Needed off a private network. Default: none. */
  readonly tls?: PeerTls | undefined;
  /** When links count as dead. Default: a ping after 5 s, and 5 s to answer it. */
  readonly liveness?: LivenessOptions | undefined;
  /** How long streams wait for a lost link to be made again, in milliseconds. Default 10,000. */
  readonly resumeTimeoutMs?: number | undefined;
  /** How long a connection to, or of, another relay may take until it is authenticated. Default 5,000 ms. */
  readonly handshakeTimeoutMs?: number | undefined;
  /** Default: none. */
  readonly logger?: Logger | undefined;
}

/** The links of one relay with the others of its cluster (PEERS.md). */
export class PeerLinks implements Peers {
  readonly #node: string;
  readonly #advertise: string | undefined;
  readonly #handler: PeerHandler;
  readonly #logger: Logger;
  readonly #liveness: LivenessOptions;
  readonly #resumeTimeoutMs: number;
  readonly #handshakeTimeoutMs: number;
  readonly #sockets = new OpenSockets();
  readonly #splices = new Splices();
  readonly #acceptedSplices = new Splices();
  readonly #port: PeerPort;
  readonly #acceptor: Acceptor;
  readonly #accepted: AcceptedSessions;
  readonly #dialer: Dialer;
  readonly #peers = new Map<string, OutgoingPeer>();
  /** Relays that are gone, while streams to them end. */
  readonly #leaving = new Set<OutgoingPeer>();
  #isClosed = false;

  /** @throws TunnelError `invalid_option`. */
  constructor(options: PeerLinksOptions, handler: PeerHandler) {
    const { node, listen, advertise, tls, logger = silentLogger } = checked(options);
    const { handshakeTimeoutMs = 5_000, resumeTimeoutMs = 10_000 } = options;
    const secret = Buffer.from(options.secret);
    this.#node = node;
    this.#advertise = advertise;
    this.#handler = handler;
    this.#logger = logger;
    this.#liveness = { pingIntervalMs: 5_000, pingTimeoutMs: 5_000, ...options.liveness };
    this.#resumeTimeoutMs = resumeTimeoutMs;
    this.#handshakeTimeoutMs = handshakeTimeoutMs;
    const refusals = new RefusalLog(logger);
    this.#accepted = new AcceptedSessions(
      { liveness: this.#liveness, keepMs: resumeTimeoutMs + silenceMs(this.#liveness), logger },
      (from) => (stream, head, end) => {
        const about = questionOf(head);
        if (about === undefined) return handler.acceptStream(stream, head, end);
        return answerQuestion(stream, about, (asked, body) => handler.answer(asked, body, from), logger);
      },
    );
    this.#acceptor = new Acceptor({ node, secret, logger }, refusals, (caller) => this.#onCaller(caller));
    this.#port = new PeerPort(
      {
        listen,
        tls: tls === undefined || "path" in listen ? undefined : serverContext(tls),
        handshakeTimeoutMs,
      },
      this.#sockets,
      refusals,
      (socket, stranger) => this.#acceptor.take(socket, stranger),
    );
    this.#dialer = new Dialer(
      { node, secret, tls: tls === undefined ? undefined : clientOptions(tls), handshakeTimeoutMs },
      this.#sockets,
    );
  }

  async listen(): Promise<string> {
    const address = await this.#port.listen();
    return this.#advertise ?? address;
  }

  setNodes(nodes: readonly NodeInfo[]): void {
    if (this.#isClosed) return;
    const others = new Map(nodes.filter(({ id }) => id !== this.#node).map((node) => [node.id, node]));
    for (const [id, peer] of this.#peers) {
      if (others.has(id)) continue;
      this.#peers.delete(id);
      this.#leaving.add(peer);
      peer.leave();
    }
    for (const [id, { address }] of others) {
      const known = this.#peers.get(id);
      if (known === undefined) this.#peers.set(id, this.#peer(id, address));
      else known.address = address;
    }
  }

  get(node: string): Peer | undefined {
    return this.#peers.get(node);
  }

  all(): Iterable<Peer> {
    return this.#peers.values();
  }

  get spliced(): Peers["spliced"] {
    return { in: this.#acceptedSplices.size, out: this.#splices.size };
  }

  cutSplices(): void {
    this.#splices.cut();
  }

  async close(): Promise<void> {
    if (!this.#isClosed) {
      this.#isClosed = true;
      this.#acceptor.close();
      this.#port.close();
      for (const peer of [...this.#peers.values(), ...this.#leaving]) peer.end();
      this.#peers.clear();
      this.#accepted.close();
      this.#splices.cut();
    }
    await this.#sockets.end(closingMs);
  }

  #peer(node: string, address: string): OutgoingPeer {
    const peer = new OutgoingPeer(
      node,
      address,
      {
        dialer: this.#dialer,
        splices: this.#splices,
        liveness: this.#liveness,
        resumeTimeoutMs: this.#resumeTimeoutMs,
        handshakeTimeoutMs: this.#handshakeTimeoutMs,
        logger: this.#logger,
        onLink: (of) => this.#handler.onLink?.(of),
        onGone: (of) => this.#accepted.endOf(of),
      },
      () => this.#leaving.delete(peer),
    );
    return peer;
  }

  #onCaller(caller: Caller): void {
    if (caller.kind === "streams") this.#accepted.accept(caller);
    else acceptSplice(caller, this.#acceptedSplices, this.#handler, this.#logger);
  }
}

/** The longest that a link can be dead without being noticed, in milliseconds. */
function silenceMs({ pingIntervalMs = 0, pingTimeoutMs = 0 }: LivenessOptions): number {
  return pingIntervalMs + pingTimeoutMs;
}

function checked(options: PeerLinksOptions): PeerLinksOptions {
  const { node, secret, listen, advertise, tls, liveness } = options;
  if (!nodeForm.test(node)) throw unusable(`'${node}' is no id of a relay`);
  if (secret.length < minSecretLength) {
    throw unusable(
      `the secret of the cluster has ${secret.length} characters, and needs ${minSecretLength}: ` +
        "draw one with 'openssl rand -base64 32'",
    );
  }
  if (advertise !== undefined) parsePeerAddress(advertise);
  else if ("host" in listen && /^(?:0\.0\.0\.0|::)?$/.test(listen.host)) {
    throw unusable(
      `say where other relays reach this one: ${formatPeerAddress(listen)} is all addresses of this machine`,
    );
  }
  if (liveness !== undefined) checkLiveness(liveness);
  if (tls !== undefined && "path" in listen) throw unusable("the links over a unix socket have no TLS");
  return options;
}

function unusable(message: string): TunnelError {
  return new TunnelError("invalid_option", message);
}
