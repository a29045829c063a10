import type { RawHeaders } from "mcp-tunnel-protocol";
import { withoutTrailing } from "mcp-tunnel-shared";

export const cookieDomains = ["narrow", "keep"] as const;
export type CookieDomain = (typeof cookieDomains)[number];

/**
 * Takes the `Domain` out of each `Set-Cookie` whose domain is `domain` or one above it: the browser then keeps the cookie
 * for the tunnel that set it. With the attribute every other tunnel would get it, and could be made to believe one
 * that a neighbour had planted ("cookie tossing").
 */
export function narrowCookies(headers: RawHeaders, domain: string): RawHeaders {
  let narrowed: RawHeaders | undefined;
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string;
    if (name.length !== 10 || name.toLowerCase() !== "set-cookie") continue;
    const value = headers[i + 1] as string;
    const host = withoutWideDomain(value, domain);
    if (host === value) continue;
    narrowed ??= [...headers];
    narrowed[i + 1] = host;
  }
  return narrowed ?? headers;
}

/**
 * A Domain with its semicolon. The attributes are what browsers take for them (RFC 6265 section 5.2): what follows the first
 * semicolon, divided by semicolons whatever quotes there are. What is before it, the cookie, stays as it is.
 */
const domainAttribute = /;\s*domain\s*(?:=([^;]*))?(?=;|$)/gi;

/** Domains read of one cookie: browsers go by one. */
const maxDomains = 16;

function withoutWideDomain(cookie: string, domain: string): string {
  let domains = 0;
  return cookie.replace(domainAttribute, (attribute: string, value = "") => {
    domains += 1;
    return domains > maxDomains || covers(value, domain) ? "" : attribute;
  });
}

/** A host name has no more characters (RFC 1035 section 2.3.4). */
const maxHostLength = 253;
/** Visible ASCII without the percent sign. */
const asWritten = /^[!-$&-~]*$/;

/** Some that are no browsers read a name without the quotes around it (java.net.CookieManager). */
function withoutQuotes(text: string): string {
  const isQuoted = text.length > 1 && (text[0] === '"' || text[0] === "'") && text.at(-1) === text[0];
  return isQuoted ? text.slice(1, -1).trim() : text;
}

/** Does a cookie for `text` go to all of `domain`? */
function covers(text: string, domain: string): boolean {
  const trimmed = withoutQuotes(text.trim());
  // What is no host name is no domain to any browser either, and nobody misses it. What some browsers would make one of first (RFC 6265
  // section 5.1.2), and others refuse, is not worth the time of asking what it means.
  if (trimmed.length > maxHostLength || !asWritten.test(trimmed)) return true;
  const host = withoutTrailing(trimmed.replace(/^\.+/, ""), ".").toLowerCase();
  return host === "" || domain === host || domain.endsWith(`.${host}`);
}
