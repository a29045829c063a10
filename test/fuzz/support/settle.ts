import { once } from "node:events";
import { WebSocket } from "ws";

/**
 * Waits for a ping and its answer: then the other end has taken in all messages before. Or for the end of the
 * connection. Or for a second, because after garbage the other end may wait for the bytes that it announced,
 * and read nothing else.
 */
export async function settle(ws: WebSocket): Promise<void> {
  if (ws.readyState !== WebSocket.OPEN) return;
  const done = new AbortController();
  const timer = setTimeout(() => done.abort(), 1_000);
  const heard = (event: string): Promise<unknown> => once(ws, event, { signal: done.signal }).catch(() => {});
  ws.ping();
  await Promise.race([heard("pong"), heard("close")]);
  clearTimeout(timer);
  done.abort();
}
