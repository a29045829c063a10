import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import {
  type AcknowledgeMessage,
  closeCodes,
  defaultWindow,
  evictedReason,
  JsonRelaySession,
  type Link,
  parsePick,
  parseRegister,
  type RegisterMessage,
  supportedProtocols,
  TunnelError,
  V1RelaySession,
} from "mcp-tunnel-protocol";
import { WebSocketLink } from "mcp-tunnel-protocol/ws";
import { type WebSocket, WebSocketServer } from "ws";
import { resolveName, type TokenGrant } from "./auth/authenticator.js";
import { grants } from "./auth/patterns.js";
import type { Holds } from "./holds.js";
import { describeVisitor } from "./http/forwarded.js";
import { Inbox } from "./inbox.js";
import type { AddressKeys } from "./limits/addresses.js";
import { Admission, type Applicant, tokenKey } from "./limits/admission.js";
import type { LimitReporter } from "./limits/limit-reporter.js";
import { printable } from "./log.js";
import { admitName, shorten } from "./name.js";
import type { ResolvedRelayOptions } from "./options.js";
import type { TunnelEvent } from "./observer.js";
import type { Observers } from "./observers.js";
import type { TunnelRegistry } from "./registry.js";
import { ResumableSessions } from "./resumption.js";
import { Tunnel, type TunnelInfo, type TunnelObserver } from "./tunnel.js";

/** What a client may send before it is registered, WebSocket framing included. */
const maxRegistrationBytes = 65_536;

/** Why a registration ends without a tunnel: what the client is told. */
class Refusal extends Error {
  readonly code: number;

  constructor(code: number, reason: string) {
    super(reason);
    this.code = code;
  }
}

/** Makes tunnels of the connections of clients (PROTOCOL.md, section 1). */
export class Registrar {
  readonly #options: ResolvedRelayOptions;
  readonly #registry: TunnelRegistry;
  readonly #holds: Holds;
  readonly #sessions: ResumableSessions;
  readonly #webSockets: WebSocketServer;
  /** Clients that are connected and not registered yet. */
  readonly #pending = new Set<Link>();
  /** Those of them that have said nothing usable, the oldest first. */
  readonly #silent = new Set<Link>();
  readonly #admission: Admission;
  readonly #observers: Observers;
  readonly #limits: LimitReporter;
  /** All that have a session, those that no longer hold their name included. */
  readonly #tunnels = new Set<Tunnel>();
  readonly #publicUrl: (name: string) => string;
  #accepting = true;

  /** `publicUrl` gives the public URL of a name. */
  constructor(
    options: ResolvedRelayOptions,
    registry: TunnelRegistry,
    holds: Holds,
    keys: AddressKeys,
    observers: Observers,
    limits: LimitReporter,
    publicUrl: (name: string) => string,
  ) {
    this.#options = options;
    this.#registry = registry;
    this.#observers = observers;
    this.#limits = limits;
    this.#admission = new Admission(options, keys, limits);
    this.#holds = holds;
    this.#publicUrl = publicUrl;
    this.#sessions = new ResumableSessions();
    this.#webSockets = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      // A bomb risk and a cost (SECURITY): what is worth compressing is compressed by the service.
      perMessageDeflate: false,
      maxPayload: options.maxMessageBytes,
      maxFragments: options.maxMessageFragments,
      // What a message comes in, in pieces of at least so many bytes but for the last: each costs more than it holds.
      maxBufferedChunks: Math.max(4_096, Math.ceil(options.maxMessageBytes / 256)),
    });
  }

  /** Takes over a connection that asked for the registration path. */
  readonly onUpgrade = (req: IncomingMessage, socket: Duplex, head: Buffer): void => {
    if (!this.#accepting) {
      refuseUpgrade(socket, "503 Service Unavailable", 1);
      return;
    }
    const applicant = this.#applicant(req);
    if (!this.#admission.admit(applicant, socket)) {
      refuseUpgrade(socket, "429 Too Many Requests", 10);
      return;
    }
    if (!this.#makeRoom(applicant.address)) {
      refuseUpgrade(socket, "503 Service Unavailable", 1);
      return;
    }
    this.#webSockets.handleUpgrade(req, socket, head, (ws) => {
      this.#watch(ws, applicant.address);
      this.#welcome(new WebSocketLink(ws, socket as Socket), socket, head.length, applicant);
    });
  };

  /** On its own, so that the listener keeps nothing of the registration for as long as the tunnel lasts. */
  #watch(ws: WebSocket, address: string): void {
    ws.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH") this.#limits.hit("message_bytes", { address });
      if (error.code === "WS_ERR_TOO_MANY_BUFFERED_PARTS") this.#limits.hit("message_fragments", { address });
    });
  }

  /** Lets a client register; `already` bytes have come with its upgrade. */
  #welcome(link: Link, socket: Duplex, already: number, applicant: Applicant): void {
    const uncount = limitBytes(socket, already, () => {
      this.#limits.hit("message_bytes", { address: applicant.address });
      link.close(closeCodes.tooLarge, "the registration is too large");
      link.terminate();
    });
    this.#pending.add(link);
    this.#silent.add(link);
    this.#register(link, applicant)
      .catch((error: unknown) => this.#reject(link, error, applicant.address))
      .finally(() => {
        uncount();
        this.#pending.delete(link);
        this.#silent.delete(link);
      });
  }

  /**
   * Sees to it that one more client can register; false when it cannot. Who says nothing makes way, the oldest first: an
   * honest client says what it wants within a round trip, and is gone from here when the flood reaches it.
   */
  #makeRoom(address: string): boolean {
    if (this.#pending.size < this.#options.maxPendingRegistrations) return true;
    this.#limits.hit("pending_registrations", { address });
    const [oldest] = this.#silent;
    if (oldest === undefined) return false;
    this.#silent.delete(oldest);
    this.#pending.delete(oldest);
    oldest.terminate();
    return true;
  }

  /**
   * Takes no more clients, tells those that are about to register to come back, and those that are registered to
   * register elsewhere. What is open goes on.
   */
  drain(): void {
    this.#accepting = false;
    for (const link of this.#pending) link.close(closeCodes.tryAgainLater, goingAway);
    for (const tunnel of this.#tunnels) tunnel.drain();
  }

  /** Ends every tunnel. */
  close(): void {
    for (const tunnel of [...this.#tunnels]) tunnel.close(closeCodes.goingAway, goingAway);
  }

  /** Closes the tunnel `name` for good, at the operator's wish; false when there is none. */
  disconnect(name: string): boolean {
    const tunnel = this.#registry.find(name);
    if (tunnel === undefined) return false;
    const reason = "disconnected by the operator";
    this.#dismiss(tunnel, reason);
    // A client that is only cut off would be back at once.
    tunnel.close(closeCodes.authenticationFailed, reason);
    return true;
  }

  /** Sees to it that a client whose connection is lost hears of it when it returns. */
  #dismiss(tunnel: Tunnel, reason: string): void {
    if (tunnel.resumeId === undefined) return;
    this.#sessions.delete(tunnel.resumeId, { code: closeCodes.authenticationFailed, reason });
  }

  /** The tunnels that hold their names. */
  *holders(): Iterable<Tunnel> {
    for (const tunnel of this.#tunnels) if (this.#registry.find(tunnel.name) === tunnel) yield tunnel;
  }

  async #register(link: Link, applicant: Applicant): Promise<void> {
    const { registrationTimeoutMs, authenticator } = this.#options;
    const { address } = applicant;
    const inbox = new Inbox(link);
    const message = await inbox.next(parseRegister, registrationTimeoutMs).catch((error: unknown) => {
      if (isTimeout(error)) this.#limits.hit("registration_time", { address });
      throw error;
    });
    this.#silent.delete(link);
    if (this.#resume(link, message, address)) {
      this.#admission.resumed(applicant);
      return;
    }

    if (!this.#admission.mayTryToken(applicant)) {
      throw new Refusal(closeCodes.tryAgainLater, "too many refused tokens from this address; try later");
    }
    const subdomain = message.subdomain || undefined;
    const result = await authenticator.authenticate({ token: message.token, subdomain });
    if ("refused" in result) {
      this.#admission.tokenFailed(applicant);
      throw new Refusal(closeCodes.authenticationFailed, result.refused);
    }
    const wanted = resolveName(result.allowed, subdomain) ?? (await this.#offer(link, inbox, result.allowed));
    const admitted = admitName(wanted, result.allowed, this.#options.reservedNames);
    if ("refused" in admitted) throw new Refusal(closeCodes.authenticationFailed, admitted.refused);
    const owner = tokenKey(message.token);
    this.#checkCount(owner, admitted.name, result.grant, address);

    // The token took time to check, or a person to pick: the client may be gone, or the relay going.
    if (!inbox.isOpen || !this.#accepting) {
      throw new Refusal(closeCodes.tryAgainLater, goingAway);
    }
    this.#begin(link, message, { name: admitted.name, address, owner, grant: result.grant });
  }

  /** The token may have changed while a person picked a name; it, and all together, may have only so many tunnels. */
  #checkCount(owner: string, name: string, grant: TokenGrant | undefined, address: string): void {
    const refused = grant?.refusal(name);
    if (refused !== undefined) throw new Refusal(closeCodes.authenticationFailed, refused);
    const { maxTunnels, maxTunnelsPerToken } = this.#options;
    const maxOwn = grant?.maxTunnels ?? maxTunnelsPerToken;
    let all = 0;
    let own = 0;
    for (const tunnel of this.holders()) {
      // Whoever takes a name over adds none.
      if (tunnel.name === name) continue;
      all += 1;
      if (tunnel.info.owner === owner) own += 1;
    }
    if (own >= maxOwn) {
      this.#limits.hit("tunnels_per_token", { address, name });
      throw new Refusal(closeCodes.authenticationFailed, `this token may have ${maxOwn} tunnels at once`);
    }
    if (all >= maxTunnels) {
      this.#limits.hit("tunnels", { address, name });
      throw new Refusal(closeCodes.tryAgainLater, `this relay carries ${maxTunnels} tunnels, its limit`);
    }
  }

  /** Lets the client pick one of the patterns' names. */
  async #offer(link: Link, inbox: Inbox, allowed: readonly string[]): Promise<string> {
    link.send(JSON.stringify({ subdomains: allowed }));
    const pick = await inbox.next(parsePick, this.#options.pickTimeoutMs).catch((error: unknown) => {
      if (isTimeout(error)) this.#limits.hit("pick_time");
      throw error;
    });
    if (grants(allowed, pick.subdomain)) return pick.subdomain;
    const reason = `subdomain '${shorten(pick.subdomain)}' not authorized for this token`;
    throw new Refusal(closeCodes.authenticationFailed, reason);
  }

  /** Goes on with the session that the client names; false when it is not known. */
  #resume(link: Link, message: RegisterMessage, address: string): boolean {
    const { resume } = message;
    if (resume === undefined || !speaksV1(message)) return false;
    const verdict = this.#sessions.verdict(resume.session);
    if (verdict !== undefined) throw new Refusal(verdict.code, verdict.reason);
    const found = this.#sessions.find(resume.session, resume.secret);
    if (found === undefined) return false;
    const { tunnel, session } = found;
    // Before `attach`, which sends at once: the acknowledgement is the last message that is text.
    this.#acknowledge(link, {
      ...this.#v1Terms(tunnel),
      session: { id: resume.session, secret: resume.secret },
      resumed: { received: session.received },
    });
    tunnel.attach(session, link, resume.received);
    this.#options.logger.info({ name: tunnel.name, address, streams: session.streamCount }, "tunnel resumed");
    return true;
  }

  /** Gives the client its name and its session. */
  #begin(
    link: Link,
    message: RegisterMessage,
    { name, address, owner, grant }: Pick<TunnelInfo, "name" | "address" | "owner" | "grant">,
  ): void {
    const { liveness, maxResponseBodyBytes, maxStreamsPerTunnel, maxQueuedBytesPerTunnel } = this.#options;
    const holder = this.#registry.find(name);
    const isOther = holder !== undefined && !isSameClient(holder.info.instance, message.instance);
    const isReturning = message.returning === true || message.resume !== undefined;
    // Two clients that both return would evict each other in turns for ever: only a fresh start evicts.
    if (isReturning && isOther) throw new Refusal(closeCodes.evicted, evictedReason);
    const tunnel = new Tunnel(
      {
        name,
        url: this.#publicUrl(name),
        instance: message.instance,
        address,
        client: message.client,
        owner,
        grant,
      },
      this.#options.resumeTimeoutMs,
      this.#observer,
    );
    if (speaksV1(message)) {
      const session = new V1RelaySession(tunnel, {
        liveness,
        sendWindow: message.window ?? defaultWindow,
        maxStreams: maxStreamsPerTunnel,
        maxQueuedBytes: maxQueuedBytesPerTunnel,
      });
      const credentials = this.#sessions.add(tunnel, session);
      tunnel.serve(session, credentials.id);
      this.#acknowledge(link, { ...this.#v1Terms(tunnel), session: credentials });
      session.attach(link, 0);
    } else {
      this.#acknowledge(link, { subdomain: name, url: tunnel.info.url });
      tunnel.serve(
        new JsonRelaySession(link, tunnel, {
          liveness,
          maxResponseBody: maxResponseBodyBytes,
          maxStreams: maxStreamsPerTunnel,
          maxQueuedBytes: maxQueuedBytesPerTunnel,
        }),
      );
    }
    this.#claim(tunnel, isOther);
  }

  /** Takes the name; who held it until now learns why it lost it. */
  #claim(tunnel: Tunnel, fromOther: boolean): void {
    const { logger } = this.#options;
    const { name, url, address, client, wire } = { ...tunnel.info, wire: tunnel.wire };
    this.#tunnels.add(tunnel);
    const previous = this.#registry.claim(tunnel);
    if (previous !== undefined && fromOther) {
      logger.warn({ name, address: previous.info.address, by: address }, "tunnel evicted");
      this.#tell("evicted");
      previous.evict();
    } else previous?.replace();
    this.#tell("registered");
    logger.info(
      {
        name,
        url,
        address,
        wire,
        token: tunnel.info.grant?.id,
        client: client === undefined ? undefined : printable(`${client.name} ${client.version}`),
      },
      "tunnel registered",
    );
    this.#holds.wake(name);
  }

  #v1Terms(tunnel: Tunnel): AcknowledgeMessage {
    return {
      subdomain: tunnel.name,
      url: tunnel.info.url,
      protocol: v1,
      window: defaultWindow,
      resumeTimeoutMs: this.#options.resumeTimeoutMs,
    };
  }

  #acknowledge(link: Link, message: AcknowledgeMessage): void {
    link.send(JSON.stringify(message));
  }

  #reject(link: Link, error: unknown, address: string): void {
    const { logger } = this.#options;
    this.#tell("refused");
    if (error instanceof Refusal) {
      logger.info({ code: error.code, reason: printable(error.message), address }, "registration refused");
      link.close(error.code, error.message);
    } else if (error instanceof TunnelError) {
      // Late, gone, or a session that cannot be resumed: it may come back.
      logger.debug({ reason: printable(error.message), address }, "registration failed");
      const late = error.code === "timeout";
      link.close(
        late ? closeCodes.tryAgainLater : closeCodes.protocolError,
        late ? "no registration in time" : error.message,
      );
    } else {
      const stack = error instanceof Error ? error.stack : String(error);
      logger.error({ error: stack, address }, "registration failed");
      link.close(closeCodes.internal, "relay error");
    }
  }

  #tell(event: TunnelEvent): void {
    this.#observers.onTunnelEvent(event);
  }

  #applicant(req: IncomingMessage): Applicant {
    const peer = req.socket.remoteAddress ?? "";
    const { trustedProxies } = this.#options;
    const { address, proxied } = describeVisitor(peer, "http", "", req.rawHeaders, trustedProxies);
    return { address, proxied };
  }

  readonly #observer: TunnelObserver = {
    onAway: (tunnel, cause) => {
      this.#options.logger.info({ name: tunnel.name, reason: printable(cause.message) }, "tunnel away");
      this.#tell("away");
    },
    onBack: (tunnel) => {
      this.#tell("resumed");
      this.#holds.wake(tunnel.name);
    },
    onLost: () => this.#tell("lost"),
    onRevoked: (tunnel, reason) => {
      const { name, grant } = tunnel.info;
      this.#options.logger.warn({ name, token: grant?.id, reason }, "tunnel closed by its token");
      this.#tell("revoked");
      this.#dismiss(tunnel, reason);
    },
    onLeaving: (tunnel) => this.#registry.release(tunnel),
    onClosed: (tunnel, cause) => {
      // Whoever holds the name now is none of this tunnel's business.
      const holder = this.#registry.find(tunnel.name);
      const evicted =
        holder !== undefined &&
        holder !== tunnel &&
        !isSameClient(holder.info.instance, tunnel.info.instance);
      const verdict = evicted ? { code: closeCodes.evicted, reason: evictedReason } : undefined;
      if (tunnel.resumeId !== undefined) this.#sessions.delete(tunnel.resumeId, verdict);
      this.#registry.release(tunnel);
      this.#tunnels.delete(tunnel);
      this.#tell("closed");
      this.#options.logger.info({ name: tunnel.name, reason: printable(cause.message) }, "tunnel closed");
      // Last, so that those who waited find the successor or nobody.
      this.#holds.wake(tunnel.name);
    },
    onOverloaded: ({ name }) => this.#limits.hit("queued_bytes", { name }),
    onFault: (tunnel, error) => {
      const stack = error instanceof Error ? error.stack : String(error);
      this.#options.logger.error({ name: tunnel.name, error: stack }, "an exchange failed inside the relay");
    },
  };
}

const v1 = 1;
const goingAway = "the relay is shutting down";

/** Do two registrations come from the same process? Originals do not say. */
function isSameClient(one: string | undefined, other: string | undefined): boolean {
  return one !== undefined && one === other;
}

function speaksV1(message: RegisterMessage): boolean {
  return supportedProtocols.includes(v1) && message.protocol?.includes(v1) === true;
}

function isTimeout(error: unknown): boolean {
  return error instanceof TunnelError && error.code === "timeout";
}

/** `retryAfterS`: when it may be worth trying again. */
function refuseUpgrade(socket: Duplex, status: string, retryAfterS: number): void {
  socket.end(
    `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\nRetry-After: ${retryAfterS}\r\n\r\n`,
    // It has nothing to say that anybody would hear.
    () => socket.destroy(),
  );
}

/** Calls `exceeded` when too many bytes have come, until the returned function is called. */
function limitBytes(socket: Duplex, already: number, exceeded: () => void): () => void {
  let bytes = already;
  const onData = (chunk: Buffer): void => {
    bytes += chunk.length;
    if (bytes > maxRegistrationBytes) exceeded();
  };
  socket.on("data", onData);
  return () => socket.off("data", onData);
}
