import type { ClientMetadata } from "oidc-provider";
import { clientAuthMethods, grantTypes } from "./metadata.js";

const maxRedirectUris = 10;
const maxRedirectUriLength = 1_000;
const maxNameLength = 200;

/** Browsers take a backslash for a slash, and others do not. Neither it nor other letters belong in a URI. */
const uriCharacters = /^[!-[\]-~]+$/;

/**
 * What is kept of what a client says of itself. All else is dropped: some of it would have the gate fetch
 * URLs.
 */
const kept: ReadonlySet<string> = new Set([
  ...["client_id", "client_id_issued_at", "client_secret", "client_secret_expires_at"],
  ...["client_name", "redirect_uris", "token_endpoint_auth_method"],
]);

/**
 * Brings what a client says of itself to what the gate can do, as RFC 7591 section 3.2.1 lets a server do.
 * Documents of well-known hosts state more than one server has: `private_key_jwt`, other grants, other
 * scopes. `refuse` throws.
 */
export function narrowMetadata(metadata: ClientMetadata, refuse: (reason: string) => never): void {
  for (const name of Object.keys(metadata)) if (!kept.has(name)) delete metadata[name];
  const uris: unknown = metadata.redirect_uris;
  const isList = Array.isArray(uris) && uris.length > 0 && uris.length <= maxRedirectUris;
  if (!isList || !uris.every((uri) => typeof uri === "string" && uri.length <= maxRedirectUriLength)) {
    refuse(
      `redirect_uris must be 1 to ${maxRedirectUris} URIs of at most ${maxRedirectUriLength} characters`,
    );
  }
  if (!uris.every(isClear)) refuse("redirect_uris must be URIs of visible ASCII, without a user");
  const { client_name: name } = metadata;
  if (typeof name === "string" && name.trim() !== "")
    metadata.client_name = name.trim().slice(0, maxNameLength);
  else delete metadata.client_name;
  const methods: readonly string[] = clientAuthMethods;
  const method = metadata.token_endpoint_auth_method ?? "";
  if (metadata.client_secret === undefined) metadata.token_endpoint_auth_method = "none";
  else if (method === "none" || !methods.includes(method)) {
    metadata.token_endpoint_auth_method = "client_secret_basic";
  }
  // `web` would refuse loopback and schemes of apps, which Claude Code and Cursor name.
  metadata.application_type = "native";
  metadata.grant_types = [...grantTypes];
  metadata.response_types = ["code"];
}

/** All programs read the same host out of it. */
function isClear(uri: string): boolean {
  if (!uriCharacters.test(uri) || !URL.canParse(uri)) return false;
  const { username, password } = new URL(uri);
  return username === "" && password === "";
}
