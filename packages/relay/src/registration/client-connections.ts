import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { SplicedClient } from "mcp-tunnel-cluster/relay";
import { claimFeature, closeCodes, featuresField, type Link, poolFeature } from "mcp-tunnel-protocol";
import { WebSocketLink } from "mcp-tunnel-protocol/ws";
import { type WebSocket, WebSocketServer } from "ws";
import { closeGently } from "../net/closing.js";
import { describeVisitor } from "../forwarded/forwarded.js";
import type { Admission, Applicant } from "../admission/admission.js";
import type { LimitReporter } from "../telemetry/limit-reporter.js";
import type { RegistrationOptions } from "./options.js";
import { goingAway } from "../tunnels/tunnel.js";
import { maxRegistrationBytes } from "./inbox.js";
import type { Registrar, RegistrationProgress } from "./registrar.js";
import { webPageField } from "./web-page.js";

/** The connections of clients until they are registered: who is let in, and how many at once. */
export class ClientConnections {
  readonly #options: RegistrationOptions;
  readonly #admission: Admission;
  readonly #registrar: Registrar;
  readonly #limits: LimitReporter;
  readonly #webSockets: WebSocketServer;
  /** Clients that are connected and not registered yet. */
  readonly #pending = new Set<Link>();
  /** Pending clients that have said nothing usable, the oldest first. */
  readonly #silent = new Set<Link>();
  /** Pending clients that were asked to pick a name and have not picked one, the oldest first. */
  readonly #picking = new Set<Link>();
  #accepting = true;

  constructor(
    options: RegistrationOptions,
    admission: Admission,
    registrar: Registrar,
    limits: LimitReporter,
  ) {
    this.#options = options;
    this.#admission = admission;
    this.#registrar = registrar;
    this.#limits = limits;
    this.#webSockets = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      // Compression is a bomb risk and a cost, and a service compresses by itself what is worth it.
      perMessageDeflate: false,
      maxPayload: options.maxMessageBytes,
      maxFragments: options.maxMessageFragments,
      // Chunks in which one message may come: for the largest, chunks of 256 bytes on average. Each chunk
      // costs memory besides the bytes that it holds.
      maxBufferedChunks: Math.max(4_096, Math.ceil(options.maxMessageBytes / 256)),
    });
    // A client that does not see this asks nothing that an older relay would take for a registration.
    this.#webSockets.on("headers", (headers) =>
      headers.push(`${featuresField}: ${claimFeature}, ${poolFeature}`),
    );
    // `ws` by itself would answer, and would wait for the peer to read that however long it takes.
    this.#webSockets.on("wsClientError", (error, socket) => {
      refuseUpgrade(socket, "400 Bad Request", "Sec-WebSocket-Version: 13", error.message);
    });
  }

  /** Takes over a connection that asked for the registration path ({@link Register} in http/route). */
  readonly onUpgrade = (req: IncomingMessage, socket: Duplex, head: Buffer, isAtDomain: boolean): void => {
    const applicant = this.#applicant(req);
    const field = webPageField(req.rawHeaders);
    if (field !== undefined) {
      // First, so that a page uses up nothing of the limits of the clients at its reader's address.
      const text = `tunnel registration is not for web pages: the request has ${field}`;
      const { address } = applicant;
      this.#registrar.onRefused(403, text, { address, name: undefined, token: undefined });
      refuseUpgrade(socket, "403 Forbidden", "X-Tunnel-Error: registration_by_web_page", text);
      return;
    }
    if (!this.#accepting) {
      refuseUpgrade(socket, "503 Service Unavailable", "Retry-After: 1");
      return;
    }
    if (!this.#admission.admit(applicant, socket)) {
      refuseUpgrade(socket, "429 Too Many Requests", "Retry-After: 10");
      return;
    }
    if (!this.#makeRoom(applicant.address)) {
      refuseUpgrade(socket, "503 Service Unavailable", "Retry-After: 1");
      return;
    }
    this.#webSockets.handleUpgrade(req, socket, head, (ws) => {
      this.#watch(ws, applicant.address);
      const link = new WebSocketLink(ws, socket as Socket, "none");
      this.#welcome(link, socket, head.length, applicant, isAtDomain);
    });
  };

  /**
   * Lets a client register or resume whose messages come through another relay. That relay has counted it for
   * its address. Here it counts among those that are about to register, like any other.
   */
  onSpliced(link: Link, { address, isAtDomain }: SplicedClient): void {
    const reason = !this.#accepting
      ? goingAway
      : this.#makeRoom(address)
        ? undefined
        : "too many registrations";
    if (reason !== undefined) {
      link.close(closeCodes.tryAgainLater, reason);
      return;
    }
    void this.#pend(link, { address, proxied: true, spliced: true }, isAtDomain);
  }

  /** Takes no more clients, and tells those that are about to register to come back. */
  drain(): void {
    this.#accepting = false;
    for (const link of this.#pending) link.close(closeCodes.tryAgainLater, goingAway);
  }

  #applicant(req: IncomingMessage): Applicant {
    const peer = req.socket.remoteAddress ?? "";
    const { address, proxied } = describeVisitor(peer, "http", "", req.rawHeaders, this.#options);
    return { address, proxied };
  }

  /**
   * Makes room for one more client to register; false when that is not possible. A silent client makes way
   * first, the oldest before the others: an honest client says what it wants within a round trip, and is no
   * longer among the silent ones when a flood reaches it. Then a client makes way that has not picked a name:
   * people take their time for that, and an attacker needs only one token to be asked any number of times.
   */
  #makeRoom(address: string): boolean {
    if (this.#pending.size < this.#options.maxPendingRegistrations) return true;
    this.#limits.hit("pending_registrations", { address });
    const [oldest = this.#picking.values().next().value] = this.#silent;
    if (oldest === undefined) return false;
    this.#forget(oldest);
    oldest.terminate();
    return true;
  }

  /**
   * A method of its own, so that the listener keeps nothing of the registration in memory for as long as the
   * tunnel lasts.
   */
  #watch(ws: WebSocket, address: string): void {
    ws.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH") this.#limits.hit("message_bytes", { address });
      if (error.code === "WS_ERR_TOO_MANY_BUFFERED_PARTS") this.#limits.hit("message_fragments", { address });
    });
  }

  /** Lets a client register. `already`: how many bytes have come with its upgrade. */
  #welcome(link: Link, socket: Duplex, already: number, applicant: Applicant, isAtDomain: boolean): void {
    const uncount = limitBytes(socket, already, () => {
      this.#limits.hit("message_bytes", { address: applicant.address });
      link.close(closeCodes.tooLarge, "the registration is too large");
      link.terminate();
    });
    void this.#pend(link, applicant, isAtDomain).finally(uncount);
  }

  /**
   * Lets a client register, which is pending meanwhile. Afterwards its link has another owner, or is closed.
   */
  async #pend(link: Link, applicant: Applicant, isAtDomain: boolean): Promise<void> {
    this.#pending.add(link);
    this.#silent.add(link);
    const progress: RegistrationProgress = {
      onHeard: () => this.#silent.delete(link),
      // The client may have had to make way meanwhile.
      onAsked: () => this.#pending.has(link) && this.#picking.add(link),
      onPicked: () => this.#picking.delete(link),
    };
    await this.#registrar.register(link, applicant, isAtDomain, progress);
    this.#forget(link);
  }

  #forget(link: Link): void {
    this.#pending.delete(link);
    this.#silent.delete(link);
    this.#picking.delete(link);
  }
}

/** Refuses an upgrade. `field`: a header field that tells the client more, such as `Retry-After: 1`. */
function refuseUpgrade(socket: Duplex, status: string, field: string, text = ""): void {
  const length = `Content-Type: text/plain\r\nContent-Length: ${text.length}`;
  closeGently(socket, `HTTP/1.1 ${status}\r\nConnection: close\r\n${length}\r\n${field}\r\n\r\n${text}`);
}

/** Calls `exceeded` when too many bytes have come. The function that it returns ends the count. */
function limitBytes(socket: Duplex, already: number, exceeded: () => void): () => void {
  let bytes = already;
  const onData = (chunk: Buffer): void => {
    bytes += chunk.length;
    if (bytes > maxRegistrationBytes) exceeded();
  };
  socket.on("data", onData);
  return () => socket.off("data", onData);
}
