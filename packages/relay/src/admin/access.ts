import type { IncomingMessage } from "node:http";
import { ApiProblem, brokenRule, type PagePlace, PageSecret } from "mcp-tunnel-shared/page";
import { isOwnName } from "./admin-options.js";
import { addressOf, OwnHosts } from "./own-hosts.js";

/**
 * Who may ask for what. `health`: everybody. `page`: browsers that come by a name of the listener; the files
 * have nothing secret in them. `dashboard`: the same, with the secret. `programs`: programs on this machine,
 * or whoever shows the secret if there is one; browsers as for `dashboard`.
 */
export type Audience = "health" | "page" | "dashboard" | "programs";

/** For whom a path is. Paths that there are not are for programs, so that strangers learn nothing of them. */
export function audienceOf(path: string): Audience {
  if (path === "/healthz" || path === "/readyz") return "health";
  if (path === "/" || path.startsWith("/assets/")) return "page";
  return /^\/api\/(?:overview|tokens)(?:\/|$)/.test(path) ? "dashboard" : "programs";
}

/** The rules that keep strangers from the listener. */
export class AdminAccess {
  readonly #secret: PageSecret | undefined;
  readonly #hosts: OwnHosts;

  /** @throws TunnelError `invalid_option` for a host that is none. */
  constructor(secret: string | undefined, hosts: readonly string[]) {
    this.#secret = secret === undefined ? undefined : new PageSecret(secret);
    this.#hosts = new OwnHosts(hosts);
  }

  /** Why this request may not be answered; `undefined` when it may. */
  problem(req: IncomingMessage, audience: Audience): ApiProblem | undefined {
    switch (audience) {
      case "health":
        return undefined;
      case "page":
        return brokenRule(req, this.#placeFor(req));
      case "dashboard":
        return brokenRule(req, this.#placeFor(req)) ?? this.#missingSecret(req);
      case "programs":
        if (this.#secret === undefined) return strangerTo(req);
        return isBrowser(req)
          ? (brokenRule(req, this.#placeFor(req)) ?? this.#missingSecret(req))
          : this.#missingSecret(req);
    }
  }

  #missingSecret(req: IncomingMessage): ApiProblem | undefined {
    if (this.#secret === undefined) {
      return new ApiProblem(
        403,
        "secret_required",
        "the relay has no secret for this: start it with --admin-secret-file or --admin-secret, on this machine too",
      );
    }
    if (this.#secret.isIn(req.headers.authorization)) return undefined;
    const message = "needs 'Authorization: Bearer SECRET' with the relay's --admin-secret";
    // Browsers might ask for a password of their own.
    const fields = isBrowser(req) ? {} : { "WWW-Authenticate": "Bearer" };
    return new ApiProblem(401, "no_secret", message, fields);
  }

  #placeFor(req: IncomingMessage): PagePlace {
    const url = `http://${addressOf(req) ?? ""}/`;
    return {
      originsOf: (asked) => this.#hosts.originsOf(asked),
      isBehindProxy: (asked) => this.#hosts.isNamed(asked),
      words: {
        wrongHost: `this is the relay's admin listener at ${url}. For another name, start the relay with --admin-host NAME:PORT`,
        forwarded:
          "this has come through a proxy or a tunnel. If the relay's operator wants that, --admin-host has the " +
          "name by which browsers come",
        ledHere: `another page has led here. Type the address: ${url}`,
        upgrade: "there is no other protocol here",
      },
    };
  }
}

/** Programs send none of these fields, and no page can keep a browser from sending its own. */
function isBrowser({ headers }: IncomingMessage): boolean {
  return headers.origin !== undefined || Object.keys(headers).some((name) => name.startsWith("sec-fetch-"));
}

/**
 * All users of this machine are let in, but not web pages in its browsers. A page whose name was made to
 * point here (DNS rebinding) sends its own name as Host. Any other page sends its Origin or, for something
 * that it embeds or links to and cannot read, its relation to this site in Sec-Fetch-Site. For a person who
 * types the address this relation is `none`.
 */
function strangerTo({ headers }: IncomingMessage): ApiProblem | undefined {
  const [, name = ""] = /^(\[[^\]]*\]|[^:]*)(?::[0-9]+)?$/.exec(headers.host ?? "") ?? [];
  if (!isOwnName(name.toLowerCase())) {
    return new ApiProblem(403, "wrong_host", "the Host is not a name of this listener");
  }
  const site = headers["sec-fetch-site"];
  const isFromPage = headers.origin !== undefined || (site !== undefined && site !== "none");
  return isFromPage ? new ApiProblem(403, "foreign_origin", "not for web pages") : undefined;
}
