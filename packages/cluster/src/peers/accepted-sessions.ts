import { randomUUID } from "node:crypto";
import {
  type AcceptStream,
  closeCodes,
  fromJson,
  type LivenessOptions,
  type Logger,
  TunnelError,
} from "mcp-tunnel-protocol";
import { defaultWindow, V1ClientSession } from "mcp-tunnel-protocol/sessions";
import { messageOf } from "mcp-tunnel-shared";
import type { Caller } from "./acceptor.js";
import { sessionRequest, type SessionAnswer } from "./messages.js";
import { sessionLimits } from "./session-limits.js";

export interface AcceptedSessionsOptions {
  readonly liveness: LivenessOptions;
  /** How long a session is kept for its dialer without a link. */
  readonly keepMs: number;
  readonly logger: Logger;
}

interface Kept {
  /** The relay that dials. No other may go on with the session. */
  readonly node: string;
  readonly session: V1ClientSession;
  /** Ends the session, while it has no link. */
  timer: NodeJS.Timeout | undefined;
}

/** The sessions on which other relays open streams here. */
export class AcceptedSessions {
  readonly #options: AcceptedSessionsOptions;
  readonly #acceptFrom: (node: string) => AcceptStream;
  /** By their ids. */
  readonly #kept = new Map<string, Kept>();

  /** `acceptFrom` gives what takes the streams of a relay. */
  constructor(options: AcceptedSessionsOptions, acceptFrom: (node: string) => AcceptStream) {
    this.#options = options;
    this.#acceptFrom = acceptFrom;
  }

  /** Gives a link its session: a new one, or the one that it goes on with. */
  accept(caller: Caller): void {
    const { logger } = this.#options;
    const request = fromJson(sessionRequest, caller.request);
    if (request === undefined) {
      logger.warn({ peer: caller.node }, "a relay has asked for a session in no known form");
      caller.link.close(closeCodes.protocolError, "no known form of a request");
      return;
    }
    const { resume } = request;
    const known = resume === undefined ? undefined : this.#kept.get(resume.session);
    if (resume === undefined || known?.node !== caller.node) {
      this.#begin(caller, request.window);
      return;
    }
    const { session } = known;
    // Before `attach`, which sends at once.
    this.#answer(caller, {
      session: resume.session,
      window: defaultWindow,
      resumed: { received: session.received },
    });
    try {
      session.attach(caller.link, resume.received);
    } catch (error) {
      // The attempt is one that its dialer has given up, or the offset is wrong. The session stays as it was.
      logger.warn({ peer: caller.node, error: messageOf(error) }, "a relay could not resume its session");
      caller.link.close(closeCodes.protocolError, messageOf(error));
      return;
    }
    clearTimeout(known.timer);
    known.timer = undefined;
    logger.info({ peer: caller.node, streams: session.streamCount }, "a relay has resumed its session");
  }

  /** The relay has ended, and comes back to no session: those without a link are over, with their streams. */
  endOf(node: string): void {
    for (const kept of this.#kept.values()) {
      if (kept.node !== node || kept.timer === undefined) continue;
      kept.session.destroy(new TunnelError("session_lost", "the relay has ended"));
    }
  }

  /** Ends all sessions, and their streams with them. */
  close(): void {
    for (const { session } of this.#kept.values()) {
      session.close(closeCodes.goingAway, "the relay is closing");
    }
  }

  #begin(caller: Caller, sendWindow: number): void {
    const { node } = caller;
    const { liveness, logger } = this.#options;
    const id = randomUUID();
    const session = new V1ClientSession(
      this.#acceptFrom(node),
      {
        onClose: (error) => {
          clearTimeout(kept.timer);
          this.#kept.delete(id);
          logger.info({ peer: node, reason: messageOf(error) }, "the session of a relay is over");
        },
        onDetached: (cause) => this.#onDetached(kept, cause),
        onFault: (error) => {
          logger.error({ peer: node, error: messageOf(error) }, "a stream of a relay has failed here");
        },
      },
      { ...sessionLimits, liveness, sendWindow, receiveWindow: defaultWindow },
    );
    const kept: Kept = { node, session, timer: undefined };
    this.#kept.set(id, kept);
    this.#answer(caller, { session: id, window: defaultWindow });
    session.attach(caller.link, 0);
    logger.info({ peer: node }, "a relay has begun a session");
  }

  #onDetached(kept: Kept, cause: TunnelError): void {
    const { logger, keepMs } = this.#options;
    logger.info({ peer: kept.node, reason: messageOf(cause) }, "the link of a relay is lost");
    clearTimeout(kept.timer);
    kept.timer = setTimeout(() => {
      kept.session.destroy(new TunnelError("session_lost", `the relay did not come back in ${keepMs} ms`));
    }, keepMs);
  }

  #answer(caller: Caller, answer: SessionAnswer): void {
    caller.answer(answer);
  }
}
