import type { Socket } from "node:net";

/**
 * Ends a connection at once, by a reset if it can be. Not while its end is on its way out: Node reports `reset EINVAL` then, and
 * the socket's `close` never comes.
 */
export function reset(socket: Socket): void {
  const isEnding = socket.writableEnded && !socket.writableFinished;
  if (isEnding) socket.destroy();
  else socket.resetAndDestroy();
}
