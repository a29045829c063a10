import { ownPaths, ownPrefix, resourceMetadata, serverMetadata } from "../paths.js";
import { scope } from "./scope.js";

/** How clients may prove themselves at the token endpoint. Claude takes documents only beside `none`. */
export const clientAuthMethods = ["none", "client_secret_basic", "client_secret_post"] as const;
export const grantTypes = ["authorization_code", "refresh_token"] as const;
export const signingAlgorithm = "ES256";

/**
 * Metadata of the resource at a path (RFC 9728 section 2). `rest`: what follows the well-known, with its
 * query.
 */
export function resourceDocument(origin: string, rest: string, title: string | undefined): object {
  return {
    // VS Code throws unless this is the URL that it dialled, so each path has metadata of its own.
    resource: origin + rest,
    authorization_servers: [origin],
    scopes_supported: [scope],
    bearer_methods_supported: ["header"],
    ...(title !== undefined && { resource_name: title }),
  };
}

/**
 * Metadata of the authorization server (RFC 8414 section 2). It has the fields that OpenID Connect Discovery
 * asks for, because clients look there too.
 */
export function serverDocument(origin: string, issParameter: boolean): object {
  return {
    issuer: origin,
    authorization_endpoint: origin + ownPaths.authorize,
    token_endpoint: origin + ownPaths.token,
    registration_endpoint: origin + ownPaths.register,
    revocation_endpoint: origin + ownPaths.revoke,
    jwks_uri: origin + ownPaths.jwks,
    scopes_supported: [scope],
    response_types_supported: ["code"],
    response_modes_supported: ["query"],
    // VS Code takes it that device codes work where this is left out.
    grant_types_supported: grantTypes,
    code_challenge_methods_supported: ["S256"],
    token_endpoint_auth_methods_supported: clientAuthMethods,
    revocation_endpoint_auth_methods_supported: clientAuthMethods,
    client_id_metadata_document_supported: true,
    ...(issParameter && { authorization_response_iss_parameter_supported: true }),
    subject_types_supported: ["public"],
    id_token_signing_alg_values_supported: [signingAlgorithm],
  };
}

/** What a target of the gate's own asks for. */
export type OwnTarget =
  | { readonly kind: "resource"; readonly rest: string }
  | { readonly kind: "server" }
  | { readonly kind: "path"; readonly path: string };

/** Undefined: the target is the service's. */
export function ownTarget(target: string): OwnTarget | undefined {
  const [path = ""] = target.split("?");
  if (isAt(resourceMetadata, path)) return { kind: "resource", rest: target.slice(resourceMetadata.length) };
  const [, openid] = serverMetadata;
  if (serverMetadata.some((wellKnown) => isAt(wellKnown, path)) || path.endsWith(openid))
    return { kind: "server" };
  return path.startsWith(ownPrefix) ? { kind: "path", path } : undefined;
}

const isAt = (wellKnown: string, path: string): boolean =>
  path === wellKnown || path.startsWith(`${wellKnown}/`);

/** What a challenge may name as it is. Others are sent to the metadata of the whole origin. */
const nameable = /^\/[!#-[\]-~]{0,1000}$/;

/** The value of `WWW-Authenticate` (RFC 6750 section 3, RFC 9728 section 5.1). */
export function challengeFor(origin: string, target: string, isTokenWrong: boolean): string {
  const rest = nameable.test(target) && target !== "/" ? target : "";
  const error = isTokenWrong
    ? 'error="invalid_token", error_description="the token is expired, revoked, or not for this place", '
    : "";
  return `Bearer ${error}resource_metadata="${origin}${resourceMetadata}${rest}", scope="${scope}"`;
}
