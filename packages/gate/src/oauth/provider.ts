import type { ErrorOut, Provider } from "oidc-provider";
import { timingSafeEqual } from "node:crypto";
import { ownPaths } from "../paths.js";
import { configurationOf } from "./configuration.js";
import type { ConfigurationParts } from "./configuration.js";
import type { ConsentPages } from "./consents.js";
import type { FlowCookies } from "./cookies.js";
import { digest } from "./records.js";
import { waitSeconds } from "./waiting.js";
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
    // The library gets the cookie that it would have set, and no other.
    ctx.req.headers.cookie = isOwner ? `${provider.cookieName("resume")}=${flow}` : "";
    await next();
    ctx.req.headers.cookie = cookie;
    ctx.res.removeHeader("Set-Cookie");
    if (isOwner) {
      cookies.end(origin, flow, ctx.res);
      waiting.remove(flow);
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

function answerPerson(ctx: Context, { origin, issParameter, pages }: ProviderParts): void {
  const location = ctx.response.get("Location");
  if (!issParameter && location !== "") {
    ctx.set("Location", location.replace(`&iss=${encodeURIComponent(origin)}`, ""));
    ctx.body = "";
  }
  const problem: { out: ErrorOut; error: Error } | undefined = ctx.state["problem"];
  if (problem === undefined) return;
  ctx.respond = false;
  const { status } = ctx;
  pages.error(ctx.res, status, "This sign-in cannot go on", explain(problem.out, problem.error));
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
