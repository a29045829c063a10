import { STATUS_CODES } from "node:http";
import { isIP } from "node:net";
import { headerValue, isMcp, jsonRpcRefusal, mayBeJsonRpc, type RawHeaders } from "mcp-tunnel-protocol";
import { printable, withoutQuery } from "mcp-tunnel-shared";
import { documentOf, type Html, html, pageFields, wantsHtml } from "mcp-tunnel-shared/visitor-page";
import { type GateKind, gateKinds } from "./options.js";
import type { Answer, Visit } from "./visit.js";

/**
 * Browser clients may read each answer of the gate. Cookies and stored passwords do not come with the `*`
 * (WHATWG Fetch, "CORS check"), so no page can use those of its reader.
 */
const readable = ["Access-Control-Allow-Origin", "*"];

/** What a refusal says. */
interface Words {
  /** Stable, for programs. */
  readonly code: string;
  readonly text: string;
  /** What a person in front of a browser can do about it. */
  readonly advice: Html;
}

/** Refuses a visit: to an MCP client in its own words, to a browser with a page. */
function refusal(visit: Visit, status: number, words: Words, fields: RawHeaders = []): Answer {
  const { type, body, own = [] } = contentOf(visit, status, words);
  return {
    status,
    headers: [
      ...[
        "Content-Type",
        type,
        "Content-Length",
        String(Buffer.byteLength(body)),
        "Cache-Control",
        "no-store",
      ],
      ...["X-Content-Type-Options", "nosniff", ...readable, ...own, ...fields],
    ],
    body,
  };
}

interface Content {
  readonly type: string;
  readonly body: string;
  /** Header fields that only a page has. */
  readonly own?: RawHeaders;
}

function contentOf({ method, headers }: Visit, status: number, { code, text, advice }: Words): Content {
  if (mayBeJsonRpc(method, headers) || isMcp(headers)) {
    // The gate reads no bodies, so it does not know the id (JSON-RPC 2.0 section 5: it is null then).
    return { type: "application/json", body: jsonRpcRefusal({ id: null, code, status, text }) };
  }
  if (!wantsHtml(headerValue(headers, "accept"))) {
    return { type: "text/plain; charset=utf-8", body: `${text}\n` };
  }
  const title = headings[status] ?? "This does not work here";
  const foot = `${status} ${STATUS_CODES[status] ?? ""}, from the gate in front of the service`;
  const body = html`<h1>${title}</h1>\n<p>${text}</p>\n${advice}\n<p class="foot">${foot}</p>`;
  return { type: pageType, body: documentOf({ title, body }), own: ownPageFields };
}

const headings: Readonly<Record<number, string>> = {
  401: "Only with permission",
  403: "Not allowed",
  429: "Too many tries",
};

const { "Content-Type": pageType = "", "X-Content-Type-Options": _all, ...others } = pageFields;
const ownPageFields = Object.entries(others).flat();

/** What a gate wants to be shown, in words. */
const wanted: Readonly<Record<GateKind, string>> = { oauth: "a token", bearer: "a key", basic: "a password" };

/** What a person can do to show it. A browser asks for a password by itself, and then shows the page. */
const ways: readonly (readonly [GateKind, (visit: Visit) => Html])[] = [
  [
    "oauth",
    (visit) => html`<p>If this is an MCP server, add its address to your MCP host. The host opens the page on
which access is approved.</p>
<pre>${addressOf(visit)}</pre>`,
  ],
  [
    "bearer",
    () => html`<p>A program shows a key in the field <code>Authorization: Bearer KEY</code> or
<code>X-API-Key: KEY</code>.</p>`,
  ],
  [
    "basic",
    () => html`<p>With a name and a password, <a href="">try again</a>: your browser asks for both.</p>`,
  ],
];

const whoGives = html`<p>Whoever runs this service says who gets in.</p>`;

/** In characters. What is longer is no address that anybody adds to a host. */
const maxPath = 300;

/** Without the query, which may have a secret. */
function addressOf({ origin, target }: Visit): string {
  const path = target.startsWith("/") ? withoutQuery(target) : "/";
  return printable(path.length > maxPath ? origin : origin + path);
}

/** How long a visitor should wait. */
export function secondsInWords(seconds: number): string {
  return seconds === 1 ? "1 second" : `${seconds} seconds`;
}

/**
 * `challenges`: a field of its own for each, because some clients read only the first of a list. `kinds`:
 * those that the gate takes.
 */
export function unauthorized(
  visit: Visit,
  kinds: readonly GateKind[],
  challenges: readonly string[],
  wasWrong: boolean,
): Answer {
  const words = gateKinds.filter((kind) => kinds.includes(kind)).map((kind) => wanted[kind]);
  const list = [words.slice(0, -1).join(", "), words.at(-1)].filter((part) => part !== "").join(" or ");
  const text = wasWrong ? `What was shown is not valid here: this needs ${list}.` : `This needs ${list}.`;
  const steps = ways.flatMap(([kind, way]) => (kinds.includes(kind) ? [way(visit)] : []));
  const advice = html`${steps}\n${whoGives}`;
  return refusal(visit, 401, { code: "unauthorized", text, advice }, [
    ...challenges.flatMap((challenge) => ["WWW-Authenticate", challenge]),
    ...["Access-Control-Expose-Headers", "WWW-Authenticate"],
  ]);
}

/** `waitSeconds`: until the address may try again. */
export function tooManyTries(visit: Visit, waitSeconds: number): Answer {
  const text = "Too many wrong passwords came from this address.";
  const advice = html`<p>Wait for ${secondsInWords(waitSeconds)}, and <a href="">try again</a>.</p>`;
  return refusal(visit, 429, { code: "too_many_tries", text, advice }, [
    ...["Retry-After", String(waitSeconds), "Access-Control-Expose-Headers", "Retry-After"],
  ]);
}

export function addressRefused(visit: Visit): Answer {
  // The visitor is told his own address, which he may want to have added.
  const { address } = visit;
  const from = address === undefined || isIP(address) === 0 ? "" : `, ${address},`;
  return refusal(visit, 403, {
    code: "address_refused",
    text: `Visits from this address${from} are not allowed.`,
    advice: html`<p>Come from a network that is allowed, or ask the owner to allow this address.</p>`,
  });
}

export function serviceWorkerRefused(visit: Visit): Answer {
  return refusal(visit, 403, {
    code: "service_worker_refused",
    text: "There are no service workers behind this gate.",
    advice: html`<p>The pages of this site have to do without.</p>`,
  });
}

export function ambiguous(visit: Visit): Answer {
  return refusal(visit, 400, {
    code: "ambiguous_proof",
    text: "Authorization or X-API-Key came more than once.",
    advice: html`<p>A program or a proxy on the way has added one. Send one alone.</p>`,
  });
}

/** For a target in absolute form, and for a page of the gate on a connection that would leave HTTP. */
export function badTarget(visit: Visit): Answer {
  return refusal(visit, 400, {
    code: "bad_target",
    text: "There is nothing to be asked in this way.",
    advice: html`<p>Ask for a path of this host, without an upgrade.</p>`,
  });
}

export function noMetadata(visit: Visit): Answer {
  return refusal(visit, 404, {
    code: "no_oauth",
    text: "There is no OAuth here: a key or a password is needed.",
    advice: whoGives,
  });
}

/** What a page of another site asks for before it sends a request. */
export interface Requested {
  readonly method: string;
  /** Names of fields, with commas between them. */
  readonly names: string | undefined;
}

/**
 * Answers a preflight (WHATWG Fetch, "CORS-preflight fetch"), which never has a proof. What follows it has
 * one or is refused, and the service itself says which pages may read its answers.
 */
export function preflight({ method, names }: Requested): Answer {
  const fields = ["Access-Control-Allow-Methods", method];
  // By name: a `*` would not stand for Authorization.
  if (names !== undefined) fields.push("Access-Control-Allow-Headers", names);
  return { status: 204, headers: [...readable, ...fields, "Access-Control-Max-Age", "600"], body: "" };
}
