/** The limit before anything is known of a link, in bytes. */
const firstBytes = 1_048_576;
/** The lowest limit, in bytes: twice what a peer acknowledges at a time (PROTOCOL.md, section 7). */
const leastBytes = 262_144;
/** How long a peer may be busy with something else, in milliseconds, before the link runs dry. */
const busyMs = 1;
/** The shortest time over which the rate is taken, in milliseconds: acknowledgements come in bursts. */
const leastEpochMs = 20;
/** The part of a limit that remains in each epoch when the limit has turned out too wide. */
const decay = 7 / 8;

/**
 * Limits the bytes that may be sent and not acknowledged; beyond the limit DATA has to wait. Without a limit
 * the kernels' buffers between the two processes take many megabytes, and a small response would have to wait
 * for all of them. Twice what the link delivers in one round trip keeps it full; more would only queue. The
 * limit follows the measured rate, so it doubles with each round trip as long as the limit holds the sender
 * back. (The idea of BBR, ACM Queue 14 (2016), without its pacing.)
 */
export class FlightLimit {
  #bytes = firstBytes;
  #epochStartMs: number | undefined;
  #epochBytes = 0;
  #hit = false;

  get bytes(): number {
    return this.#bytes;
  }

  /** Notes that the limit has held something back. */
  hit(): void {
    this.#hit = true;
  }

  /** Starts over for another link, which may go another way. */
  restart(): void {
    this.#bytes = firstBytes;
    this.#epochStartMs = undefined;
    this.#hit = false;
  }

  /**
   * The peer has acknowledged `bytes` more. `minRttMs`: the round trip of the link when nothing waits on it.
   */
  acknowledged(bytes: number, nowMs: number, minRttMs: number | undefined): void {
    if (this.#epochStartMs === undefined) {
      this.#epochStartMs = nowMs;
      this.#epochBytes = 0;
      return;
    }
    this.#epochBytes += bytes;
    const elapsedMs = nowMs - this.#epochStartMs;
    if (elapsedMs < Math.max(leastEpochMs, minRttMs ?? 0)) return;
    // A sender that had nothing to send says nothing about the link.
    if (this.#hit && minRttMs !== undefined) {
      const wanted = 2 * (this.#epochBytes / elapsedMs) * (minRttMs + busyMs);
      this.#bytes = Math.max(wanted, this.#bytes * decay, leastBytes);
    }
    this.#epochStartMs = nowMs;
    this.#epochBytes = 0;
    this.#hit = false;
  }
}
