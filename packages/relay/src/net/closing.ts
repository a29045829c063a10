import type { Duplex } from "node:stream";

/** How long a peer may take to close its end of a connection that the relay has ended, in milliseconds. */
export const closingMs = 2_000;
/** How many bytes may come behind the last request of a connection before its answer is out. */
export const maxLateBytes = 1_048_576;

/** Connections that are closing already, so that each is closed once. */
const closing = new WeakSet<Duplex>();

/** Whether the relay has ended this connection and sends nothing more over it. */
export function isClosing(connection: Duplex): boolean {
  return closing.has(connection);
}

/**
 * Ends a connection, after `last` if that is given. Data that still comes is read and thrown away: the kernel
 * resets a connection that is closed with unread bytes, and the reset can overtake the answer (RFC 9112
 * section 9.6). A peer that does not close its own end within {@link closingMs} is cut off, so that the
 * connection ends whatever the peer does. Later errors on the connection are ignored.
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
