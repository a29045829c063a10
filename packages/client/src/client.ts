import { randomBytes } from "node:crypto";
import { EventEmitter } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import {
  abortError,
  closeCodes,
  describeType,
  maxNameLength,
  RefusalGatherer,
  supportedProtocols,
  TunnelError,
  unusable,
} from "mcp-tunnel-protocol";
import { defaultWindow } from "mcp-tunnel-protocol/sessions";
import type { RegisterMessage, SessionHandler, TunnelErrorCode, Wire } from "mcp-tunnel-protocol";
import { messageOf } from "mcp-tunnel-shared";
import { Attempts } from "./connect/attempts.js";
import { Backoff } from "./connect/backoff.js";
import { pickOnly, register } from "./connect/connect.js";
import type { Registration } from "./connect/connect.js";
import { makeService } from "./create-service.js";
import type { ClientEvents } from "./events.js";
import { resolveOptions } from "./options.js";
import type { ResolvedOptions, TunnelClientOptions } from "./options.js";
import { refusedEvent } from "./refusals.js";
import { relayClient, takesPackage } from "./relay-client.js";
import { Exchanges } from "./service/exchanges.js";
import type { ServedTunnel } from "./service/service.js";
import { nextState } from "./state.js";
import type { ClientState, ClientStateName, ClientTransition } from "./state.js";
import { Telling } from "./telling.js";
import { openTunnel } from "./connect/tunnel.js";
import type { Tunnel } from "./connect/tunnel.js";
import { version } from "./version.js";
import { WakeWatch } from "./connect/wake.js";

/**
 * How long the relay may take to answer a probe after the machine woke or the network changed, in
 * milliseconds.
 */
const probeTimeoutMs = 5_000;

/**
 * The shortest time between two moves, in milliseconds. Without it, a relay that asks every session to move
 * would keep the client registering as fast as the network allows.
 */
const movePauseMs = 1_000;

/**
 * How many attempts in a row may fail without hope before a client with `"unless_hopeless"` gives up. One
 * alone may be a resolver's or a captive portal's moment.
 */
const maxHopelessAttempts = 3;
/** The shortest pause between two such attempts, in milliseconds. */
const hopelessPauseMs = 1_000;

/**
 * Most sessions that the client has left at the relay's wish and still serves. A relay ends such a session
 * once it has drained.
 */
const maxLeftSessions = 8;

/**
 * A client registers a local service with a relay and serves its visitors until it is closed. It comes back
 * by itself after a loss. A refusal, an eviction, `close` and the signal of its options end it.
 *
 * It is an emitter of node:events, whose events are {@link ClientEvents}. With `await using` it is closed at
 * the end of the block.
 */
export class TunnelClient extends EventEmitter<ClientEvents> {
  readonly #options: ResolvedOptions;
  readonly #telling: Telling;
  readonly #backoff = new Backoff();
  readonly #attempts: Attempts;
  readonly #exchanges: Exchanges;
  /** Gathers the refusals of all sessions, because a relay is not trusted to send few. */
  readonly #refusals = new RefusalGatherer((refusals) => {
    for (const refusal of refusals) this.#telling.tell("refused", refusedEvent(refusal));
    return true;
  });
  /** The secret by which a relay knows a returning client again. */
  readonly #instance = randomBytes(18).toString("base64url");

  #state: ClientState = { name: "connecting" };
  #public: { readonly url: string; readonly subdomain: string } | undefined;
  /** The name that was picked from an offer. The client asks for it from then on. */
  #pickedName: string | undefined;
  #isPicking = false;
  /** The newest session. It has no link while the client reconnects. Undefined while the client moves. */
  #tunnel: Tunnel | undefined;
  /** Sessions whose relay is shutting down. Each serves visitors until the relay ends it. */
  readonly #draining = new Set<Tunnel>();
  /** Attempts in a row, before the first registration, that have failed without hope. */
  #hopelessAttempts = 0;
  #isStarted = false;
  #startedAtMs = 0;
  /** When a relay last asked for a move. */
  #movedAtMs = -Infinity;
  #wakeWatch: WakeWatch | undefined;
  #starting: { resolve(): void; reject(error: TunnelError): void } | undefined;
  #closing: { readonly done: Promise<void>; cut(): void } | undefined;

  /** @throws TunnelError `invalid_option`. */
  constructor(options: TunnelClientOptions) {
    super();
    this.#options = resolveOptions(options);
    this.#telling = new Telling(this, this.#options.logger);
    const service = makeService(this.#options);
    this.#exchanges = new Exchanges(service, this.#options, this.#telling);
    this.#attempts = new Attempts({
      connect: (signal) => this.#connect(signal),
      adopt: (registration) => this.#adopt(registration),
      onRegistered: (registration, resumed) => this.#onRegistered(registration, resumed),
      onFailed: (reason) => this.#onAttemptFailed(reason),
    });
  }

  /** The public URL, once registered. It stays while the client reconnects. */
  get url(): string | undefined {
    return this.#public?.url;
  }

  /** The name within the relay's domain, once registered. */
  get subdomain(): string | undefined {
    return this.#public?.subdomain;
  }

  /** Where the client is in its life. */
  get state(): ClientStateName {
    const { name } = this.#state;
    return name === "moving" ? "online" : name;
  }

  /** Round-trip time to the relay in milliseconds, while connected and once measured. */
  get rttMs(): number | undefined {
    return this.#tunnel?.rttMs;
  }

  /** Which wire is spoken with the relay, while there is a session. */
  get wire(): Wire | undefined {
    return this.#tunnel?.wire;
  }

  /** Requests and upgraded connections that are open now. */
  get openRequests(): number {
    return this.#exchanges.open;
  }

  /**
   * Registers, and resolves when the tunnel is up. Call it once: a second call is an `invalid_state` and
   * changes nothing. To try again, make another client.
   * @throws TunnelError when the relay refuses (`refused`, `evicted`), when another client has the name and
   * `claim` says not to take it (`taken`) or the relay is too old for that (`unsupported`), when its offer
   * could not be answered or the service cannot work on the tunnel (`invalid_option`), when `waitForRelay`
   * does not say to wait and no WebSocket to the relay opens (`unreachable`), the relay does not answer the
   * registration (`timeout`) or answers wrongly (`protocol_error`), when `close` was called meanwhile
   * (`session_closed`) or before (`invalid_state`), when the signal of the options is aborted (`ABORT_ERR`,
   * as Node's own functions do: the error's `name` is `AbortError`, and its `cause` the signal's reason).
   */
  start(): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#isStarted) {
        reject(new TunnelError("invalid_state", "the client was started before: make another one"));
        return;
      }
      if (this.#state.name === "closed") {
        reject(new TunnelError("invalid_state", "the client was closed before it was started"));
        return;
      }
      this.#isStarted = true;
      this.#starting = { resolve, reject };
      const { signal } = this.#options;
      if (signal?.aborted === true) {
        this.#onAbort();
        return;
      }
      signal?.addEventListener("abort", this.#onAbort, { once: true });
      this.#startedAtMs = performance.now();
      this.#wakeWatch = new WakeWatch(() => this.#onWake());
      this.#attempts.begin();
    });
  }

  /**
   * Closes the client. The relay sends no new requests, open requests finish within the grace period
   * (`shutdownGraceMs`), and then everything is closed. A second call cuts the requests that are still open.
   */
  close(): Promise<void> {
    if (this.#closing !== undefined) this.#closing.cut();
    else if (this.#state.name !== "closed") this.#closing = this.#beginClose();
    return this.#closing?.done ?? Promise.resolve();
  }

  /** The same as {@link close} for `await using`, but it never cuts: it waits for a close that has begun. */
  async [Symbol.asyncDispose](): Promise<void> {
    await (this.#closing?.done ?? this.close());
  }

  // ---- registering

  #connect(signal: AbortSignal): Promise<Registration> {
    const { relay, registerTimeoutMs: timeoutMs } = this.#options;
    const message = this.#registerMessage();
    this.#telling.note({ relay: new URL(relay.shownUrl).origin }, "registering");
    return register({ ...relay, message, pick: this.#pick, timeoutMs, signal });
  }

  #registerMessage(): RegisterMessage {
    const resume = this.#tunnel?.resume;
    const { gate } = this.#exchanges;
    const isFirst = this.#public === undefined;
    return {
      token: this.#options.token,
      // After a loss the client asks for the name that visitors know, because the relay might choose another
      // one now.
      subdomain: this.#public?.subdomain ?? this.#pickedName ?? this.#options.subdomain ?? null,
      protocol: [...supportedProtocols],
      instance: this.#instance,
      window: defaultWindow,
      client: { name: "mcp-tunnel-client", version },
      refusals: true,
      ...(gate === undefined ? {} : { gate: { kinds: [...gate.kinds], digest: gate.digest } }),
      ...(isFirst ? {} : { returning: true }),
      ...(isFirst && this.#options.claim === "if_free" ? { claim: "if_free" as const } : {}),
      ...(this.#options.pool ? { pool: true } : {}),
      ...(takesPackage(this.#options.relay.registerUrl) ? { clientPackage: true } : {}),
      ...(resume === undefined ? {} : { resume }),
    };
  }

  readonly #pick = async (patterns: readonly string[]): Promise<string> => {
    if (this.#strictName !== undefined) {
      const names = patterns.map((pattern) => `'${pattern}'`).join(", ") || "no name";
      throw otherName(this.#strictName, `allows this token names like ${names}`);
    }
    const pick = this.#options.pick ?? pickOnly;
    this.#isPicking = true;
    try {
      this.#pickedName = checkPicked(await pick(patterns));
      return this.#pickedName;
    } finally {
      this.#isPicking = false;
    }
  };

  #onRegistered({ acknowledge }: Registration, resumed: boolean): void {
    const moved = this.#state.name === "moving";
    this.#backoff.connected(resumed);
    this.#hopelessAttempts = 0;
    this.#public = { url: acknowledge.url, subdomain: acknowledge.subdomain };
    this.#transition({ type: "registered" });
    const { url, subdomain } = acknowledge;
    const wire = this.#tunnel?.wire ?? "json";
    this.#telling.tell("connected", {
      url,
      subdomain,
      wire,
      resumed: resumed || moved,
      relayClient: relayClient(this.#options.relay.registerUrl, acknowledge.clientPackage),
    });
    this.#starting?.resolve();
    this.#starting = undefined;
  }

  /** The name without which the client wants no tunnel. */
  get #strictName(): string | undefined {
    const { subdomain, strictSubdomain } = this.#options;
    return strictSubdomain ? subdomain : undefined;
  }

  /** Resumes the session that was lost (true), or opens a new one (false). */
  #adopt(registration: Registration): boolean {
    const { subdomain: name } = registration.acknowledge;
    // A relay takes names in lower case.
    if (this.#strictName !== undefined && this.#strictName.toLowerCase() !== name.toLowerCase()) {
      throw otherName(this.#strictName, `gives this token the name '${name}'`);
    }
    const old = this.#tunnel;
    this.#tunnel = undefined;
    const { resumed } = registration.acknowledge;
    if (resumed === undefined) {
      old?.destroy(new TunnelError("session_lost", "the relay does not know the session any more"));
      this.#tunnel = this.#openTunnel(registration);
      return false;
    }
    if (old === undefined)
      throw new TunnelError("protocol_error", "the relay resumed a session that is over");
    try {
      old.goOn(registration.link, resumed.received);
    } catch (error) {
      old.destroy(toTunnelError(error));
      throw error;
    }
    this.#tunnel = old;
    return true;
  }

  #openTunnel(registration: Registration): Tunnel {
    const handler: SessionHandler = {
      onClose: (error, code) => this.#onSessionClosed(tunnel, error, code),
      onDetached: (cause) => this.#onDetached(tunnel, cause),
      onGoaway: () => this.#onGoaway(tunnel),
      onFault: (error) => this.#telling.fault(error),
      onRefused: (refusals) => this.#refusals.add(refusals),
    };
    const served = this.#servedTunnel(registration);
    this.#exchanges.begin(served);
    const tunnel = openTunnel(
      registration,
      (stream, head, end) => this.#exchanges.accept(stream, head, end, served),
      handler,
      this.#options,
    );
    return tunnel;
  }

  #servedTunnel({ acknowledge }: Registration): ServedTunnel {
    const { url, protocol, maxResponseBody, visitorAddress } = acknowledge;
    return {
      url,
      origin: new URL(url).origin,
      isForwardedOwn: protocol !== undefined,
      isVisitorOwn: visitorAddress === true,
      maxResponseBody: maxResponseBody ?? Number.POSITIVE_INFINITY,
      warn: (warning) => this.#telling.tell("warning", warning),
      fault: (error) => this.#telling.fault(error),
    };
  }

  #onAttemptFailed(reason: unknown): void {
    const error = toTunnelError(reason);
    const isFirst = this.#state.name === "connecting";
    if (isFinal(error) || (isFirst && this.#isFirstInVain(error))) void this.#end(error);
    else this.#scheduleAttempt(error);
  }

  /** Whether the client gives up before it was ever registered. */
  #isFirstInVain({ isHopeless }: TunnelError): boolean {
    const { waitForRelay } = this.#options;
    if (waitForRelay !== "unless_hopeless") return !waitForRelay;
    this.#hopelessAttempts = isHopeless === true ? this.#hopelessAttempts + 1 : 0;
    return this.#hopelessAttempts >= maxHopelessAttempts;
  }

  #scheduleAttempt(cause: TunnelError): void {
    const leftMs = this.#offlineSinceMs + this.#options.maxReconnectTimeMs - performance.now();
    if (leftMs <= 0) {
      void this.#end(cause);
      return;
    }
    const leastMs = this.#hopelessAttempts === 0 ? 0 : hopelessPauseMs;
    const delayMs = Math.min(Math.max(this.#backoff.next(), leastMs), leftMs);
    this.#attempts.beginAfter(delayMs);
    this.#telling.tell("reconnecting", { attempt: this.#backoff.attempts, delayMs, cause });
  }

  get #offlineSinceMs(): number {
    switch (this.#state.name) {
      case "connecting":
        return this.#startedAtMs;
      case "reconnecting":
        return this.#state.sinceMs;
      default:
        // A client that moves is still served by the old relay.
        return performance.now();
    }
  }

  /** The machine woke or the network changed. So an attempt may succeed now, and a connection may be dead. */
  #onWake(): void {
    // A user who is being asked for a name should not be asked again. If the relay is gone, the next attempt
    // asks for the picked name.
    if (this.#isPicking) return;
    // An attempt that is under way began in another network, or before the machine slept.
    if (this.#attempts.isActive) this.#attempts.begin();
    else this.#tunnel?.probe(probeTimeoutMs);
  }

  // ---- sessions

  #onDetached(tunnel: Tunnel, cause: TunnelError): void {
    const isOver = tunnel !== this.#tunnel || this.#state.name !== "online" || tunnel.resume === undefined;
    // `onClose` follows. The sessions of a relay that was shutting down are gone with it.
    if (isOver) tunnel.destroy(cause);
    else {
      tunnel.keep();
      this.#onLost(cause);
    }
  }

  #onSessionClosed(tunnel: Tunnel, error: TunnelError, code: number | undefined): void {
    this.#draining.delete(tunnel);
    const isNewest = tunnel === this.#tunnel;
    if (isNewest) this.#tunnel = undefined;
    const { name } = this.#state;
    // A moving client has lost its tunnel when the last of the relays that it leaves is gone.
    const isLoss = isNewest ? name === "online" : name === "moving" && this.#draining.size === 0;
    if (!isLoss) return;
    const onPurpose = code === closeCodes.normal && tunnel.isNormalCloseFinal && isNewest;
    if (isFinal(error) || onPurpose) void this.#end(error);
    else this.#onLost(error);
  }

  #onGoaway(tunnel: Tunnel): void {
    if (tunnel !== this.#tunnel || this.#state.name !== "online") return;
    // Nothing is lost: open exchanges go on, and visitors who are connected to the old relay may still send
    // requests.
    this.#transition({ type: "goaway" });
    this.#tunnel = undefined;
    this.#draining.add(tunnel);
    const [oldest] = this.#draining;
    if (this.#draining.size > maxLeftSessions) oldest?.close(closeCodes.normal, "the client has moved on");
    this.#backoff.disconnected();
    this.#backoff.next();
    const now = performance.now();
    const delayMs = Math.ceil(Math.max(0, this.#movedAtMs + movePauseMs - now));
    this.#movedAtMs = now + delayMs;
    const cause = new TunnelError("draining", "the relay is shutting down");
    this.#telling.tell("reconnecting", { attempt: this.#backoff.attempts, delayMs, cause });
    // The listener may have closed the client.
    if (this.state !== "online") return;
    if (delayMs === 0) this.#attempts.begin();
    else this.#attempts.beginAfter(delayMs);
  }

  #onLost(cause: TunnelError): void {
    this.#backoff.disconnected();
    this.#transition({ type: "lost", cause, atMs: performance.now() });
    this.#telling.tell("disconnected", { cause });
    // The listener may have closed the client. A client that moved is already trying.
    if (this.#state.name === "reconnecting" && !this.#attempts.isActive) this.#scheduleAttempt(cause);
  }

  // ---- the end

  readonly #onAbort = (): void => {
    // A close that has begun is not cut: the program may abort for all that it has, and wait for this client.
    if (this.#closing === undefined) void this.close();
  };

  #beginClose(): { readonly done: Promise<void>; cut(): void } {
    this.#transition({ type: "close" });
    this.#telling.note({ requests: this.openRequests }, "closing");
    this.#attempts.stop();
    const grace = new AbortController();
    const tunnels = [...this.#draining, ...(this.#tunnel === undefined ? [] : [this.#tunnel])];
    const finished = Promise.all(tunnels.map((tunnel) => tunnel.finish()));
    const cut = delay(this.#options.shutdownGraceMs, undefined, { signal: grace.signal }).catch(() => {});
    const done = Promise.race([finished, cut]).then(async () => {
      grace.abort();
      for (const tunnel of tunnels) tunnel.close(closeCodes.normal, "the client was closed");
      await this.#end(undefined);
    });
    return { done, cut: () => grace.abort() };
  }

  async #end(error: TunnelError | undefined): Promise<void> {
    if (this.#state.name === "closed") return;
    this.#transition(error === undefined ? { type: "ended" } : { type: "ended", error });
    this.#attempts.stop();
    this.#wakeWatch?.stop();
    const { signal } = this.#options;
    signal?.removeEventListener("abort", this.#onAbort);
    const lost = error ?? new TunnelError("session_closed", "the client was closed");
    for (const tunnel of this.#draining) tunnel.destroy(lost);
    this.#tunnel?.destroy(lost);
    this.#tunnel = undefined;
    await this.#closeService();
    this.#refusals.end();
    if (error?.code === "evicted") this.#telling.tell("evicted", { reason: error.message });
    this.#telling.tell("closed", { error });
    this.#starting?.reject(
      error ??
        (signal?.aborted === true
          ? abortError(signal)
          : new TunnelError("session_closed", "the client was closed while it was connecting")),
    );
    this.#starting = undefined;
  }

  /** A service that cannot be closed does not keep the client, or whoever waits for it, from its end. */
  async #closeService(): Promise<void> {
    try {
      await this.#exchanges.close();
    } catch (error) {
      this.#telling.fault(error);
    }
  }

  #transition(transition: ClientTransition): void {
    this.#state = nextState(this.#state, transition);
  }
}

/** {@link TunnelClient}, registered. */
export type ConnectedTunnelClient = TunnelClient & { readonly url: string; readonly subdomain: string };

/**
 * Makes a local service public. Resolves once the client is registered, and serves in the background.
 *
 * @example
 * const relayUrl = "https://tunnel.example.com";
 * const tunnel = await startTunnelClient({ port: 3000, relayUrl, token: "secret" });
 * console.log(tunnel.url);
 * await tunnel.close();
 * @throws TunnelError: see {@link TunnelClient.start}.
 */
export async function startTunnelClient(options: TunnelClientOptions): Promise<ConnectedTunnelClient> {
  const client = new TunnelClient(options);
  await client.start();
  return client as ConnectedTunnelClient;
}

const finalCodes: ReadonlySet<TunnelErrorCode> = new Set([
  "refused",
  "evicted",
  "taken",
  "unsupported",
  "invalid_option",
]);

function otherName(wanted: string, instead: string): TunnelError {
  return new TunnelError("refused", `the relay does not give the name '${wanted}': it ${instead}`);
}

/** Whether another attempt cannot help, because the relay refused or the user has to decide. */
function isFinal(error: TunnelError): boolean {
  return finalCodes.has(error.code);
}

/**
 * Refuses a value that the relay would not take for an answer at all. The relay checks whether it offers the
 * name.
 */
function checkPicked(name: unknown): string {
  if (typeof name === "string" && name.length <= maxNameLength) return name;
  const given = typeof name === "string" ? `one of ${name.length}` : describeType(name);
  throw unusable(`pick must give a name, a string of up to ${maxNameLength} characters, not ${given}`, {
    options: ["pick"],
  });
}

function toTunnelError(reason: unknown): TunnelError {
  if (reason instanceof TunnelError) return reason;
  // Only `pick` is the user's own code.
  return unusable(`no name was picked: ${messageOf(reason)}`, { cause: reason, options: ["pick"] });
}
