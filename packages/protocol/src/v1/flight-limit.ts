/** Before anything is known of a link, in bytes. */
const firstBytes = 1_048_576;
/** What may always be on its way: twice what a peer acknowledges at a time (PROTOCOL.md, section 7). */
const leastBytes = 262_144;
/** How long a peer may be busy with something else, in milliseconds, before the link runs dry. */
const busyMs = 1;
/** The rate is taken over so long at least, in milliseconds: acknowledgements come in bursts. */
const leastEpochMs = 20;
/** What a limit that has turned out too wide keeps of itself in each epoch. */
const decay = 7 / 8;

/**
 * How many bytes may be sent and not acknowledged before DATA has to wait. The kernels' buffers between the two processes take
 * many megabytes if they are let, and a small response would have to wait for all of them. Twice what the link delivers in one
 * round trip keeps it full; the limit follows what is measured, and so it doubles with each round trip for as long as it
 * is what holds the sender back. More would only queue. (The idea of BBR, ACM Queue 14 (2016), without its pacing.)
 */
export class FlightLimit {
  #bytes = firstBytes;
  #epochStartMs: number | undefined;
  #epochBytes = 0;
  #hit = false;

  get bytes(): number {
    return this.#bytes;
  }

  /** The limit has held something back. */
  hit(): void {
    this.#hit = true;
  }

  /** Another link may go another way. */
  restart(): void {
    this.#bytes = firstBytes;
    this.#epochStartMs = undefined;
    this.#hit = false;
  }

  /** The peer has acknowledged `bytes` more. `minRttMs`: of the link when nothing waits on it. */
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
