import type { Answer } from "mcp-tunnel-shared/page";
import { sendJson } from "./send.js";
import type { AdminSource } from "./source.js";

/** A health check has no secret, and learns nothing else. */
export const answerAlive: Answer = ({ res }) => sendJson(res, { status: "ok" });

/**
 * The answer does not say which files are stale, and why, because only a holder of the secret may know that.
 */
export async function answerReady(source: AdminSource, ...[{ res }]: Parameters<Answer>): Promise<void> {
  const [unreadiness, { stale }] = await Promise.all([source.unreadiness(), source.state()]);
  const kinds = [...new Set(stale.map(({ kind }) => kind))];
  const body = { status: unreadiness ?? "ready", ...(kinds.length === 0 ? {} : { stale: kinds }) };
  sendJson(res, body, unreadiness === undefined ? 200 : 503);
}
