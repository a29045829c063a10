import type { IncomingMessage, ServerResponse } from "node:http";
import { type ApiProblem, send, sendProblem } from "mcp-tunnel-shared/page";
import type { ApiError } from "../model.js";

export { contentSecurityPolicy } from "mcp-tunnel-shared/page";

/** Whether a target is of the API. All of it needs the secret. */
export function isApi(target: string): boolean {
  return /^\/api(?:[/?]|$)/.test(target);
}

export function sendJson(res: ServerResponse, value: object, status = 200): void {
  send(res, status, "application/json", JSON.stringify(value));
}

export function sendText(res: ServerResponse, text: string): void {
  send(res, 200, "text/plain; charset=utf-8", text);
}

/** Says why there is no answer: in the API's form to those who ask the API. */
export function refuse(req: IncomingMessage, res: ServerResponse, problem: ApiProblem): void {
  const { code, message } = problem;
  const error: ApiError = { code, message };
  sendProblem(req, res, problem, isApi(req.url ?? "") ? JSON.stringify(error) : undefined);
}
