import { domainToASCII } from "node:url";
import type { RawHeaders } from "mcp-tunnel-protocol";

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
 * The attributes are what browsers take for them (RFC 6265 section 5.2): what follows the first semicolon, divided by
 * semicolons whatever quotes there are. What is before it, the cookie, stays as it is.
 */
function withoutWideDomain(cookie: string, domain: string): string {
  if (!/;\s*domain/i.test(cookie)) return cookie;
  const [pair, ...attributes] = cookie.split(";");
  const kept = attributes.filter((attribute) => {
    const [name = "", ...value] = attribute.split("=");
    return name.trim().toLowerCase() !== "domain" || !covers(value.join("="), domain);
  });
  return [pair, ...kept].join(";");
}

/** Does a cookie for `text` go to all of `domain`? */
function covers(text: string, domain: string): boolean {
  // Browsers read names as UTF-8; fields hold one char for each byte.
  const unicode = Buffer.from(text.trim(), "latin1").toString("utf8");
  const host = domainToASCII(unicode.replace(/^\.+|\.+$/g, ""));
  // What is no host name is no domain to any browser either; nobody misses it.
  return host === "" || domain === host || domain.endsWith(`.${host}`);
}
