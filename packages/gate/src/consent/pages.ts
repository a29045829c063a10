import type { IncomingMessage, ServerResponse } from "node:http";
import type { Page } from "mcp-tunnel-shared/visitor-page";
import { secondsInWords } from "../answers.js";
import type { GateEvent } from "../events.js";
import type { ConsentPages, ConsentRequest, Consents, PageVisit, Problem } from "../oauth/consents.js";
import type { OAuthOptions } from "../options.js";
import { Tries } from "../tries.js";
import {
  approvedPage,
  backPage,
  cancelledPage,
  notOnList,
  notSignedIn,
  sendError,
  sendOver,
  sendProblem,
  startAgain,
} from "./answers.js";
import { type Asked, askedBy, shown } from "./asked.js";
import { type Act, consentPage, type Forms, waitingPage, type Ways } from "./consent-page.js";
import { FormError, FormTokens, isForeign, readForm } from "./form.js";
import { goOnPage, sendPage, sendTo } from "./layout.js";
import type { Login } from "./login.js";
import { Passcode } from "./passcode.js";
import { methods, pathOf, targetOf } from "./targets.js";
import { Numbers } from "./terminal.js";

/** Of passcodes, by each address. */
const triesPerMinute = 5;
/** How often an address may have something written on the owner's screen. A stranger would fill it. */
const eventsPerMinute = 20;

/** By passcode or number, nobody knows more of who approves. */
const owner = "owner";

/**
 * The pages on which people consent. They need no script. Each way to approve ends with {@link
 * Consents.approve} and a page that leads to the page of the request, which finds the approval and goes on.
 * @throws TunnelError `invalid_option` for a weak passcode and for wrong options of the login, `unavailable`
 *   if the OpenID provider does not answer.
 */
export async function createConsentPages(
  options: OAuthOptions,
  consents: Consents,
  onEvent: (event: GateEvent) => void,
): Promise<ConsentPages> {
  const passcode = options.passcode === undefined ? undefined : new Passcode(options.passcode);
  // Few gates have a login, and its library takes a while to load.
  const login = options.login && (await (await import("./login.js")).createLogin(options.login));
  return new Pages(options, { passcode, login, consents, onEvent });
}

interface Parts {
  readonly passcode: Passcode | undefined;
  readonly login: Login | undefined;
  readonly consents: Consents;
  readonly onEvent: (event: GateEvent) => void;
}

/** A visit to the pages of one request for consent. */
interface Visit extends PageVisit {
  readonly id: string;
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  /** With its question mark, if there is one. */
  readonly search: string;
}

class Pages implements ConsentPages {
  readonly #title: string | undefined;
  readonly #ways: Ways;
  readonly #parts: Parts;
  readonly #tokens = new FormTokens();
  readonly #numbers = new Numbers();
  readonly #tries = new Tries(triesPerMinute);
  readonly #events = new Tries(eventsPerMinute);

  constructor(options: OAuthOptions, parts: Parts) {
    this.#title = options.title;
    this.#parts = parts;
    this.#ways = {
      loginHost: parts.login?.host,
      hasPasscode: parts.passcode !== undefined,
      hasTerminal: options.terminal === true,
    };
  }

  async handle(req: IncomingMessage, res: ServerResponse, about: PageVisit): Promise<void> {
    const target = targetOf(req.url ?? "");
    if (target === undefined) return sendError(res, 404, "Nothing is here", startAgain);
    const allowed = methods[target.page];
    if (!allowed.includes(req.method ?? "")) {
      const fields = { Allow: allowed.join(", ") };
      return sendError(res, 405, "That does not work here", startAgain, fields);
    }
    const visit = { ...about, id: target.id, search: target.search, req, res };
    switch (target.page) {
      case "request":
        return req.method === "POST" ? this.#takeForm(visit) : this.#showRequest(visit);
      case "waiting":
        return this.#showWaiting(visit);
      case "cancel":
        return this.#cancel(visit);
      case "loggedIn":
        return this.#endLogin(visit);
    }
  }

  error(res: ServerResponse, status: number, problem: Problem): void {
    sendProblem(res, status, problem);
  }

  approve(number: string): boolean {
    const id = this.#numbers.take(number);
    if (id === undefined) {
      const nobody = { clientName: undefined, address: undefined };
      this.#parts.onEvent({ type: "denied", reason: "wrong_number", ...nobody });
      return false;
    }
    this.#parts.consents.approve(id, { by: "terminal", user: owner });
    return true;
  }

  renew(passcode: string): void {
    this.#parts.passcode?.renew(passcode);
  }

  async #showRequest(visit: Visit): Promise<void> {
    const request = await this.#openRequest(visit);
    if (request === undefined) return;
    // What a service has stored here before the gate was on is no longer wanted, service workers above all.
    // Browsers take the word over https only.
    const fields = visit.origin.startsWith("https:") ? { "Clear-Site-Data": '"storage"' } : {};
    sendPage(visit.res, 200, this.#consentPage(visit, request), fields);
  }

  async #showWaiting(visit: Visit): Promise<void> {
    const request = await this.#openRequest(visit);
    if (request === undefined) return;
    const { id, res } = visit;
    const number = this.#numbers.of(id);
    if (number === undefined) return sendTo(res, pathOf(id));
    sendPage(res, 200, waitingPage(this.#asked(request), number, this.#forms(id)));
  }

  /** The request, if it still needs somebody's consent. Otherwise the visit is answered here. */
  async #openRequest(visit: Visit): Promise<ConsentRequest | undefined> {
    const { id, req, res } = visit;
    const request = await this.#find(visit);
    if (request === undefined) this.#sendOnOrOver(visit);
    else if (request.approved === undefined || req.method === "HEAD") return request;
    else await this.#parts.consents.grant(id, request.approved, req, res);
    return undefined;
  }

  async #takeForm(visit: Visit): Promise<void> {
    const { id, req, res, origin } = visit;
    const form = isForeign(req, origin) ? undefined : await readForm(req).catch(formErrorOf);
    if (form instanceof FormError) return sendError(res, form.status, form.message, startAgain);
    if (form === undefined || !this.#tokens.isRight(form.get("token"), id)) {
      return sendError(res, 403, "Nothing was approved", "The form did not come from the page that asks.");
    }
    const request = await this.#find(visit);
    if (request === undefined) {
      // Its token says that the request was there.
      this.#denied("expired", visit);
      return sendOver(res);
    }
    const asked = this.#asked(request);
    switch (form.get("act") as Act | null) {
      case "cancel":
        return sendPage(res, 200, cancelledPage(asked, id, this.#tokens.of(id, "cancel")));
      case "passcode":
        if (this.#parts.passcode === undefined) break;
        return this.#tryPasscode(visit, request, asked, this.#parts.passcode, form.get("passcode") ?? "");
      case "ask":
        if (!this.#ways.hasTerminal) break;
        return this.#askOwner(visit, request, asked);
      case "login":
        if (this.#parts.login === undefined) break;
        return this.#startLogin(visit, request, this.#parts.login);
      case null:
        break;
    }
    sendError(res, 400, "Nothing was approved", "This way to approve is not on.");
  }

  #tryPasscode(visit: Visit, request: ConsentRequest, asked: Asked, passcode: Passcode, typed: string): void {
    const { id, res, address } = visit;
    const again = (status: number, problem: string, fields = {}): void =>
      sendPage(res, status, this.#consentPage(visit, request, problem), fields);
    const waitSeconds = this.#tries.waitSeconds(address);
    if (waitSeconds > 0) {
      const problem = `Too many tries from your network. Try again in ${secondsInWords(waitSeconds)}.`;
      return again(429, problem, { "Retry-After": String(waitSeconds) });
    }
    if (typed.trim() === "") return again(400, "Type the passcode first.");
    if (passcode.isRight(typed)) {
      this.#parts.consents.approve(id, { by: "passcode", user: owner });
      return sendPage(res, 200, approvedPage(asked, id));
    }
    this.#tries.failed(address);
    this.#denied("wrong_passcode", visit, asked);
    // Once, when the tries are used up: whoever goes on all the same makes no more events.
    if (this.#tries.waitSeconds(address) > 0) this.#denied("too_many_tries", visit, asked);
    again(403, "This passcode is wrong.");
  }

  #askOwner({ id, res, address }: Visit, { expiresAtMs }: ConsentRequest, asked: Asked): void {
    const waitSeconds = this.#events.waitSeconds(address);
    if (waitSeconds > 0) {
      const text = `Try again in ${secondsInWords(waitSeconds)}.`;
      const page = backPage("Too many requests from your network", text, id);
      return sendPage(res, 429, page, { "Retry-After": String(waitSeconds) });
    }
    const { isNew } = this.#numbers.draw({ request: id, address, expiresAtMs });
    if (isNew) {
      const { clientName, answer } = asked;
      this.#events.failed(address);
      this.#parts.onEvent({ type: "asked", clientName, redirectHost: answer.name, address });
    }
    sendTo(res, `${pathOf(id)}/waiting`);
  }

  async #startLogin(visit: Visit, { expiresAtMs }: ConsentRequest, login: Login): Promise<void> {
    const { id, res, address, origin } = visit;
    const url = await login.start({ request: id, address, expiresAtMs }, origin);
    sendPage(res, 200, goOnPage("One moment", `You are on the way to ${login.host}.`, "Sign in there", url));
  }

  /** The provider sends all people to one path. Whose answer it is, the login's `state` says. */
  async #endLogin(arrival: Visit): Promise<void> {
    const { res, search, origin } = arrival;
    const { login } = this.#parts;
    const id = login?.requestOf(search);
    if (login === undefined || id === undefined) return sendOver(res);
    const visit = { ...arrival, id };
    const request = await this.#find(visit);
    if (request === undefined) return sendOver(res);
    const asked = this.#asked(request);
    const end = await login.finish(id, search, origin);
    switch (end.kind) {
      case "in":
        this.#parts.consents.approve(id, { by: "login", user: end.email });
        return sendPage(res, 200, approvedPage(asked, id));
      case "not_on_list":
        this.#denied("not_on_list", visit, asked);
        return sendPage(res, 403, backPage("You may not approve this", notOnList, id));
      case "failed":
        this.#denied("login_failed", visit, asked);
        if (end.reason !== undefined) {
          const text = `a login at ${login.host} failed: ${shown(end.reason, 300)}`;
          this.#parts.onEvent({ type: "notice", text });
        }
        return sendPage(res, 403, backPage("You are not signed in", notSignedIn(login.host), id));
    }
  }

  /** A GET that changes something: only the page that answered the form knows its address. */
  async #cancel(visit: Visit): Promise<void> {
    const { id, req, res, search } = visit;
    const isMeant = this.#tokens.isRight(new URLSearchParams(search).get("token"), id, "cancel");
    const request = isMeant ? await this.#find(visit) : undefined;
    if (request !== undefined) {
      this.#denied("cancelled", visit, this.#asked(request));
      return this.#parts.consents.deny(id, req, res);
    }
    return isMeant ? this.#sendOnOrOver(visit) : sendOver(res);
  }

  /** The button "Go on" was pressed once more: the browser has shown the page for longer than it took. */
  #sendOnOrOver({ id, req, res }: Visit): void {
    const isSent = this.#parts.consents.again(id, req, res);
    if (!isSent) sendOver(res);
  }

  #find({ id, req, res }: Visit): Promise<ConsentRequest | undefined> {
    return this.#parts.consents.find(id, req, res);
  }

  #asked(request: ConsentRequest): Asked {
    return askedBy(request, this.#title);
  }

  #consentPage({ id }: Visit, request: ConsentRequest, problem?: string): Page {
    return consentPage(this.#asked(request), this.#ways, this.#forms(id), problem);
  }

  #forms(id: string): Forms {
    return { path: pathOf(id), token: this.#tokens.of(id) };
  }

  #denied(reason: DenialReason, { address }: Visit, asked?: Asked): void {
    if (this.#events.waitSeconds(address) > 0) return;
    this.#events.failed(address);
    this.#parts.onEvent({ type: "denied", reason, clientName: asked?.clientName, address });
  }
}

type DenialReason = Extract<GateEvent, { type: "denied" }>["reason"];

function formErrorOf(error: unknown): FormError {
  if (error instanceof FormError) return error;
  throw error;
}
