import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { ownCookieMark } from "../paths.js";

const stem = `${ownCookieMark}~`;

/**
 * More flows than a person has under way in one browser. The oldest go, so that a browser's head stays small.
 */
const maxFlows = 8;

/**
 * The cookies that tell which browser began a flow. Each flow has its own, so that two in one browser do not
 * disturb one another. The value proves that the gate set it: the id alone stands in the address of the page.
 *
 * They take the place of the library's cookies. Those have a path, which `__Host-` cookies may not have.
 */
export class FlowCookies {
  readonly #key = randomBytes(32);

  /** Marks the browser as the one that began a flow. `isAlive`: whether a flow is still under way. */
  begin(
    origin: string,
    id: string,
    lifetimeSeconds: number,
    { req, res, isAlive }: { req: IncomingMessage; res: ServerResponse; isAlive: (id: string) => boolean },
  ): void {
    const flows = flowsOf(origin, req);
    const alive = flows.filter(isAlive);
    // Browsers send the cookies that are oldest first (RFC 6265 section 5.4).
    const kept = new Set(alive.slice(Math.max(0, alive.length - maxFlows + 1)));
    for (const flow of flows) if (!kept.has(flow)) this.end(origin, flow, res);
    this.keep(origin, id, lifetimeSeconds, res);
  }

  /** Lets the browser keep the mark for so long from now on. */
  keep(origin: string, id: string, lifetimeSeconds: number, res: ServerResponse): void {
    setCookie(res, origin, { suffix: id, value: this.#proof(id), maxAgeSeconds: lifetimeSeconds });
  }

  /** Whether the browser began the flow. */
  has(origin: string, id: string, req: IncomingMessage): boolean {
    const value = readCookie(origin, id, req);
    const proof = Buffer.from(this.#proof(id));
    return value?.length === proof.length && timingSafeEqual(Buffer.from(value), proof);
  }

  end(origin: string, id: string, res: ServerResponse): void {
    setCookie(res, origin, { suffix: id, value: "", maxAgeSeconds: 0 });
  }

  #proof(id: string): string {
    return createHmac("sha256", this.#key).update(id).digest("base64url");
  }
}

interface OwnCookie {
  readonly suffix: string;
  readonly value: string;
  readonly maxAgeSeconds: number;
}

/**
 * The name of a cookie at a public origin. Over https it has the prefix `__Host-`. A browser then takes the
 * cookie from this host alone, so that another tunnel below the same domain cannot set it (RFC 6265bis
 * section 4.1.3.2). `suffix`: the id of the flow, in letters, digits, `-` and `_`.
 */
function nameOf(origin: string, suffix: string): string {
  return `${isHttps(origin) ? "__Host-" : ""}${stem}${suffix}`;
}

const isHttps = (origin: string): boolean => origin.startsWith("https:");

function setCookie(res: ServerResponse, origin: string, cookie: OwnCookie): void {
  const pair = `${nameOf(origin, cookie.suffix)}=${cookie.value}`;
  const attributes = `Path=/; HttpOnly; SameSite=Lax; Max-Age=${cookie.maxAgeSeconds}`;
  res.appendHeader("Set-Cookie", `${pair}; ${attributes}${isHttps(origin) ? "; Secure" : ""}`);
}

function readCookie(origin: string, suffix: string, req: IncomingMessage): string | undefined {
  return cookiesOf(req).find(([name]) => name === nameOf(origin, suffix))?.[1];
}

/** The ids of the flows that a browser has cookies of, the oldest first. */
function flowsOf(origin: string, req: IncomingMessage): string[] {
  const start = nameOf(origin, "");
  return cookiesOf(req)
    .filter(([name]) => name.startsWith(start))
    .map(([name]) => name.slice(start.length))
    .filter((suffix) => /^[\w-]+$/.test(suffix));
}

function cookiesOf(req: IncomingMessage): [name: string, value: string][] {
  return (req.headers.cookie ?? "").split(";").map((cookie) => {
    const [name = "", ...value] = cookie.trim().split("=");
    return [name, value.join("=")];
  });
}
