import type { Duplex } from "node:stream";

/** How long a peer may take to close its end of a connection that the relay has ended, in milliseconds. */
export const closingMs = 2_000;
/** What may come behind the last request of a connection, before its answer is out, in bytes. */
export const maxLateBytes = 1_048_576;

/** Connections that are on their way out, so that they are closed once. */
const closing = new WeakSet<Duplex>();

/** The relay has ended this connection: nothing is said over it any more. */
export function isClosing(connection: Duplex): boolean {
  return closing.has(connection);
}

/**
 * Ends a connection with `last`, if there is anything left to say. What still comes is read and thrown away: a connection
 * that is closed with unread bytes is reset by the kernel, and the reset can overtake the answer (RFC 9112 section 9.6).
 * A peer that does not close its own end within {@link closingMs} is cut off. So the connection goes whatever the peer
 * does. Errors on it are nobody's concern any more.
 */
export function closeGently(connection: Duplex, last?: string): void {
  if (closing.has(connection) || connection.destroyed) return;
  closing.add(connection);
  connection.on("error", ignore);
  const timer = setTimeout(() => connection.destroy(), closingMs);
  connection.once("close", () => clearTimeout(timer));
  if (connection.writable) connection.end(last);
  connection.resume();
}

function ignore(): void {}
