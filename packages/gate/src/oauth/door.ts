import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { ownPaths } from "../paths.js";
import { Tries } from "../tries.js";
import { addressOf } from "./address.js";
import type { ConsentPages } from "./consents.js";
import { ownTarget, resourceDocument, serverDocument } from "./metadata.js";
import { scope } from "./scope.js";

/**
 * How often one address may register a client, and begin a flow, in a minute. Hosts in the cloud register for
 * all of their users from few addresses. Flows are begun in browsers.
 */
const registrationsPerMinute = 30;
const flowsPerMinute = 60;

/** In characters. A flow keeps what it was begun with, and strangers may begin a thousand. */
const maxAuthorizeTarget = 8 * 1_024;

/** How long the body of a request may take. Forms and metadata are a few kilobytes. */
const bodyTimeoutMs = 10_000;

export interface DoorParts {
  readonly title: string | undefined;
  readonly issParameter: boolean;
  readonly pages: ConsentPages;
  readonly onFault: (error: unknown) => void;
  /** The origin of now, and what answers for its endpoints. */
  readonly here: () => { readonly origin: string; readonly library: RequestListener } | undefined;
}

/** The door to everything that the gate answers itself. What is not named here does not reach the library. */
export function createDoor(parts: DoorParts): RequestListener {
  const registrations = new Tries(registrationsPerMinute);
  const flows = new Tries(flowsPerMinute);

  function handle(req: IncomingMessage, res: ServerResponse): void {
    limitBody(req);
    const here = parts.here();
    const target = ownTarget(req.url ?? "");
    // The issuer is the tunnel's, never a header's. A request for another host has come in by mistake.
    if (here === undefined || req.headers.host !== new URL(here.origin).host) {
      sendJson(res, 421, { error: "invalid_request", error_description: "this is another host's" });
    } else if (target === undefined) {
      sendJson(res, 404, notHere);
    } else if (target.kind === "path") {
      answerPath(req, res, { ...here, path: target.path });
    } else if (isAllowed(req, res, ["GET", "HEAD"])) {
      const { origin } = here;
      sendJson(
        res,
        200,
        target.kind === "server"
          ? serverDocument(origin, parts.issParameter)
          : resourceDocument(origin, target.rest, parts.title),
      );
    }
  }

  function answerPath(
    req: IncomingMessage,
    res: ServerResponse,
    { origin, library, path }: { origin: string; library: RequestListener; path: string },
  ): void {
    const address = addressOf(req);
    switch (path) {
      case ownPaths.authorize:
        if (req.method !== "GET") return sendJson(res, 405, notHere, { Allow: "GET" });
        harden(res);
        if ((req.url ?? "").length > maxAuthorizeTarget) return parts.pages.error(res, 414, tooLong);
        if (isTooMany(flows, address, res, parts.pages)) return;
        req.url = `${path}?${narrowQuery(req.url ?? "").toString()}`;
        return library(req, res);
      case ownPaths.register:
        if (!isAllowed(req, res, ["POST"]) || isTooMany(registrations, address, res)) return;
        return library(req, res);
      case ownPaths.token:
      case ownPaths.revoke:
        return isAllowed(req, res, ["POST"]) ? library(req, res) : undefined;
      case ownPaths.jwks:
        return isAllowed(req, res, ["GET", "HEAD"]) ? library(req, res) : undefined;
    }
    if (path.startsWith(`${ownPaths.authorize}/`) && req.method === "GET") {
      harden(res);
      return library(req, res);
    }
    if (path.startsWith(ownPaths.consent) || path === ownPaths.loggedIn) {
      parts.pages.handle(req, res, { origin, address }).catch((error: unknown) => {
        parts.onFault(error);
        fail(res);
      });
      return;
    }
    sendJson(res, 404, notHere);
  }

  return handle;
}

const notHere = { error: "not_found" };
const tooLong = {
  title: "This sign-in cannot go on",
  text: "The app that sent you here asks for more than fits into a request.",
};

/** Cuts a request whose body never ends. */
function limitBody(req: IncomingMessage): void {
  if (req.method !== "POST") return;
  const timer = setTimeout(() => {
    if (!req.complete) req.destroy();
  }, bodyTimeoutMs);
  timer.unref();
  req.once("close", () => clearTimeout(timer));
}

/** Counts a request, or refuses it. `pages`: a person is told, and not a program. */
function isTooMany(
  tries: Tries,
  address: string | undefined,
  res: ServerResponse,
  pages?: ConsentPages,
): boolean {
  const seconds = tries.waitSeconds(address);
  if (seconds === 0) {
    tries.failed(address);
    return false;
  }
  if (pages !== undefined) {
    res.setHeader("Retry-After", seconds);
    const text = `Try again in ${seconds} seconds.`;
    pages.error(res, 429, { title: "Too many sign-ins from here", text });
    return true;
  }
  const error_description = `too many requests: try again in ${seconds} s`;
  sendJson(
    res,
    429,
    { error: "temporarily_unavailable", error_description },
    { "Retry-After": String(seconds) },
  );
  return true;
}

/** Lets clients in browsers read the answer, answers their preflights, and refuses other methods. */
function isAllowed(req: IncomingMessage, res: ServerResponse, methods: readonly string[]): boolean {
  const { method = "" } = req;
  // No cookie counts at these endpoints, so that any page may ask. The library leaves these fields alone.
  res.setHeader("Access-Control-Allow-Origin", "*");
  res.setHeader("Access-Control-Expose-Headers", "WWW-Authenticate, Retry-After");
  if (methods.includes(method)) return true;
  if (method !== "OPTIONS") {
    sendJson(res, 405, notHere, { Allow: [...methods, "OPTIONS"].join(", ") });
    return false;
  }
  res.writeHead(204, {
    "Access-Control-Allow-Methods": methods.join(", "),
    "Access-Control-Allow-Headers": req.headers["access-control-request-headers"] ?? "*",
    "Access-Control-Max-Age": "3600",
    Vary: "Access-Control-Request-Headers",
  });
  res.end();
  return false;
}

/** For answers on which a person's browser is sent on: with the code in the address. */
function harden(res: ServerResponse): void {
  res.setHeader("Referrer-Policy", "no-referrer");
  res.setHeader("X-Content-Type-Options", "nosniff");
  res.setHeader("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'");
}

/** Parameters that come to the library as they are. */
const passed: ReadonlySet<string> = new Set([
  ...["response_type", "client_id", "redirect_uri", "state", "resource"],
  ...["code_challenge", "code_challenge_method", "request", "request_uri"],
]);

/**
 * Takes from an authorization request what has no meaning here and would make the library refuse it: scopes
 * that are not known, `openid` and what goes with it, response modes that need a page with a script. Consent
 * is asked for each time, so that no prompt makes a difference.
 */
function narrowQuery(url: string): URLSearchParams {
  const [, query = ""] = url.split(/\?(.*)/s);
  const asked = new URLSearchParams(query);
  const narrowed = new URLSearchParams();
  for (const [name, value] of asked) if (passed.has(name)) narrowed.append(name, value);
  narrowed.set("scope", scope);
  return narrowed;
}

function sendJson(
  res: ServerResponse,
  status: number,
  body: object,
  headers: Readonly<Record<string, string>> = {},
): void {
  const text = JSON.stringify(body);
  res.writeHead(status, {
    ...{ "Content-Type": "application/json", "Content-Length": Buffer.byteLength(text) },
    ...{ "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff" },
    ...headers,
  });
  res.end(res.req.method === "HEAD" ? undefined : text);
}

function fail(res: ServerResponse): void {
  if (res.headersSent) res.destroy();
  else sendJson(res, 500, { error: "server_error" });
}
