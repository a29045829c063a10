import type { IncomingMessage } from "node:http";
import { ApiProblem } from "./problem.js";
import type { PageSecret } from "./secret.js";

/**
 * The rules that keep strangers out. Strangers are web pages in the user's browser (CVE-2025-49596,
 * CVE-2025-66414), programs of other users of this machine, and visitors of the tunnel. Each rule is asked of
 * each request before anything else looks at it.
 */
type Rule = (req: IncomingMessage, place: PagePlace) => ApiProblem | undefined;

/** Where the page is. */
export interface PagePlace {
  /** As a Host field has it: `127.0.0.1:4040`, `[::1]:4040`. */
  readonly authority: string;
  /** `http://` and the authority. */
  readonly origin: string;
  readonly secret: PageSecret;
}

/** The first rule that a request breaks. */
export function brokenRule(req: IncomingMessage, place: PagePlace): ApiProblem | undefined {
  for (const rule of rules) {
    const problem = rule(req, place);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

/**
 * DNS rebinding: a web page has its own name point to this machine, and then is of one origin with whatever
 * answers. Its requests name it in Host. `localhost` is no name of this page either. Another program may
 * listen at that port of the other family's address, and in a browser it would be of one origin with this
 * page, whose sessionStorage has the secret.
 *
 * Node joins the fields if Host comes twice (`joinDuplicateHeaders`), so that they match nothing.
 */
const isAskedByItsAddress: Rule = ({ headers }, { authority, origin }) =>
  headers.host === authority
    ? undefined
    : new ApiProblem(421, "wrong_host", `this is the inspector at ${origin}/ and answers to no other name`);

/**
 * A tunnel, or a proxy, that leads to this port makes the Host right and brings strangers. It says so in
 * these fields.
 */
const comesDirectly: Rule = ({ headers }) =>
  Object.keys(headers).some((name) => /^(?:x-forwarded-|x-tunnel-|forwarded$|via$)/.test(name))
    ? new ApiProblem(403, "forwarded", "the inspector is for this machine: it answers no proxy and no tunnel")
    : undefined;

/** A target in another form names a host of its own (RFC 9112 section 3.2), which is not looked at. */
const hasPath: Rule = ({ url }) =>
  url?.startsWith("/") === true
    ? undefined
    : new ApiProblem(400, "bad_request", "the request target has to be a path");

/** A WebSocket is open to pages of every origin. There is none here. */
const staysHttp: Rule = ({ headers }) =>
  headers.upgrade === undefined
    ? undefined
    : new ApiProblem(400, "bad_request", "there is no other protocol here: read /api/stream");

/**
 * A web page sends its origin along with all that can change something, and with all that it wants to read.
 * So what changes something has to come from the page itself. A program says the page's origin.
 */
const isOfOwnOrigin: Rule = ({ method, headers }, { origin }) => {
  const isReading = method === "GET" || method === "HEAD";
  if (headers.origin === origin || (isReading && headers.origin === undefined)) return undefined;
  return new ApiProblem(403, "foreign_origin", `${method} needs the field 'Origin: ${origin}'`);
};

/**
 * Browsers tell how the asking page is related to this one (Fetch Metadata). `none`: the user has typed the
 * address, or a program has opened it. A link on another page is refused too, as is anything embedded.
 */
const comesFromNoOtherPage: Rule = ({ headers }, { origin }) => {
  const site = headers["sec-fetch-site"];
  return site === undefined || site === "same-origin" || site === "none"
    ? undefined
    : new ApiProblem(
        403,
        "foreign_origin",
        `another page has led here. Type or paste the URL that the client has printed; it begins with ${origin}/`,
      );
};

/** The page itself has no secret in it and is open to all programs of this machine. Nothing else is. */
const hasSecret: Rule = ({ url, headers }, { secret }) =>
  !isApi(url ?? "") || secret.isIn(headers.authorization)
    ? undefined
    : // A browser would ask the user for a password if the answer had WWW-Authenticate.
      new ApiProblem(401, "no_secret", "needs 'Authorization: Bearer SECRET': the URL has it behind its #");

const rules: readonly Rule[] = [
  isAskedByItsAddress,
  comesDirectly,
  hasPath,
  staysHttp,
  isOfOwnOrigin,
  comesFromNoOtherPage,
  hasSecret,
];

/** Whether a target is of the API. All of it needs the secret. */
export function isApi(target: string): boolean {
  return /^\/api(?:[/?]|$)/.test(target);
}
