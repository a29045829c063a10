/**
 * The limit before anything is known of a link, in bytes. A first window (1 MiB) fits beside the small frames
 * of other streams: a stream that is out of credit says so at once, and gets more.
 */
const firstBytes = 1_310_720;
/** The lowest limit, in bytes: twice what a peer acknowledges at a time (PROTOCOL.md, section 7). */
const leastBytes = 262_144;
/** How long a peer may be busy with something else, in milliseconds, before the link runs dry. */
const busyMs = 1;
/** The shortest time over which the rate is taken, in milliseconds: acknowledgements come in bursts. */
const leastEpochMs = 20;
/** The part of a limit that remains in each epoch when the limit has turned out too wide. */
const decay = 7 / 8;
/**
 * On a link with a longer round trip, in milliseconds, it is worth something to save one. Busy processes on a
 * short link may take as long as half of this for an answer.
 */
export const longRttMs = 50;
/** DATA sent within a round trip that shows the rate of a long link, in bytes. */
const flightBytes = 524_288;
/** The shortest time over which it shows the rate, in milliseconds. */
const leastFlightMs = 4;
/** How many times wider than the limit a guess is at least: epochs do the rest. */
const leastLeap = 3;
/** The greatest guess, in bytes. */
const greatestGuess = 33_554_432;
/** The part of a guess that remains in each epoch when it has turned out too wide. */
const guessDecay = 1 / 2;

/**
 * Limits the bytes that may be sent and not acknowledged; beyond the limit DATA has to wait. Without a limit
 * the kernels' buffers between the two processes take many megabytes, and a small response would have to wait
 * for all of them. Twice what the link delivers in one round trip keeps it full; more would only queue. The
 * limit follows the rate of the last epoch, so it doubles with each round trip as long as the limit holds the
 * sender back. (The idea of BBR, ACM Queue 14 (2016), without its pacing.)
 *
 * On a long link that would take seconds. There the acknowledgements of half a mebibyte, which come as fast
 * as the link has delivered it, tell how wide the limit should be. That is a guess until an epoch has shown
 * the same rate.
 */
export class FlightLimit {
  #bytes = firstBytes;
  #epochStartMs: number | undefined;
  #epochBytes = 0;
  #hit = false;
  #isGuess = false;
  /** Before this time, acknowledgements are for bytes that were sent under the limit before the guess. */
  #guessShowsAtMs = 0;
  /** Bytes acknowledged so far. The offsets of a flight count from the same point. */
  #acknowledged = 0;
  #flight: Flight | undefined;

  get bytes(): number {
    return this.#bytes;
  }

  /** Notes that the limit has held something back. */
  hit(): void {
    if (this.#hit) return;
    this.#hit = true;
    // The time before, in which there may have been nothing to send, says nothing about the link.
    this.#epochStartMs = undefined;
  }

  /** Notes that the link has held something back. A limit that was guessed too wide may never do that. */
  held(): void {
    if (this.#isGuess) this.hit();
  }

  /** Starts over for another link, which may go another way. */
  restart(): void {
    this.#bytes = firstBytes;
    this.#epochStartMs = undefined;
    this.#hit = false;
    this.#isGuess = false;
    this.#guessShowsAtMs = 0;
    this.#flight = undefined;
  }

  /** DATA has been sent, and so many bytes are on their way now. */
  sent(unacknowledgedBytes: number): void {
    const flight = this.#flight;
    const sentTo = this.#acknowledged + unacknowledgedBytes;
    if (flight === undefined) {
      this.#flight = new Flight(sentTo);
    } else if (flight.to === undefined && sentTo >= flight.from + flightBytes) {
      flight.to = sentTo;
      flight.bytes = unacknowledgedBytes;
      flight.toAtMs = performance.now();
    }
  }

  /**
   * The peer has acknowledged `bytes` more. `minRttMs`: the round trip of the link when nothing waits on it.
   */
  acknowledged(bytes: number, nowMs: number, minRttMs: number | undefined): void {
    this.#acknowledged += bytes;
    this.#watchFlight(nowMs, minRttMs);
    if (nowMs < this.#guessShowsAtMs) return;
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
      const wanted = wantedBytes(this.#epochBytes / elapsedMs, minRttMs);
      const kept = this.#bytes * (this.#isGuess ? guessDecay : decay);
      if (wanted >= kept) this.#isGuess = false;
      this.#bytes = Math.max(wanted, kept, leastBytes);
    }
    this.#epochStartMs = nowMs;
    this.#epochBytes = 0;
    this.#hit = false;
  }

  #watchFlight(nowMs: number, minRttMs: number | undefined): void {
    const flight = this.#flight;
    if (flight === undefined || this.#acknowledged < flight.from) return;
    if (flight.to === undefined) {
      // Less was sent in a round trip.
      this.#flight = undefined;
    } else if (flight.ackAtMs === undefined) {
      flight.ackAtMs = nowMs;
      flight.ackFrom = this.#acknowledged;
    } else if (this.#acknowledged >= flight.to) {
      this.#flight = undefined;
      if (minRttMs === undefined) return;
      // The ping may have waited for a process that was busy with its start, on a link that is short.
      const rttMs = Math.min(minRttMs, nowMs - flight.toAtMs);
      if (rttMs <= longRttMs) return;
      this.#guess(wantedBytes(rateOf(flight, this.#acknowledged, nowMs, rttMs), rttMs), nowMs + rttMs);
    }
  }

  #guess(wanted: number, showsAtMs: number): void {
    const bytes = Math.min(wanted, greatestGuess);
    if (bytes < leastLeap * this.#bytes) return;
    this.#bytes = bytes;
    this.#isGuess = true;
    this.#guessShowsAtMs = showsAtMs;
    this.#epochStartMs = undefined;
    this.#hit = false;
  }
}

/** DATA that is sent within a round trip, from one offset to another. */
class Flight {
  readonly from: number;
  readonly fromAtMs = performance.now();
  /** While it is undefined, too little has been sent. */
  to: number | undefined;
  toAtMs = 0;
  /** All bytes that were on their way at `toAtMs`. */
  bytes = 0;
  /** What was acknowledged when the acknowledgements of the flight began, and when that was. */
  ackFrom = 0;
  ackAtMs: number | undefined;

  constructor(from: number) {
    this.from = from;
  }
}

/**
 * The rate at which a link has delivered a flight, in bytes for each millisecond: the lowest that sending and
 * acknowledging it allow. Acknowledgements that were held up on their way come all at once, but then they
 * come late. A link of that rate would have delivered everything before them earlier.
 */
function rateOf(flight: Flight, acknowledged: number, nowMs: number, rttMs: number): number {
  const { from, fromAtMs, to = from, toAtMs, bytes, ackFrom, ackAtMs = nowMs } = flight;
  const over = (ms: number): number => Math.max(ms, leastFlightMs);
  return Math.min(
    (to - from) / over(toAtMs - fromAtMs),
    (acknowledged - ackFrom) / over(nowMs - ackAtMs),
    bytes / over(nowMs - toAtMs - rttMs),
  );
}

/** Twice what a link delivers in a round trip, at `rate` bytes for each millisecond. */
function wantedBytes(rate: number, minRttMs: number): number {
  return 2 * rate * (minRttMs + busyMs);
}
