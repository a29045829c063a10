/** Bytes that all sessions of this process may keep before those that keep much have to wait. */
const maxKeptBytes = 134_217_728;
/** What sessions that keep much may share even then. Others may hold the rest for as long as they like. */
const sharedBytes = maxKeptBytes / 4;
/** What every session may keep even then: the least that its flight limit would allow it. */
const leastBytes = 262_144;
/** How many times as much may be kept of heads, which do not wait for a turn but are refused. */
const headShares = 2;

/**
 * Bytes that were sent and not acknowledged, over all sessions of this process (PROTOCOL.md, section 7). Each
 * session has limits of its own. A process with thousands of tunnels needs one for all of them, because a
 * peer acknowledges when it likes. A session that keeps little is not held back, whatever the others keep.
 */
class Kept {
  #bytes = 0;
  /** Sessions that keep at least {@link leastBytes}. */
  #keepers = 0;

  /** A session keeps `now` bytes, and no longer `before`. */
  change(before: number, now: number): void {
    this.#bytes += now - before;
    this.#keepers += Number(now >= leastBytes) - Number(before >= leastBytes);
  }

  /** Whether a session that keeps `own` bytes may send DATA. If not, it should ask again at its next ACK. */
  hasRoomForData(own: number): boolean {
    return this.#bytes < maxKeptBytes || own < leastBytes || own * this.#keepers < sharedBytes;
  }

  /** Whether such a session may open a stream. */
  hasRoomForHead(own: number): boolean {
    return this.hasRoomForData(own / headShares);
  }
}

export const kept = new Kept();
