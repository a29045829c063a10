import type { RequestListener } from "node:http";
import {
  FieldNames,
  headerValue,
  isFieldValue,
  isToken,
  type RawHeaders,
  unusable,
} from "mcp-tunnel-protocol";
import * as answers from "./answers.js";
import { allowedAddresses } from "./credentials/allowed-addresses.js";
import { BasicUsers } from "./credentials/basic-users.js";
import { bearerKeys } from "./credentials/bearer-keys.js";
import { declare, type GateDeclaration } from "./declaration.js";
import type { GateEvent, RefusedReason } from "./events.js";
import { FieldReader, identityFields, type ProofField } from "./fields.js";
import type { OAuth } from "./oauth/oauth.js";
import { checkGateOptions } from "./option-shapes.js";
import type { BearerKey, GateOptions, OAuthOptions } from "./options.js";
import { isOAuthWellKnown, isPublic } from "./paths.js";
import { Proofs } from "./proofs.js";
import { RefusedEvents } from "./refused-events.js";
import type { Answer, Identity, Verdict, Visit } from "./visit.js";

/** Decides who may visit a service. It knows no tunnel: `gated` (entry `/service`) puts it before one. */
export interface Gate {
  /**
   * What a relay is told of the gate. Its digest is that of the settings with which the gate was made:
   * {@link renew} does not change it.
   */
  readonly declaration: GateDeclaration;
  /**
   * The gate decides by the visitor's address, so somebody has to say it. Passwords of fewer than 16
   * characters need it as well, because the limit of tries is one for each address.
   */
  readonly needsAddress: boolean;
  /**
   * Gets ready for visits at a public origin. Called before the first visit of each tunnel. For the origin
   * that the gate is ready for it does nothing. Keys and passwords hold at every origin. Of OAuth, the
   * grants of the origin before are over.
   * @throws TunnelError `invalid_option` if the gate cannot work there: OAuth over plain http beyond
   * loopback.
   */
  begin(origin: string): void;
  /** Decides about a visit, at once. */
  judge(visit: Visit): Verdict;
  /**
   * Answers visits whose verdict is `page`. `Host` and `X-Forwarded-Proto` have to be the public origin's,
   * and `X-Tunnel-Visitor` the visitor's address, if it is known. The program that mounts the gate writes
   * them.
   */
  readonly pages: RequestListener;
  /**
   * The owner types the number that a page shows. True if somebody waited with that number: the grant is made
   * when his browser looks again.
   */
  approve(number: string): boolean;
  /**
   * Keys and passcode that hold from now on. Grants stay.
   * @throws TunnelError `invalid_option` for a key or a passcode that cannot be used, or that the gate has no
   * use for. The old ones hold then.
   */
  renew(secrets: { readonly keys?: readonly BearerKey[]; readonly passcode?: string }): void;
  /**
   * Visits that were let in might not be any more: a grant is over, or other keys hold. Whoever mounts the
   * gate judges again those that are not over.
   */
  onLess(listener: () => void): void;
  /** Writes what waits to be written, and lets go. A second call does nothing. */
  close(): Promise<void>;
}

/**
 * Makes a gate. All that can fail happens here or in {@link Gate.begin}, before the first visit.
 *
 * @example
 * const gate = await createGate({ bearer: { keys: [{ name: "laptop", key: process.env.VISITOR_KEY }] } });
 * @throws TunnelError `invalid_option`; `unavailable` if the OpenID provider of {@link LoginOptions} does not
 *   answer, or the storage cannot be read.
 */
export async function createGate(options: GateOptions): Promise<Gate> {
  checkGateOptions(options);
  const { bearer, basic, allowAddresses, onEvent } = options;
  const keys = bearer === undefined ? undefined : bearerKeys(bearer.keys);
  const users = basic === undefined ? undefined : new BasicUsers(basic.users);
  const isAllowed = allowAddresses === undefined ? undefined : allowedAddresses(allowAddresses);
  // Later, so that what a listener throws is an uncaught exception of its own, and breaks nothing here.
  const tell = (event: GateEvent): void => queueMicrotask(() => onEvent?.(event));
  const less = new Less();
  const declaration = await declare(options);
  const tellOfOAuth = (event: GateEvent): void => {
    tell(event);
    if (event.type === "revoked") less.happened();
  };
  const oauth = options.oauth === undefined ? undefined : await loadOAuth(options.oauth, tellOfOAuth);
  return new Judge(declaration, new Proofs(keys, users, oauth), {
    oauth,
    isAllowed,
    needsAddress: isAllowed !== undefined || users?.isGuessable === true,
    hasPasscode: options.oauth?.passcode !== undefined,
    refused: { proof: new RefusedEvents("proof", tell), address: new RefusedEvents("address", tell) },
    less,
  });
}

/** OAuth is most of the code, and few gates need it. */
async function loadOAuth(options: OAuthOptions, tell: (event: GateEvent) => void): Promise<OAuth> {
  const [{ createOAuth }, { createConsentPages }] = await Promise.all([
    import("./oauth/create.js"),
    import("./consent/pages.js"),
  ]);
  return createOAuth(options, (consents) => createConsentPages(options, consents, tell), tell);
}

interface Parts {
  readonly oauth: OAuth | undefined;
  readonly isAllowed: ((address: string | undefined) => boolean) | undefined;
  readonly needsAddress: boolean;
  readonly hasPasscode: boolean;
  readonly refused: Readonly<Record<RefusedReason, RefusedEvents>>;
  readonly less: Less;
}

/** Tells whoever mounts the gate that fewer may visit now. */
class Less {
  readonly #listeners: (() => void)[] = [];

  add(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** In a later turn: what made it fewer is not complete yet. */
  happened(): void {
    queueMicrotask(() => {
      for (const listener of this.#listeners) listener();
    });
  }
}

class Judge implements Gate {
  readonly declaration: GateDeclaration;
  readonly needsAddress: boolean;
  readonly pages: RequestListener;
  readonly #proofs: Proofs;
  readonly #parts: Parts;
  readonly #fields: FieldReader;
  #closed: Promise<void> | undefined;

  constructor(declaration: GateDeclaration, proofs: Proofs, parts: Parts) {
    this.declaration = declaration;
    this.needsAddress = parts.needsAddress;
    this.pages = parts.oauth?.pages ?? ((_req, res) => res.writeHead(404).end());
    this.#proofs = proofs;
    this.#parts = parts;
    this.#fields = new FieldReader({ authorization: proofs.any, apiKey: proofs.keys !== undefined });
  }

  begin(origin: string): void {
    this.#parts.oauth?.begin(origin);
  }

  judge(visit: Visit): Verdict {
    const { method, target, headers, address } = visit;
    const { oauth, isAllowed } = this.#parts;
    const fields = this.#fields.read(headers);
    // A service worker of the service would answer the gate's pages in the browsers of those who consent.
    if (fields.isServiceWorker) return answer(answers.serviceWorkerRefused(visit));
    if (isPublic(method, target) && headerValue(headers, "upgrade") === undefined) {
      return { kind: "pass", headers: publicFields(fields.others), identity: undefined };
    }
    // The list holds for the gate's own pages, too. A list that let strangers reach some of what is behind it
    // would surprise its owner, who can add the address of the browser in which he consents.
    if (isAllowed !== undefined && !isAllowed(address))
      return this.#refuse(visit, answers.addressRefused, "address");
    if (oauth?.owns(target) === true) return { kind: "page" };
    if (!this.#proofs.any) return { kind: "pass", headers: fields.others, identity: undefined };
    // If discovery found the service's own OAuth, or anything, some hosts would send no key any more
    // (Cursor).
    if (oauth === undefined && isOAuthWellKnown(target)) return answer(answers.noMetadata(visit));
    const requested = method === "OPTIONS" ? preflightOf(headers) : undefined;
    if (requested !== undefined) return answer(answers.preflight(requested));
    if (fields.isAmbiguous) return answer(answers.ambiguous(visit));
    const finding = this.#proofs.check(fields, visit);
    switch (finding.kind) {
      case "known":
        return admit(fields.others, finding.identity, finding.rest);
      case "tooManyTries":
        return this.#refuse(visit, (about) => answers.tooManyTries(about, finding.waitSeconds));
      case "unknown": {
        const challenges = this.#challenges(visit, finding.isTokenWrong);
        const { kinds } = this.declaration;
        return this.#refuse(visit, (about) =>
          answers.unauthorized(about, kinds, challenges, finding.wasWrong),
        );
      }
    }
  }

  #refuse(visit: Visit, answerOf: (visit: Visit) => Answer, reason: RefusedReason = "proof"): Verdict {
    this.#parts.refused[reason].add(visit.address);
    return answer(answerOf(visit));
  }

  /** The values of `WWW-Authenticate` (RFC 9110 section 11.6.1), what most clients can do first. */
  #challenges(visit: Visit, isTokenWrong: boolean): string[] {
    const { oauth } = this.#parts;
    const challenges: string[] = [];
    if (oauth !== undefined) challenges.push(oauth.challenge(visit, isTokenWrong));
    else if (this.#proofs.keys !== undefined) {
      // RFC 6750 section 3: without a token there is no error either.
      challenges.push(`Bearer realm="mcp-tunnel"${isTokenWrong ? ', error="invalid_token"' : ""}`);
    }
    if (this.#proofs.users !== undefined) challenges.push('Basic realm="mcp-tunnel", charset="UTF-8"');
    return challenges;
  }

  approve(number: string): boolean {
    return this.#parts.oauth?.approve(number) ?? false;
  }

  renew({ keys, passcode }: { readonly keys?: readonly BearerKey[]; readonly passcode?: string }): void {
    const { oauth, hasPasscode } = this.#parts;
    if (keys !== undefined && this.#proofs.keys === undefined) throw useless("bearer");
    if (passcode !== undefined && !hasPasscode) throw useless("oauth.passcode");
    const renewed = keys === undefined ? this.#proofs.keys : bearerKeys(keys);
    if (passcode !== undefined) oauth?.renew(passcode);
    this.#proofs.keys = renewed;
    if (keys !== undefined) this.#parts.less.happened();
  }

  onLess(listener: () => void): void {
    this.#parts.less.add(listener);
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    for (const refused of Object.values(this.#parts.refused)) refused.close();
    await this.#parts.oauth?.close();
  }
}

function useless(option: string): Error {
  return unusable(`the gate was made without ${option}`, { options: [option] });
}

function answer(given: Answer): Verdict {
  return { kind: "answer", answer: given };
}

function admit(others: RawHeaders, identity: Identity, rest: readonly ProofField[]): Verdict {
  for (const { name, value } of rest) others.push(name, value);
  others.push(...identityFields(identity));
  return { kind: "pass", headers: others, identity };
}

/**
 * The fields of a request that has no proof and passes. Frameworks let some other fields change the path or
 * the method of a request: `X-Original-URL` (CVE-2018-14773), `X-HTTP-Method-Override`.
 */
const publicNames = new FieldNames([
  ...["host", "accept", "accept-encoding", "user-agent", "x-request-id", "x-tunnel-visitor"],
  ...["x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"],
]);

function publicFields(fields: RawHeaders): RawHeaders {
  return fields.filter((_, at) => publicNames.has(fields[at - (at % 2)] as string));
}

/** What a preflight asks for, which the answer repeats; undefined if the request is none. */
function preflightOf(headers: RawHeaders): answers.Requested | undefined {
  const method = headerValue(headers, "access-control-request-method");
  const names = headerValue(headers, "access-control-request-headers");
  if (method === undefined || !isToken(method) || headerValue(headers, "origin") === undefined)
    return undefined;
  return names === undefined || isFieldValue(names) ? { method, names } : undefined;
}
