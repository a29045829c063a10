import { randomBytes } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { KoaContextWithOIDC, Provider } from "oidc-provider";
import { isLoopback } from "mcp-tunnel-shared";
import { crowdOf, firstToLeave } from "../crowd.js";
import type { GateEvent } from "../events.js";
import { ownPaths } from "../paths.js";
import { keyOf } from "./adapter.js";
import { addressOf } from "./address.js";
import type { Approval, ConsentRequest, Consents } from "./consents.js";
import type { FlowCookies } from "./cookies.js";
import { toMinute } from "./records.js";
import type { Records } from "./records.js";
import { resourceAt } from "./resources.js";
import { documentHostOf, scope } from "./scope.js";

/** For how long a request waits for consent, in seconds. */
export const waitSeconds = 600;
/** A code is good for this long, in seconds. So long a browser may be sent to the host again. */
export const codeSeconds = 60;
const maxWaiting = 1_000;

interface Waiting {
  request: ConsentRequest;
  /** Resource indicators as the client wrote them. */
  readonly indicators: readonly string[];
  /** Who keeps a place among those who wait: see `firstToLeave`. */
  readonly crowd: string | undefined;
  /** Until when it waits, or the browser may be sent on again. In milliseconds since 1970. */
  untilMs: number;
  state:
    | { readonly kind: "waits" }
    /** Somebody has answered: the browser has only to be sent on. */
    | { readonly kind: "answered" }
    /** The browser was sent to the host with the answer. */
    | { readonly kind: "sent"; readonly location: string };
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
    this.#makeRoom();
    this.#waiting.set(id, {
      ...{ request, indicators, crowd: crowdOf(addressOf(ctx.req)) },
      ...{ untilMs: request.expiresAtMs, state: { kind: "waits" } },
    });
  }

  #makeRoom(): void {
    for (const id of this.#waiting.keys()) if (!this.isAlive(id)) this.#remove(id);
    if (this.#waiting.size < maxWaiting) return;
    const id = firstToLeave([...this.#waiting].map(([other, { crowd }]) => [other, crowd] as const));
    if (id !== undefined) this.#remove(id);
  }

  isAlive(id: string): boolean {
    const waiting = this.#waiting.get(id);
    return waiting !== undefined && waiting.untilMs > Date.now();
  }

  /** The browser goes to the host with the answer. Without a `location` it does not, and the flow is over. */
  sent(id: string, location: string | undefined): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined || location === undefined) return this.#remove(id);
    waiting.state = { kind: "sent", location };
    waiting.untilMs = Math.min(waiting.untilMs, Date.now() + codeSeconds * 1_000);
  }

  /**
   * Where the flow's browser was sent with the answer. Undefined if it was not, and once the host has used
   * the code: a code that comes twice ends its grant.
   */
  sentTo(id: string): string | undefined {
    const state = this.isAlive(id) ? this.#waiting.get(id)?.state : undefined;
    if (state?.kind !== "sent") return undefined;
    const code = new URL(state.location).searchParams.get("code");
    if (code === null) return state.location;
    const record = this.#records.find("AuthorizationCode", keyOf("AuthorizationCode", code));
    return record === undefined || record.payload.consumed !== undefined ? undefined : state.location;
  }

  async find(id: string, req: IncomingMessage): Promise<ConsentRequest | undefined> {
    const waiting = this.#find(id, req);
    return waiting?.state.kind === "waits" ? waiting.request : undefined;
  }

  again(id: string, req: IncomingMessage, res: ServerResponse): boolean {
    const waiting = this.#find(id, req);
    if (waiting === undefined || waiting.state.kind === "waits") return false;
    if (waiting.state.kind === "sent" && this.sentTo(id) === undefined) return false;
    goOn(id, res);
    return true;
  }

  approve(id: string, approval: Approval): void {
    const waiting = this.isAlive(id) ? this.#waiting.get(id) : undefined;
    if (waiting !== undefined) waiting.request = { ...waiting.request, approved: approval };
  }

  async grant(id: string, approval: Approval, req: IncomingMessage, res: ServerResponse): Promise<void> {
    const waiting = this.#find(id, req);
    if (waiting?.state.kind === "waits") {
      // Set before the first wait: a form that is sent twice makes one grant.
      waiting.state = { kind: "answered" };
      const grantId = await this.#makeGrant(waiting, approval);
      await this.#answer(id, { login: { accountId: approval.user }, consent: { grantId } });
    }
    goOn(id, res);
  }

  async deny(id: string, req: IncomingMessage, res: ServerResponse): Promise<void> {
    const waiting = this.#find(id, req);
    if (waiting?.state.kind === "waits") {
      waiting.state = { kind: "answered" };
      await this.#answer(id, { error: "access_denied", error_description: "the request was declined" });
    }
    goOn(id, res);
  }

  #remove(id: string): void {
    this.#waiting.delete(id);
    this.#records.remove("Interaction", keyOf("Interaction", id));
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
