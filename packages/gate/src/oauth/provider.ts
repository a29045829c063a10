import type { ErrorOut, Provider } from "oidc-provider";
import { timingSafeEqual } from "node:crypto";
import { ownPaths } from "../paths.js";
import { configurationOf } from "./configuration.js";
import type { ConfigurationParts } from "./configuration.js";
import type { ConsentPages } from "./consents.js";
import type { FlowCookies } from "./cookies.js";
import { digest } from "./records.js";
import { codeSeconds, waitSeconds } from "./waiting.js";
import type { WaitingConsents } from "./waiting.js";

export interface ProviderParts extends ConfigurationParts {
  readonly cookies: FlowCookies;
  readonly waiting: WaitingConsents;
  readonly pages: ConsentPages;
  readonly issParameter: boolean;
  readonly onFault: (error: unknown) => void;
}

type Context = Parameters<Parameters<Provider["use"]>[0]>[0];

/** The authorization server of one origin. */
export function createProvider(parts: ProviderParts): Provider {
  const { origin, cookies, waiting } = parts;
  const provider = new parts.library.Provider(origin, configurationOf(parts));
  // Koa would write errors to the screen itself, such as those of visitors who left.
  provider.silent = true;
  // Secrets are kept as digests: see adapter.ts.
  Object.assign(provider.Client.prototype, {
    compareClientSecret(this: { clientSecret: string }, actual: string): boolean {
      return timingSafeEqual(Buffer.from(digest(actual)), Buffer.from(this.clientSecret));
    },
  });

  provider.on("interaction.started", (ctx) => {
    const id = ctx.oidc.entities.Interaction?.uid;
    if (id === undefined) return;
    waiting.add(ctx, id);
    ctx.state["started"] = id;
  });
  provider.on("server_error", (_ctx, error) => parts.onFault(error));

  provider.use(async (ctx, next) => {
    const flow = resumedFlow(ctx.path);
    const { cookie = "" } = ctx.req.headers;
    const isOwner = flow !== undefined && cookies.has(origin, flow, ctx.req);
    const former = isOwner ? waiting.sentTo(flow) : undefined;
    if (former !== undefined) return sendOn(ctx, former);
    // The library gets the cookie that it would have set, and no other.
    ctx.req.headers.cookie = isOwner ? `${provider.cookieName("resume")}=${flow}` : "";
    await next();
    ctx.req.headers.cookie = cookie;
    ctx.res.removeHeader("Set-Cookie");
    const location = wayOut(ctx);
    if (location !== undefined && !parts.issParameter) sendOn(ctx, withoutIss(location, origin));
    if (isOwner) {
      waiting.sent(flow, wayOut(ctx));
      if (location === undefined) cookies.end(origin, flow, ctx.res);
      else cookies.keep(origin, flow, codeSeconds, ctx.res);
    }
    const started: unknown = ctx.state["started"];
    if (typeof started === "string") {
      const isAlive = (id: string): boolean => waiting.isAlive(id);
      cookies.begin(origin, started, waitSeconds, { req: ctx.req, res: ctx.res, isAlive });
    }
    if (ctx.path === ownPaths.token) refuseUnknownClients(ctx);
    else if (ctx.path === ownPaths.authorize || flow !== undefined) answerPerson(ctx, parts);
  });
  return provider;
}

function resumedFlow(path: string): string | undefined {
  const start = `${ownPaths.authorize}/`;
  return path.startsWith(start) ? path.slice(start.length) : undefined;
}

/**
 * A client that is not known any more registers anew on 401 (Claude does). The library says 400 when a
 * metadata document cannot be fetched (RFC 6749 section 5.2 allows both).
 */
function refuseUnknownClients(ctx: Context): void {
  const { body } = ctx;
  const isUnknown =
    typeof body === "object" && body !== null && "error" in body && body.error === "invalid_client";
  if (isUnknown && ctx.status === 400) ctx.status = 401;
}

function answerPerson(ctx: Context, { pages }: ProviderParts): void {
  const problem: { out: ErrorOut; error: Error } | undefined = ctx.state["problem"];
  const { status } = ctx;
  const back = ctx.path === ownPaths.authorize ? wayOut(ctx) : undefined;
  if (problem === undefined && back === undefined) return;
  // What the library has written goes.
  ctx.body = null;
  ctx.remove("Location");
  ctx.respond = false;
  if (problem !== undefined) {
    pages.error(ctx.res, status, { title, text: explain(problem.out, problem.error) });
  } else if (back !== undefined) pages.error(ctx.res, 400, { title, text: askedWrongly(back), back });
}

const withoutIss = (location: string, origin: string): string =>
  location.replace(`&iss=${encodeURIComponent(origin)}`, "");

/** Where the answer sends the browser, if that is not to a page of the gate. */
function wayOut(ctx: Context): string | undefined {
  const location = ctx.res.getHeader("Location");
  return typeof location !== "string" || location.startsWith(ownPaths.consent) ? undefined : location;
}

const title = "This sign-in cannot go on";

function sendOn(ctx: Context, location: string): void {
  ctx.status = 303;
  ctx.set({ Location: location, "Cache-Control": "no-store" });
  ctx.body = "";
}

/**
 * The client is to hear of an error before anybody was asked. It gets to know by a link: anybody may register
 * a client, and the gate would be an open redirector to wherever he likes (RFC 9700 section 4.11.2).
 */
function askedWrongly(location: string): string {
  // What would have been the answer to `response_type=token` stands behind a `#`.
  const answer = new URLSearchParams(location.slice(location.search(/[?#]/) + 1));
  const why = answer.get("error_description") ?? answer.get("error") ?? "the error is not known";
  return `The app that sent you here has asked in a wrong way: ${why}.`;
}

/**
 * What went wrong, for a person. The client cannot be told: it is not known, or where to send the answer is
 * not.
 */
function explain({ error, error_description: description }: ErrorOut, cause: Error): string {
  if (cause.name === "SessionNotFound") {
    return (
      "The request has expired, or it was made in another browser. " +
      "Start again from the app that sent you here."
    );
  }
  if (error === "invalid_client" || error === "invalid_client_metadata") {
    return (
      "The app that sent you here is not known, or what it says of itself cannot be read. " +
      "Remove the connection in the app, and add it again."
    );
  }
  if (error === "invalid_redirect_uri") {
    return "The app asks for the answer at an address that it has not registered. Nothing was sent there.";
  }
  if (error === "server_error") return "Something failed here. Whoever runs this tunnel sees what it was.";
  return description ?? error;
}
