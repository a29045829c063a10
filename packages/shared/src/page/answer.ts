import type { IncomingMessage, ServerResponse } from "node:http";
import type { ApiProblem } from "./problem.js";

/**
 * A page runs its own script alone and speaks to nobody else. No other page may hold it in a frame, and
 * nothing in it can become HTML by mistake.
 */
export const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
  "form-action 'none'",
  "require-trusted-types-for 'script'",
].join("; ");

/** The fields of every answer. There are no CORS fields: no other origin may read anything. */
const guards: Readonly<Record<string, string>> = {
  "Content-Security-Policy": contentSecurityPolicy,
  "X-Content-Type-Options": "nosniff",
  "X-Frame-Options": "DENY",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Cross-Origin-Opener-Policy": "same-origin",
  "Referrer-Policy": "no-referrer",
  // What is shown does not belong on a disk. The files of another version may have the same paths.
  "Cache-Control": "no-store",
};

/** Gives an answer its guards, before anything else is known of it. */
export function guard(req: IncomingMessage, res: ServerResponse): void {
  for (const [name, value] of Object.entries(guards)) res.setHeader(name, value);
  if (req.headers["service-worker"] === "script") evictWorkers(res);
}

/**
 * A page of ours has no service worker. One that the browser asks for is of a server that had this address
 * and this port before. It would go on answering in this page's place, and would get its URL with the secret.
 */
function evictWorkers(res: ServerResponse): void {
  res.setHeader("Clear-Site-Data", '"storage"');
}

/** Answers with a text of the media type `type`. */
export function send(res: ServerResponse, status: number, type: string, text: string): void {
  res.writeHead(status, { "Content-Type": type, "Content-Length": Buffer.byteLength(text) }).end(text);
}

/** Answers with 204. */
export function sendNothing(res: ServerResponse): void {
  res.writeHead(204).end();
}

/**
 * Programs read JSON, and people who have come to the wrong place read a sentence. `json`: the problem for
 * programs; `undefined` for people.
 */
export function sendProblem(
  req: IncomingMessage,
  res: ServerResponse,
  problem: ApiProblem,
  json: string | undefined,
): void {
  const { status, message, fields } = problem;
  if (res.headersSent) {
    res.destroy();
    return;
  }
  for (const [name, value] of Object.entries(fields)) res.setHeader(name, value);
  // What is left of the request is not waited for.
  if (!req.complete) res.setHeader("Connection", "close");
  if (json !== undefined) send(res, status, "application/json", json);
  else send(res, status, "text/plain; charset=utf-8", `${message}\n`);
}
