import { once } from "node:events";
import { type IncomingMessage, request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { messageOf, printable } from "mcp-tunnel-shared";
import { CommandFailure } from "../output/output.js";

export interface AdminAddress {
  /** The base URL of the admin API. */
  url: string;
  secret: string | undefined;
}

/** How long to wait for an answer, in milliseconds. The relay has it at hand. */
const timeoutMs = 10_000;

/**
 * Asks a relay's admin API.
 * @throws CommandFailure when the relay cannot be reached, is not ready or refuses the request.
 */
export async function adminRequest(
  { url, secret }: AdminAddress,
  method: "GET" | "DELETE",
  path: string,
): Promise<unknown> {
  const headers: Record<string, string> = secret === undefined ? {} : { authorization: `Bearer ${secret}` };
  let status: number;
  let text: string;
  try {
    ({ status, text } = await send(url + path, method, headers));
  } catch (error) {
    throw new CommandFailure(
      `cannot reach a relay's admin API at ${url}: ${messageOf(error)}; is it started with --admin-listen?`,
      { cause: error },
    );
  }
  const body = parse(text);
  if (status >= 200 && status < 300 && body !== undefined) return body;
  const state = textOf(body?.["status"]);
  if (status === 503 && state !== undefined) {
    throw new CommandFailure(`the relay is not ready: ${notReady[state] ?? printable(state)}`);
  }
  const said =
    body?.["code"] === "no_secret" ? noSecret(secret) : (textOf(body?.["error"]) ?? `status ${status}`);
  const verb = status === 401 || status === 403 ? "refused" : "answered";
  throw new CommandFailure(`the admin API at ${url} ${verb}: ${printable(said)}`);
}

/** What to do about the secret. The API's own words are for those who write the header themselves. */
function noSecret(secret: string | undefined): string {
  return secret === undefined
    ? "it needs the relay's secret: add --admin-secret-file <FILE>, or --config <FILE> of the relay"
    : "the secret that was given is not the relay's: compare it with its --admin-secret-file or --admin-secret";
}

/** The statuses of `/readyz`, in words for a person. */
const notReady: Record<string, string> = {
  draining: "it is shutting down (draining)",
  "not in the cluster": "it is not in the cluster: Redis does not answer it, and may answer others",
  "tokens are stale": "its tokens are stale; `mcp-tunnel status` says why",
};

/** Sends a request. `fetch` would refuse some ports, because it takes them for those of other protocols. */
async function send(
  url: string,
  method: string,
  headers: Record<string, string>,
): Promise<{ status: number; text: string }> {
  const request = url.startsWith("https:") ? requestHttps : requestHttp;
  const req = request(url, { method, headers, signal: AbortSignal.timeout(timeoutMs), agent: false });
  req.end();
  const [answer] = (await once(req, "response")) as [IncomingMessage];
  let text = "";
  for await (const chunk of answer.setEncoding("utf8")) text += chunk as string;
  return { status: answer.statusCode ?? 0, text };
}

const textOf = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);

function parse(text: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}
