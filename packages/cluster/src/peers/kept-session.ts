import { closeCodes, type LivenessOptions, type Logger, TunnelError } from "mcp-tunnel-protocol";
import { defaultWindow, V1RelaySession } from "mcp-tunnel-protocol/sessions";
import { messageOf } from "mcp-tunnel-shared";
import { Backoff } from "./backoff.js";
import type { Dialed, Dialer } from "./dialer.js";
import { isOfRelayGone } from "./relay-gone.js";
import { sessionAnswer, type SessionAnswer, type SessionRequest } from "./messages.js";
import { sessionLimits } from "./session-limits.js";

export interface KeptSessionOptions {
  /** The relay at the other end. */
  readonly node: string;
  readonly dialer: Dialer;
  readonly liveness: LivenessOptions;
  /** How long a session waits for another link. Then its streams are reset, and a new one begins. */
  readonly resumeTimeoutMs: number;
  readonly logger: Logger;
}

export interface KeptSessionOwner {
  /** Where the other relay is now. */
  readonly address: string;
  /** A link has come or gone. `features`: what the other relay has announced on it. */
  onLink(session: KeptSession, features: readonly string[] | undefined): void;
  /** The other relay has ended, as far as its address can tell. */
  onGone(): void;
  /** The session was retired, and is over. */
  onOver(session: KeptSession): void;
}

/**
 * A session on which this relay opens streams at another. It dials again when the link is lost, and begins
 * anew when the session is lost, until it is retired.
 */
export class KeptSession {
  readonly #options: KeptSessionOptions;
  readonly #owner: KeptSessionOwner;
  readonly #backoff = new Backoff();
  readonly #giveUp = new AbortController();
  #session: V1RelaySession | undefined;
  /** The id of the session, as the other relay gave it. */
  #id = "";
  #state: "kept" | "retired" | "over" = "kept";
  #redialTimer: NodeJS.Timeout | undefined;
  /** Ends the session, while it has no link. */
  #lostTimer: NodeJS.Timeout | undefined;
  /** What the log was told last of attempts that failed. */
  #lastFailure = "";

  /** Dials at once. */
  constructor(options: KeptSessionOptions, owner: KeptSessionOwner) {
    this.#options = options;
    this.#owner = owner;
    void this.#dial();
  }

  /** The session, while it has a link. */
  get session(): V1RelaySession | undefined {
    return this.#session?.attached === true ? this.#session : undefined;
  }

  /** Makes no more links. A session with a link ends when its streams have ended, any other at once. */
  async retire(): Promise<void> {
    if (this.#state !== "kept") return;
    this.#state = "retired";
    this.#stopDialing();
    const { session } = this;
    if (session === undefined) {
      this.end();
      return;
    }
    // The other relay acknowledges sooner to an end that goes.
    session.goaway();
    await session.idle();
    this.end();
  }

  /** Ends the session now. */
  end(): void {
    if (this.#state === "over") return;
    this.#state = "over";
    this.#stopDialing();
    clearTimeout(this.#lostTimer);
    this.#session?.close(closeCodes.normal, "the link is not wanted any more");
    this.#session = undefined;
    this.#owner.onOver(this);
  }

  #stopDialing(): void {
    clearTimeout(this.#redialTimer);
    this.#giveUp.abort();
  }

  // ---- links

  async #dial(): Promise<void> {
    const { node, dialer } = this.#options;
    const resume =
      this.#session === undefined ? undefined : { session: this.#id, received: this.#session.received };
    const request: SessionRequest = { window: defaultWindow, resume };
    const call = {
      node,
      address: this.#owner.address,
      kind: "streams",
      request,
      answer: sessionAnswer,
    } as const;
    try {
      const dialed = await dialer.dial(call, this.#giveUp.signal);
      if (this.#state === "kept") this.#onDialed(dialed);
      else dialed.link.close(closeCodes.normal, "");
    } catch (error) {
      if (this.#state === "kept") this.#onFailed(error);
    }
  }

  #onFailed(error: unknown): void {
    const reason = messageOf(error);
    // While the other relay is away, each attempt fails for the same reason.
    if (reason !== this.#lastFailure) {
      this.#lastFailure = reason;
      this.#options.logger.warn({ peer: this.#options.node, reason }, "no link to another relay");
    }
    if (isOfRelayGone(error)) {
      // Nobody goes on with the session, so its streams need not wait.
      this.#drop(reason);
      this.#owner.onGone();
    }
    this.#dialLater();
  }

  #dialLater(): void {
    clearTimeout(this.#redialTimer);
    this.#redialTimer = setTimeout(() => void this.#dial(), this.#backoff.next());
  }

  #onDialed({ link, features, answer }: Dialed<SessionAnswer>): void {
    const { logger, node } = this.#options;
    const { resumed } = answer;
    if (resumed === undefined) {
      // The other relay does not know the session any more, if there was one.
      this.#drop("the other relay has given up the session");
      this.#session = this.#begin(answer.window);
      this.#id = answer.session;
    }
    const session = this.#session;
    if (session === undefined) {
      // The time of the session was over while the other relay answered.
      link.close(closeCodes.normal, "");
      this.#dialLater();
      return;
    }
    try {
      session.attach(link, resumed?.received ?? 0);
    } catch (error) {
      link.close(closeCodes.protocolError, messageOf(error));
      this.#drop(messageOf(error));
      this.#dialLater();
      return;
    }
    clearTimeout(this.#lostTimer);
    // The former session may have ended while this link was made, which asked for another one.
    clearTimeout(this.#redialTimer);
    this.#backoff.connected();
    this.#lastFailure = "";
    const { address } = this.#owner;
    logger.info({ peer: node, address, resumed: resumed !== undefined }, "link to another relay");
    this.#owner.onLink(this, features);
  }

  // ---- the session

  #begin(sendWindow: number): V1RelaySession {
    const { liveness, logger, node } = this.#options;
    const session: V1RelaySession = new V1RelaySession(
      {
        onClose: (error) => this.#onClose(session, error),
        onDetached: (cause) => this.#onDetached(session, cause),
        onFault: (error) => {
          logger.error({ peer: node, error: messageOf(error) }, "a stream to another relay has failed here");
        },
      },
      { ...sessionLimits, liveness, sendWindow, receiveWindow: defaultWindow },
    );
    return session;
  }

  #onDetached(session: V1RelaySession, cause: TunnelError): void {
    const { resumeTimeoutMs, logger, node } = this.#options;
    logger.warn({ peer: node, reason: messageOf(cause) }, "the link to another relay is lost");
    if (this.#state !== "kept") {
      // Nobody would make another link.
      session.destroy(cause);
      return;
    }
    clearTimeout(this.#lostTimer);
    this.#lostTimer = setTimeout(() => {
      this.#drop(`no link to the relay within ${resumeTimeoutMs} ms`);
    }, resumeTimeoutMs);
    this.#dialLater();
    this.#owner.onLink(this, undefined);
  }

  /** The other relay, or a fault, has ended the session. */
  #onClose(session: V1RelaySession, error: TunnelError): void {
    if (this.#session !== session) return;
    this.#session = undefined;
    const { logger, node } = this.#options;
    logger.warn({ peer: node, reason: messageOf(error) }, "the session with another relay is over");
    if (this.#state !== "kept") return;
    this.#dialLater();
    this.#owner.onLink(this, undefined);
  }

  /** Ends a session without a link, while another one is on its way. */
  #drop(reason: string): void {
    const session = this.#session;
    if (session === undefined) return;
    this.#session = undefined;
    clearTimeout(this.#lostTimer);
    const { logger, node } = this.#options;
    logger.warn({ peer: node, streams: session.streamCount, reason }, "a session with another relay is lost");
    session.destroy(new TunnelError("session_lost", reason));
  }
}
