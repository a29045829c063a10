import type { Link } from "./link.js";
import { maxTimerMs } from "./options.js";
import { checkOptions, milliseconds } from "./option-shapes.js";

/** Times after which a link counts as dead. */
export interface LivenessOptions {
  /** Quiet time after which the peer is pinged, in milliseconds. Default 15,000; 0 turns liveness off. */
  pingIntervalMs?: number;
  /** How long after a ping something must arrive, in milliseconds. Default 10,000. */
  pingTimeoutMs?: number;
}

const shapes = {
  pingIntervalMs: milliseconds(0, maxTimerMs).optional(),
  pingTimeoutMs: milliseconds(1, maxTimerMs).optional(),
} satisfies Record<keyof LivenessOptions, unknown>;

/** @throws TunnelError `invalid_option`. */
export function checkLiveness(options: LivenessOptions): void {
  checkOptions(options, shapes, { within: "liveness" });
}

/**
 * Finds links that are half open: the peer is gone but no FIN or RST came. It uses the WebSocket's own ping
 * (RFC 6455 section 5.5.2), which every peer answers, an original too. Anything that arrives is a sign of
 * life, so a link that is busy with data is not cut because its pong waits behind the data.
 */
export class Liveness {
  /** Round-trip time of the last ping in milliseconds. */
  rttMs: number | undefined;
  #timer: NodeJS.Timeout | undefined;
  #pingedAt: number | undefined;
  #heard = false;
  #stopped = false;
  readonly #intervalMs: number;
  readonly #timeoutMs: number;
  readonly #link: Link;
  readonly #onDead: () => void;

  /** `onDead` is called once, when the deadline passes with nothing heard. */
  constructor(link: Link, options: LivenessOptions, onDead: () => void) {
    this.#link = link;
    this.#intervalMs = options.pingIntervalMs ?? 15_000;
    this.#timeoutMs = options.pingTimeoutMs ?? 10_000;
    this.#onDead = onDead;
    // The first ping leaves at once, so that a round-trip time is known from the start.
    if (this.#intervalMs > 0) this.probe();
  }

  /** Notes that something arrived. It is cheap because every message calls it. */
  heard(): void {
    this.#heard = true;
  }

  /** Notes that a ping was answered, and measures the round-trip time. */
  pong(): void {
    this.#heard = true;
    if (this.#pingedAt !== undefined) this.rttMs = performance.now() - this.#pingedAt;
    this.#pingedAt = undefined;
  }

  /**
   * Pings now; the link is dead unless something arrives within `timeoutMs`. This is for a machine that has
   * just woken.
   */
  probe(timeoutMs = this.#timeoutMs): void {
    if (this.#stopped) return;
    clearTimeout(this.#timer);
    this.#heard = false;
    // If an earlier ping is still on its way, the next pong answers that one.
    this.#pingedAt ??= performance.now();
    this.#link.ping();
    this.#timer = setTimeout(() => this.#deadline(), timeoutMs);
    this.#timer.unref();
  }

  /** Ends the watch. `onDead` is not called any more. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #deadline(): void {
    if (!this.#heard) {
      this.stop();
      this.#onDead();
      return;
    }
    if (this.#intervalMs <= 0) return;
    this.#timer = setTimeout(() => this.probe(), Math.max(0, this.#intervalMs - this.#timeoutMs));
    this.#timer.unref();
  }
}
