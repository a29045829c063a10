import type { IncomingMessage } from "node:http";
import { ApiProblem } from "./problem.js";

/**
 * The rules that keep strangers out of a page that only its owner may use. Strangers are web pages in the
 * owner's browser (CVE-2025-49596, CVE-2025-66414), programs of other users of the machine, and visitors of a
 * tunnel. Each rule is asked of each request before anything else looks at it. What has to show the secret
 * besides is the server's to say.
 */
type Rule = (req: IncomingMessage, place: PagePlace) => ApiProblem | undefined;

/** Where a page is, and what is told to those who come in another way. */
export interface PagePlace {
  /**
   * The page's own origins, as the field Origin has them, for a request that names its Host. None if that is
   * not a name of the page. The first one is told to programs.
   */
  originsOf(req: IncomingMessage): readonly string[];
  /** Whether the owner wants requests to come through a proxy. */
  isBehindProxy(req: IncomingMessage): boolean;
  readonly words: {
    /** To whoever comes by another name. */
    readonly wrongHost: string;
    /** To whoever comes through a proxy or a tunnel. */
    readonly forwarded: string;
    /** To whoever was led here by another page. */
    readonly ledHere: string;
    /** To whoever wants another protocol. */
    readonly upgrade: string;
  };
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
 * answers. Its requests name it in Host. `localhost` is no name of a page by itself either. Another program
 * may listen at that port of the other family's address, and in a browser it would be of one origin with the
 * page, whose sessionStorage has the secret.
 *
 * Node joins the fields if Host comes twice (`joinDuplicateHeaders`), so that they match nothing.
 */
const isAskedByItsName: Rule = (req, place) =>
  place.originsOf(req).length > 0 ? undefined : new ApiProblem(421, "wrong_host", place.words.wrongHost);

/**
 * A tunnel, or a proxy, that leads to this port makes the Host right and brings strangers. It says so in
 * these fields.
 */
const comesDirectly: Rule = (req, place) =>
  !place.isBehindProxy(req) &&
  Object.keys(req.headers).some((name) => /^(?:x-forwarded-|x-tunnel-|forwarded$|via$)/.test(name))
    ? new ApiProblem(403, "forwarded", place.words.forwarded)
    : undefined;

/** A target in another form names a host of its own (RFC 9112 section 3.2), which is not looked at. */
const hasPath: Rule = ({ url }) =>
  url?.startsWith("/") === true
    ? undefined
    : new ApiProblem(400, "bad_request", "the request target has to be a path");

/** A WebSocket is open to pages of every origin. There is none here. */
const staysHttp: Rule = ({ headers }, { words }) =>
  headers.upgrade === undefined ? undefined : new ApiProblem(400, "bad_request", words.upgrade);

/**
 * A web page sends its origin along with all that can change something, and with all that it wants to read.
 * So what changes something has to come from the page itself. A program says the page's origin.
 */
const isOfOwnOrigin: Rule = (req, place) => {
  const { method, headers } = req;
  const origins = place.originsOf(req);
  const isReading = method === "GET" || method === "HEAD";
  if (headers.origin === undefined ? isReading : origins.includes(headers.origin)) return undefined;
  return new ApiProblem(403, "foreign_origin", `${method} needs the field 'Origin: ${origins[0]}'`);
};

/**
 * Browsers tell how the asking page is related to this one (Fetch Metadata). `none`: the user has typed the
 * address, or a program has opened it. A link on another page is refused too, as is anything embedded.
 */
const comesFromNoOtherPage: Rule = ({ headers }, { words }) => {
  const site = headers["sec-fetch-site"];
  return site === undefined || site === "same-origin" || site === "none"
    ? undefined
    : new ApiProblem(403, "foreign_origin", words.ledHere);
};

const rules: readonly Rule[] = [
  isAskedByItsName,
  comesDirectly,
  hasPath,
  staysHttp,
  isOfOwnOrigin,
  comesFromNoOtherPage,
];
