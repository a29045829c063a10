/**
 * Paths that the gate answers itself. They lie under one prefix, which no service is likely to have, except
 * those that standards fix (RFC 8615). Targets are compared byte for byte: another spelling is the service's,
 * and needs a proof like any other.
 */
export const ownPrefix = "/.mcp-tunnel/";

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

/** Where clients look for authorization server metadata (RFC 8414 section 3, OpenID Connect Discovery 1.0 section 4). */
export const serverMetadata = [
  "/.well-known/oauth-authorization-server",
  "/.well-known/openid-configuration",
] as const;
