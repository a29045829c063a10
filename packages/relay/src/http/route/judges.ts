import { registrationPath } from "mcp-tunnel-protocol";
import type { LimitName } from "../../limits.js";
import { plainAddress } from "mcp-tunnel-shared";
import { relayError, type RelayRefusal } from "../answer/errors.js";
import type { ExchangeContext } from "../exchange/context.js";
import { framingFault } from "./framing.js";
import type { IncomingVisit } from "./visit.js";

/**
 * Asks the judges that every request has to pass, in this order, before anything is spent on it. They answer
 * at once, and in the relay's words. The judges of a program that embeds the relay come after these
 * (hearing.ts).
 */
export function relayRefusal(visit: IncomingVisit, context: ExchangeContext): RelayRefusal | undefined {
  return (
    framing(visit) ??
    headerCount(visit, context) ??
    targetLength(visit, context) ??
    host(visit) ??
    registration(visit) ??
    upgradeWithBody(visit) ??
    target(visit) ??
    // Last, because it takes a place, which is given back when the visit is over. A visit to the domain
    // itself is over at once, unless it becomes a download.
    (visit.host.kind === "tunnel" ? occupancy(visit, context) : undefined)
  );
}

/** The end of the request is beyond doubt. Otherwise the bytes behind it may be a request, or not. */
function framing({ req }: IncomingVisit): RelayRefusal | undefined {
  const fault = framingFault(req);
  return fault === undefined ? undefined : relayError(fault);
}

/**
 * The head has not too many fields. Node would not refuse those beyond its limit, but silently leave them
 * out.
 */
function headerCount(visit: IncomingVisit, context: ExchangeContext): RelayRefusal | undefined {
  if (visit.req.rawHeaders.length <= 2 * context.options.maxHeaderCount) return undefined;
  hitLimit("header_count", visit, context);
  return relayError("headers_too_large");
}

function targetLength(visit: IncomingVisit, context: ExchangeContext): RelayRefusal | undefined {
  if ((visit.req.url ?? "").length <= context.options.maxUrlBytes) return undefined;
  hitLimit("url_length", visit, context);
  return relayError("url_too_long");
}

/** The request names one host, which is the domain or one label below it. */
function host({ host: { kind }, path }: IncomingVisit): RelayRefusal | undefined {
  if (kind === "missing") return relayError("missing_host");
  if (kind === "invalid") return relayError("invalid_host");
  // Clients may register on any host name.
  return kind === "foreign" && !isRegistration(path) ? relayError("unserved_host") : undefined;
}

/**
 * The request is no registration: one that comes as a WebSocket does not get here. Below a tunnel's name the
 * path is the tunnel's.
 */
function registration({ host: { kind }, path }: IncomingVisit): RelayRefusal | undefined {
  return kind !== "tunnel" && isRegistration(path) ? relayError("registration_needs_websocket") : undefined;
}

/**
 * An upgrade has no body. HTTP/2 demands an upgrade. HTTP/1.1 offers it: with a body it is ignored
 * (http1.ts).
 */
function upgradeWithBody({ host: { kind }, upgrade, body }: IncomingVisit): RelayRefusal | undefined {
  const isRefused = kind === "tunnel" && upgrade !== undefined && body.isPresent;
  return isRefused ? relayError("upgrade_with_body") : undefined;
}

/** The target is a path, or an http URL. */
function target({ path }: IncomingVisit): RelayRefusal | undefined {
  return path === "" ? relayError("invalid_target") : undefined;
}

/** The visitor's address has room for another request, over all tunnels. */
export function occupancy(visit: IncomingVisit, context: ExchangeContext): RelayRefusal | undefined {
  const { addressKeys, requests, limits } = context;
  const { address } = visit.visitor;
  const key = addressKeys.of(address);
  if (key === undefined) return undefined;
  if (requests.enter(key)) {
    visit.addressKey = key;
    return undefined;
  }
  limits.hit("requests_per_address", { address });
  return relayError("too_many_requests");
}

function hitLimit(limit: LimitName, { req }: IncomingVisit, { limits }: ExchangeContext): void {
  limits.hit(limit, { address: plainAddress(req.remoteAddress) });
}

/** Whether `path` is where clients register. */
export function isRegistration(path: string): boolean {
  return path === registrationPath || path.startsWith(`${registrationPath}?`);
}
