import { randomBytes } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { LRUCache } from "lru-cache";
import type { Approval, ConsentRequest } from "./consents.js";
import { knownSuffix, readCookie, setCookie } from "./cookies.js";
import { digest } from "./records.js";

const maxRemembered = 1_000;
const lifetimeSeconds = 30 * 24 * 3_600;

interface Consent {
  readonly grantId: string;
  readonly approval: Approval;
}

/**
 * Consents that a browser need not give again: for the same client, the same place of the answer and the same
 * resource, and only while the grant lasts. Kept in memory alone.
 *
 * Only answers to https URLs are remembered. Any program on a computer can wait at a loopback address, or
 * claim a scheme of its own, and would get a grant without a word to anybody.
 */
export class Remembered {
  readonly #consents = new LRUCache<string, Consent>({ max: maxRemembered });

  find(origin: string, request: ConsentRequest, req: IncomingMessage): Consent | undefined {
    const secret = readCookie(origin, knownSuffix, req);
    return secret === undefined ? undefined : this.#consents.get(keyOf(secret, request));
  }

  add(
    origin: string,
    request: ConsentRequest,
    consent: Consent,
    { req, res }: { req: IncomingMessage; res: ServerResponse },
  ): void {
    if (!request.client.redirectUri.startsWith("https:")) return;
    // A secret that this process has not drawn is worth nothing to it, but does no harm either.
    const known = readCookie(origin, knownSuffix, req) ?? "";
    const value = /^[\w-]{43}$/.test(known) ? known : randomBytes(32).toString("base64url");
    setCookie(res, origin, { suffix: knownSuffix, value, maxAgeSeconds: lifetimeSeconds });
    this.#consents.set(keyOf(value, request), consent);
  }

  clear(): void {
    this.#consents.clear();
  }
}

const keyOf = (secret: string, { client, resource }: ConsentRequest): string =>
  digest(JSON.stringify([secret, client.id, client.redirectUri, resource]));
