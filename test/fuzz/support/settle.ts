import { once } from "node:events";
import { WebSocket } from "ws";

/**
 * A ping and its answer: what was said before has been taken in. Or the end of the connection; or a second, since a connection
 * on which garbage was said may hear nothing more and wait for what it announced.
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
