import { isIP } from "node:net";
import { isMcp, jsonRpcRefusal, mayBeJsonRpc, type RawHeaders } from "mcp-tunnel-protocol";
import { type GateKind, gateKinds } from "./options.js";
import type { Answer, Visit } from "./visit.js";

/**
 * Browser clients may read each answer of the gate. Cookies and stored passwords do not come with the `*`
 * (WHATWG Fetch, "CORS check"), so no page can use those of its reader.
 */
const readable = ["Access-Control-Allow-Origin", "*"];

/** Refuses a visit: to an MCP client in its own words. `code`: stable, for programs. */
function refusal(visit: Visit, status: number, code: string, text: string, fields: RawHeaders = []): Answer {
  const isJsonRpc = mayBeJsonRpc(visit.method, visit.headers) || isMcp(visit.headers);
  // The gate reads no bodies, so it does not know the id (JSON-RPC 2.0 section 5: it is null then).
  const body = isJsonRpc ? jsonRpcRefusal({ id: null, code, status, text }) : `${text}\n`;
  return {
    status,
    headers: [
      ...["Content-Type", isJsonRpc ? "application/json" : "text/plain; charset=utf-8"],
      ...["Content-Length", String(Buffer.byteLength(body)), "Cache-Control", "no-store"],
      ...["X-Content-Type-Options", "nosniff", ...readable, ...fields],
    ],
    body,
  };
}

/** What a gate wants to be shown, in words. */
const wanted: Readonly<Record<GateKind, string>> = { oauth: "a token", bearer: "a key", basic: "a password" };

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
  return refusal(visit, 401, "unauthorized", text, [
    ...challenges.flatMap((challenge) => ["WWW-Authenticate", challenge]),
    ...["Access-Control-Expose-Headers", "WWW-Authenticate"],
  ]);
}

/** `waitSeconds`: until the address may try again. */
export function tooManyTries(visit: Visit, waitSeconds: number): Answer {
  return refusal(visit, 429, "too_many_tries", "Too many wrong passwords came from this address.", [
    ...["Retry-After", String(waitSeconds), "Access-Control-Expose-Headers", "Retry-After"],
  ]);
}

export function addressRefused(visit: Visit): Answer {
  // The visitor is told his own address, which he may want to have added.
  const { address } = visit;
  const from = address === undefined || isIP(address) === 0 ? "" : `, ${address},`;
  return refusal(visit, 403, "address_refused", `Visits from this address${from} are not allowed.`);
}

export function serviceWorkerRefused(visit: Visit): Answer {
  return refusal(visit, 403, "service_worker_refused", "There are no service workers behind this gate.");
}

export function ambiguous(visit: Visit): Answer {
  return refusal(visit, 400, "ambiguous_proof", "Authorization or X-API-Key came more than once.");
}

/** For a target in absolute form, and for a page of the gate on a connection that would leave HTTP. */
export function badTarget(visit: Visit): Answer {
  return refusal(visit, 400, "bad_target", "There is nothing to be asked in this way.");
}

export function noMetadata(visit: Visit): Answer {
  return refusal(visit, 404, "no_oauth", "There is no OAuth here: a key or a password is needed.");
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
