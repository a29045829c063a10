import {
  checkOptions,
  Fault,
  maxTimerMs,
  objectOf,
  providerUnavailableReason,
  text,
  wholeNumber,
} from "mcp-tunnel-protocol";
import { messageOf } from "mcp-tunnel-shared";
import pRetry from "p-retry";
import { Agent, request } from "undici";
import { type Logger, loggerShape } from "../telemetry/log.js";
import type { AuthenticationResult, Authenticator } from "./authenticator.js";
import { patternList } from "./patterns.js";
import { verifyEndpoint } from "./provider-url.js";

/** The auth provider: an HTTP service of the operator that knows the tokens. */
export interface ProviderOptions {
  /** Base URL; `/api/verify` is appended. */
  url: string;
  /** Sent as `X-Relay-Secret`, so that the provider knows the relay. */
  secret: string;
  /** Time for the whole call. Default 5,000. */
  timeoutMs?: number;
  /** The longest answer that the relay reads. Default 65,536. */
  maxAnswerBytes?: number;
  /** Told of calls that fail. Default: nobody is told. */
  logger?: Logger;
}

const optionShapes = {
  url: text(),
  secret: text().refine((secret) => secret !== "", "a secret, and not empty"),
  timeoutMs: wholeNumber(1, maxTimerMs).optional(),
  maxAnswerBytes: wholeNumber(1).optional(),
  logger: loggerShape.optional(),
} satisfies Record<keyof ProviderOptions, unknown>;

/**
 * The least pause before the second attempt, in milliseconds. The pause is up to twice as long, at random, so
 * that calls that failed together do not return together.
 */
const retryDelayMs = 100;

/** The provider has failed, which says nothing about the token. */
class ServerError extends Error {
  constructor(status: number) {
    super(`it answered ${status}`);
  }
}

/**
 * Codes of errors that may pass: the provider restarts, or has just closed the connection that was kept open.
 */
const transientCodes: ReadonlySet<string> = new Set([
  "EAI_AGAIN",
  "ECONNREFUSED",
  "ECONNRESET",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EPIPE",
  "UND_ERR_SOCKET",
]);

function isTransient(error: Error & { code?: unknown }): boolean {
  return error instanceof ServerError || transientCodes.has(String(error.code));
}

const verified = objectOf({
  subdomains: patternList.refine(({ length }) => length <= 1024, "up to 1,024 patterns"),
});
const rejected = objectOf({ error: text().refine((error) => error !== "", "a reason") });

/** The provider has answered 200, and something else than patterns. */
class NoPatterns extends Error {}
const unavailable: AuthenticationResult = { refused: providerUnavailableReason, undecided: true };

/**
 * Asks the provider about each token. If the call fails in a way that may pass, it asks once more within the
 * same time. It fails closed: every answer except a proper 200 turns the client away.
 * @throws TunnelError `invalid_option` when an option is wrong, for example when the URL is no http or https
 * URL.
 */
export function providerAuthenticator(options: ProviderOptions): Authenticator {
  checkOptions(options, optionShapes);
  const { secret, timeoutMs = 5_000, maxAnswerBytes = 65_536, logger } = options;
  const endpoint = verifyEndpoint(options.url);
  const agent = new Agent({ connect: { timeout: timeoutMs } });

  async function ask(body: string, signal: AbortSignal): Promise<{ status: number; text: string }> {
    // undici's `request` follows no redirects: the secret goes to the configured provider only.
    const answer = await request(endpoint, {
      method: "POST",
      headers: { "content-type": "application/json", accept: "application/json", "x-relay-secret": secret },
      body,
      dispatcher: agent,
      signal,
    });
    if (answer.statusCode >= 500) {
      // Nobody reads the body, so only this listener takes its error.
      answer.body.on("error", () => {}).destroy();
      throw new ServerError(answer.statusCode);
    }
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of answer.body as AsyncIterable<Buffer>) {
      size += chunk.length;
      // Leaving the loop destroys the body and its connection.
      if (size > maxAnswerBytes) throw new Error(`the answer is longer than ${maxAnswerBytes} bytes`);
      chunks.push(chunk);
    }
    return { status: answer.statusCode, text: Buffer.concat(chunks).toString("utf8") };
  }

  return {
    mode: "provider",
    async authenticate({ token, subdomain }) {
      const body = JSON.stringify({ token, subdomain: subdomain ?? "" });
      const deadline = AbortSignal.timeout(timeoutMs);
      try {
        const { status, text } = await pRetry(() => ask(body, deadline), {
          retries: 1,
          minTimeout: retryDelayMs,
          randomize: true,
          signal: deadline,
          shouldRetry: ({ error }) => isTransient(error),
        });
        if (status === 200) return { allowed: patternsIn(text) };
        if (status === 401 || status === 403) return { refused: rejectionReason(text) };
        logger?.warn({ url: endpoint, status }, "auth provider answered with an unexpected status");
      } catch (error) {
        logger?.warn({ url: endpoint, error: describe(error) }, "auth provider call failed");
      }
      return unavailable;
    },
    close: () => agent.destroy(),
  };
}

/** @throws NoPatterns, or SyntaxError if the answer is not JSON. */
function patternsIn(answer: string): string[] {
  const read = verified.read(JSON.parse(answer));
  if (read instanceof Fault) throw new NoPatterns();
  return read.subdomains;
}

function rejectionReason(text: string): string {
  try {
    const answer = rejected.read(JSON.parse(text));
    if (!(answer instanceof Fault)) return answer.error;
  } catch {
    // Not JSON: the plain reason will do.
  }
  return "invalid token";
}

/** Describes a failure without the answer itself, which may hold anything. */
function describe(error: unknown): string {
  if (error instanceof NoPatterns) return 'the answer is not {"subdomains": [patterns]}';
  if (error instanceof SyntaxError) return "the answer is not JSON";
  return messageOf(error);
}
