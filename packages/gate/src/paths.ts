/**
 * Paths that the gate answers itself. They lie under one prefix, which no service is likely to have, except
 * those that standards fix (RFC 8615). Targets are compared byte for byte: another spelling is the service's,
 * and needs a proof like any other.
 */
export const ownPrefix = "/.mcp-tunnel/";

/** The paths below {@link ownPrefix}. */
export const ownPaths = {
  authorize: "/.mcp-tunnel/authorize",
  token: "/.mcp-tunnel/token",
  register: "/.mcp-tunnel/register",
  revoke: "/.mcp-tunnel/revoke",
  jwks: "/.mcp-tunnel/jwks",
  /** Followed by the id of the request for consent. */
  consent: "/.mcp-tunnel/consent/",
  /** Where an upstream OpenID provider sends people back to. */
  loggedIn: "/.mcp-tunnel/logged-in",
} as const;

/** Protected resource metadata (RFC 9728 section 3). The path of the resource may follow. */
export const resourceMetadata = "/.well-known/oauth-protected-resource";

/**
 * Where clients look for authorization server metadata (RFC 8414 section 3, OpenID Connect Discovery 1.0
 * section 4).
 */
export const serverMetadata = [
  "/.well-known/oauth-authorization-server",
  "/.well-known/openid-configuration",
] as const;

/**
 * The text that the names of all cookies of the gate have, behind `__Host-` or at their beginning. The
 * service gets none of them.
 */
export const ownCookieMark = "mcp-tunnel";

const ownCookie = new RegExp(`^\\s*(?:__Host-|__Secure-)?${ownCookieMark}`);

/** `name`: of a cookie, perhaps with spaces around it. */
export function isOwnCookie(name: string): boolean {
  return ownCookie.test(name);
}

/**
 * Whether clients look for metadata of OAuth there. Some append the well-known path to that of the service
 * (OpenID Connect Discovery 1.0 section 4.1) in place of putting it in front.
 */
export function isOAuthWellKnown(target: string): boolean {
  if (!target.includes("/.well-known/o")) return false;
  const [path = ""] = target.split("?", 1);
  return [resourceMetadata, ...serverMetadata].some(
    (known) => path.startsWith(`${known}/`) || path.endsWith(known),
  );
}

const registryProof = "/.well-known/mcp-registry-auth";
const acmeChallenge = /^\/\.well-known\/acme-challenge\/[A-Za-z0-9_-]+$/;

/**
 * Whether everybody may read what is there, because somebody who has no proof has to: the MCP registry, which
 * checks who a domain belongs to, and certificate authorities (RFC 8555 section 8.3).
 */
export function isPublic(method: string, target: string): boolean {
  if (!target.startsWith("/.well-known/")) return false;
  if (method !== "GET" && method !== "HEAD") return false;
  return target === registryProof || acmeChallenge.test(target);
}
