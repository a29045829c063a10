import type { IncomingMessage, ServerResponse } from "node:http";
import { printableJson } from "mcp-tunnel-shared";
import { type ApiProblem, send, sendProblem } from "mcp-tunnel-shared/page";
import { ToldProblem } from "./problem.js";

/** Answers with JSON in which characters that a terminal obeys are escaped. */
export function sendJson(res: ServerResponse, body: object, status = 200): void {
  send(res, status, "application/json", `${printableJson(body)}\n`);
}

/**
 * Says why there is no answer: `error` in words, and `code`. A problem may have more to tell, as own members.
 * `isForPerson`: as a sentence.
 */
export function refuse(
  req: IncomingMessage,
  res: ServerResponse,
  problem: ApiProblem,
  isForPerson: boolean,
): void {
  const more = problem instanceof ToldProblem ? problem.more : {};
  const body = { error: problem.message, code: problem.code, ...more };
  sendProblem(req, res, problem, isForPerson ? undefined : `${printableJson(body)}\n`);
}
