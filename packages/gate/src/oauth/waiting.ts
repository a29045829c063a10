import { randomBytes } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { KoaContextWithOIDC, Provider } from "oidc-provider";
import { isLoopback } from "mcp-tunnel-shared";
import type { GateEvent } from "../events.js";
import { ownPaths } from "../paths.js";
import type { Approval, ConsentRequest, Consents } from "./consents.js";
import type { FlowCookies } from "./cookies.js";
import { toMinute } from "./records.js";
import type { Records } from "./records.js";
import { Remembered } from "./remembered.js";
import { resourceAt } from "./resources.js";
import { documentHostOf, scope } from "./scope.js";

/** For how long a request waits for consent, in seconds. */
export const waitSeconds = 600;
const maxWaiting = 1_000;

interface Waiting {
  request: ConsentRequest;
  /** Resource indicators as the client wrote them. */
  readonly indicators: readonly string[];
  /** Somebody has answered: the browser has only to be sent on. */
  isAnswered: boolean;
}

/** Where the requests of an origin are answered. */
interface Place {
  readonly origin: string;
  readonly provider: Provider;
}

/** The requests that wait for consent. */
export class WaitingConsents implements Consents {
  readonly #records: Records;
  readonly #cookies: FlowCookies;
  readonly #onEvent: (event: GateEvent) => void;
  readonly #waiting = new Map<string, Waiting>();
  readonly #remembered = new Remembered();
  #place: Place | undefined;

  constructor(records: Records, cookies: FlowCookies, onEvent: (event: GateEvent) => void) {
    this.#records = records;
    this.#cookies = cookies;
    this.#onEvent = onEvent;
  }

  /** Forgets what waits at another origin. */
  moveTo(place: Place): void {
    this.#place = place;
    this.#waiting.clear();
    this.#remembered.clear();
  }

  /** A host's request has passed the checks of the authorization endpoint, and waits from now on. */
  add(ctx: KoaContextWithOIDC, id: string): void {
    const { origin } = this.#here();
    const { client, params } = ctx.oidc;
    if (client === undefined) throw new Error("a request without a client asks for consent");
    const indicators = [params?.["resource"]].flat().filter((indicator) => typeof indicator === "string");
    const resources = indicators.map((indicator) => resourceAt(origin, indicator) ?? origin);
    const redirectUri = String(params?.["redirect_uri"]);
    const documentHost = documentHostOf(client.clientId);
    const request: ConsentRequest = {
      id,
      client: {
        id: client.clientId,
        name: client.clientName ?? documentHost ?? client.clientId,
        documentHost,
        redirectUri,
        isLoopback: goesToThisComputer(redirectUri),
      },
      resource: [...new Set(resources)].join(" "),
      expiresAtMs: Date.now() + waitSeconds * 1_000,
      approved: undefined,
    };
    for (const oldest of this.#waiting.keys()) {
      if (this.isAlive(oldest) && this.#waiting.size < maxWaiting) break;
      this.#waiting.delete(oldest);
    }
    this.#waiting.set(id, { request, indicators, isAnswered: false });
  }

  isAlive(id: string): boolean {
    const waiting = this.#waiting.get(id);
    return waiting !== undefined && waiting.request.expiresAtMs > Date.now();
  }

  /** The flow is over: the answer goes to the host. */
  remove(id: string): void {
    this.#waiting.delete(id);
  }

  async find(id: string, req: IncomingMessage): Promise<ConsentRequest | undefined> {
    const waiting = this.#find(id, req);
    if (waiting === undefined || waiting.isAnswered) return undefined;
    const { request } = waiting;
    if (request.approved !== undefined) return request;
    const known = this.#remembered.find(this.#here().origin, request, req);
    const isValid = known !== undefined && this.#records.grants.has(known.grantId);
    return isValid ? { ...request, approved: known.approval } : request;
  }

  approve(id: string, approval: Approval): void {
    const waiting = this.isAlive(id) ? this.#waiting.get(id) : undefined;
    if (waiting !== undefined) waiting.request = { ...waiting.request, approved: approval };
  }

  async grant(id: string, approval: Approval, req: IncomingMessage, res: ServerResponse): Promise<void> {
    const waiting = this.#find(id, req);
    if (waiting !== undefined && !waiting.isAnswered) {
      // Set before the first wait: a form that is sent twice makes one grant.
      waiting.isAnswered = true;
      const grantId = await this.#makeGrant(waiting, approval);
      this.#remembered.add(this.#here().origin, waiting.request, { grantId, approval }, { req, res });
      await this.#answer(id, { login: { accountId: approval.user }, consent: { grantId } });
    }
    goOn(id, res);
  }

  async deny(id: string, req: IncomingMessage, res: ServerResponse): Promise<void> {
    const waiting = this.#find(id, req);
    if (waiting !== undefined && !waiting.isAnswered) {
      waiting.isAnswered = true;
      await this.#answer(id, { error: "access_denied", error_description: "the request was declined" });
    }
    goOn(id, res);
  }

  #find(id: string, req: IncomingMessage): Waiting | undefined {
    const isOwner = this.isAlive(id) && this.#cookies.has(this.#here().origin, id, req);
    return isOwner ? this.#waiting.get(id) : undefined;
  }

  async #makeGrant({ request, indicators }: Waiting, { by, user }: Approval): Promise<string> {
    const { provider } = this.#here();
    const { client } = request;
    const grant = new provider.Grant({ accountId: user, clientId: client.id });
    grant.jti = this.#unusedGrantId();
    grant.addOIDCScope(scope);
    for (const indicator of indicators) grant.addResourceScope(indicator, scope);
    await grant.save();
    const now = Date.now();
    const { jti: id } = grant;
    this.#records.describeGrant({
      ...{ id, clientId: client.id, clientName: client.name, user },
      ...{ sinceMs: now, lastUsedMs: toMinute(now) },
    });
    this.#onEvent({ type: "granted", grant: id, clientName: client.name, user, by });
    return id;
  }

  /** Short, because people type it. It is no secret: nothing is given for it. */
  #unusedGrantId(): string {
    for (;;) {
      const id = randomBytes(4).toString("hex");
      if (!this.#records.grants.has(id)) return id;
    }
  }

  async #answer(id: string, result: Record<string, unknown>): Promise<void> {
    const interaction = await this.#here().provider.Interaction.find(id);
    if (interaction === undefined) return;
    interaction.result = result;
    await interaction.persist();
  }

  #here(): Place {
    if (this.#place === undefined) throw new Error("the origin is not known yet");
    return this.#place;
  }
}

/** To a loopback address, or to an app by a scheme of its own. */
function goesToThisComputer(redirectUri: string): boolean {
  const { protocol, hostname } = new URL(redirectUri);
  return !/^https?:$/.test(protocol) || isLoopback(hostname);
}

/** Sends the browser back to the authorization endpoint, which goes on by what was answered. */
function goOn(id: string, res: ServerResponse): void {
  res.writeHead(303, {
    Location: `${ownPaths.authorize}/${encodeURIComponent(id)}`,
    "Cache-Control": "no-store",
  });
  res.end();
}
