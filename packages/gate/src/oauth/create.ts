import { generateKeyPairSync } from "node:crypto";
import type { RequestListener } from "node:http";
import type { JWK, Provider } from "oidc-provider";
import { TunnelError } from "mcp-tunnel-protocol";
import { isLoopback, messageOf } from "mcp-tunnel-shared";
import type { GateEvent } from "../events.js";
import { memoryStorage } from "../grants.js";
import type { OAuthOptions } from "../options.js";
import { ClientDocuments, systemNetwork } from "./client-documents.js";
import type { Network } from "./client-documents.js";
import type { ConsentPages, Consents } from "./consents.js";
import { FlowCookies } from "./cookies.js";
import { createDoor } from "./door.js";
import { loadLibrary } from "./load.js";
import { challengeFor, ownTarget } from "./metadata.js";
import type { OAuth } from "./oauth.js";
import { createProvider } from "./provider.js";
import { Records } from "./records.js";
import { identify } from "./tokens.js";
import { WaitingConsents } from "./waiting.js";

/**
 * Makes an authorization server for MCP hosts. Everything that can fail is tried here: afterwards `begin` can
 * only refuse an origin. `network`: how metadata documents are fetched, for tests.
 */
export async function createOAuth(
  options: OAuthOptions,
  makePages: (consents: Consents) => ConsentPages | Promise<ConsentPages>,
  onEvent: (event: GateEvent) => void,
  network: Network = systemNetwork,
): Promise<OAuth> {
  const library = await loadLibrary();
  const storage = options.storage ?? memoryStorage();
  const issParameter = options.issParameter ?? true;
  const signingKey = drawSigningKey();
  let stored = storage.read();
  let here: { readonly origin: string; readonly library: RequestListener } | undefined;

  const records = new Records({
    changed: () => write(),
    grantOver({ id, clientName }) {
      onEvent({ type: "revoked", grant: id, clientName });
    },
  });
  const write = (): void => {
    const origin = here?.origin;
    if (origin !== undefined) storage.changed(() => records.snapshot(origin));
  };
  const onFault = (error: unknown): void =>
    onEvent({ type: "notice", text: `OAuth failed inside: ${messageOf(error)}` });
  const cookies = new FlowCookies();
  const waiting = new WaitingConsents(records, cookies, onEvent);
  const documents = new ClientDocuments(records, network);
  const pages = await makePages(waiting);

  const providerAt = (origin: string): Provider =>
    createProvider({
      ...{ library, records, origin, signingKey, cookies, waiting, pages, issParameter, onFault },
      fetch: (url) => documents.fetch(url, origin),
      mayFetch: (url, req) => documents.mayFetch(url, req),
    });
  providerAt("https://gate.invalid");

  /** Revoked while nobody ran the gate: what was stored still has them. */
  let revoked: readonly string[] = [];
  storage.onRevoke((ids) => {
    if (here === undefined) revoked = [...revoked, ...ids];
    for (const id of ids) records.endGrant(id);
    // The storage takes a snapshot without the grants for an answer, also if they were over already.
    write();
  });

  return {
    begin(origin) {
      if (here?.origin === origin) return;
      requireSafe(origin);
      const former = here?.origin ?? stored?.origin;
      const count = here === undefined ? (stored?.grants.length ?? 0) : records.grants.size;
      if (former !== undefined && former !== origin && count > 0) {
        onEvent({ type: "notice", text: movedText(former, origin) });
      }
      // For good, and in the storage too. Somebody else may have the former name now, and its hosts show
      // their tokens there.
      records.clear();
      const provider = providerAt(origin);
      waiting.moveTo({ origin, provider });
      const answer = provider.callback();
      here = { origin, library: (req, res) => void answer(req, res) };
      if (stored?.origin === origin) records.restore(stored);
      stored = undefined;
      for (const id of revoked) records.endGrant(id);
      if (revoked.length > 0 || (former !== undefined && former !== origin)) write();
      revoked = [];
    },
    identify: (token, visit) => identify(records, here?.origin, token, visit),
    challenge: ({ origin, target }, isTokenWrong) => challengeFor(origin, target, isTokenWrong),
    owns: (target) => ownTarget(target) !== undefined,
    pages: createDoor({ title: options.title, issParameter, pages, onFault, here: () => here }),
    approve: (number) => pages.approve(number),
    renew: (passcode) => pages.renew(passcode),
    async close() {
      if (records.hasMore) write();
      await storage.close();
    },
  };
}

/** The library insists on a key. It signs nothing, because no id token is given out. */
function drawSigningKey(): JWK {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return privateKey.export({ format: "jwk" });
}

/** @throws TunnelError `invalid_option` */
function requireSafe(origin: string): void {
  const { protocol, hostname } = new URL(origin);
  if (protocol === "https:" || isLoopback(hostname)) return;
  throw new TunnelError(
    "invalid_option",
    `OAuth does not work at ${origin}: over plain http, browsers keep no cookie that is this host's ` +
      "alone, and codes and tokens can be read on the way. Use a relay with https, or bearer keys.",
  );
}

const movedText = (former: string, origin: string): string =>
  `the tunnel is at ${origin} now. What was granted at ${former} does not hold here: connect the hosts anew.`;
