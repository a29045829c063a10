import type { Socket } from "node:net";

/**
 * Ends a connection at once, by a reset if possible. A socket whose end is on its way out is destroyed
 * instead: Node would report `reset EINVAL` then, and the socket's `close` would never come.
 */
export function reset(socket: Socket): void {
  const isEnding = socket.writableEnded && !socket.writableFinished;
  if (isEnding) socket.destroy();
  else socket.resetAndDestroy();
}
