import type { RawHeaders } from "mcp-tunnel-protocol";
import { withoutTrailing } from "mcp-tunnel-shared";

export const cookieDomains = ["narrow", "keep"] as const;
/** What becomes of the `Domain` of a service's cookies: see the option `cookieDomain`. @useDeclaredType */
export type CookieDomain = (typeof cookieDomains)[number];

/**
 * Takes the `Domain` out of each `Set-Cookie` whose domain is `domain` or one above it. The browser then
 * keeps the cookie for the tunnel that set it. With the attribute every other tunnel would get the cookie,
 * and could be made to believe a cookie that a neighbour had planted ("cookie tossing").
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
 * A `Domain` attribute with its semicolon. Browsers take the text behind the first semicolon for attributes,
 * and divide it at semicolons whatever quotes there are (RFC 6265 section 5.2). The cookie, which is before
 * the first semicolon, stays as it is.
 */
const domainAttribute = /;\s*domain\s*(?:=([^;]*))?(?=;|$)/gi;

/** How many `Domain` attributes of one cookie are read. Browsers use only one. */
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

/** Some clients other than browsers read a name without the quotes around it (java.net.CookieManager). */
function withoutQuotes(text: string): string {
  const isQuoted = text.length > 1 && (text[0] === '"' || text[0] === "'") && text.at(-1) === text[0];
  return isQuoted ? text.slice(1, -1).trim() : text;
}

/** Whether a cookie with the domain `text` goes to all of `domain`. */
function covers(text: string, domain: string): boolean {
  const trimmed = withoutQuotes(text.trim());
  // Text that is no host name is no domain for any browser either, and nobody misses it. Some browsers would
  // first convert such text to a host name (RFC 6265 section 5.1.2), and others refuse it: its meaning is not
  // worth the time.
  if (trimmed.length > maxHostLength || !asWritten.test(trimmed)) return true;
  const host = withoutTrailing(trimmed.replace(/^\.+/, ""), ".").toLowerCase();
  return host === "" || domain === host || domain.endsWith(`.${host}`);
}
