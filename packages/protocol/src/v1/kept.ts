/** Bytes that all sessions of this process may keep before those that keep the most have to wait. */
const maxKeptBytes = 134_217_728;
/** What every session may keep even then: the least that its flight limit would allow it. */
const shareBytes = 262_144;
/** The same for heads, which do not wait for a turn but are refused. */
const headShareBytes = 4 * shareBytes;

/**
 * Bytes that were sent and not acknowledged, over all sessions of this process (PROTOCOL.md, section 7). Each
 * session has limits of its own. A process with thousands of tunnels needs one for all of them, because a peer
 * acknowledges when it likes. A session that keeps little is not held back, whatever the others keep.
 */
class Kept {
  #bytes = 0;

  /** A session keeps more bytes, or fewer. */
  change(bytes: number): void {
    this.#bytes += bytes;
  }

  /** Whether a session that keeps `own` bytes may send DATA. If not, it should ask again at its next ACK. */
  hasRoomForData(own: number): boolean {
    return this.#bytes < maxKeptBytes || own < shareBytes;
  }

  /** Whether such a session may open a stream. */
  hasRoomForHead(own: number): boolean {
    return this.#bytes < maxKeptBytes || own < headShareBytes;
  }
}

export const kept = new Kept();
