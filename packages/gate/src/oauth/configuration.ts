import type { IncomingMessage } from "node:http";
import type { Configuration, JWK, KoaContextWithOIDC } from "oidc-provider";
import { ownPaths } from "../paths.js";
import { adapterFor } from "./adapter.js";
import { narrowMetadata } from "./client-metadata.js";
import type { Library } from "./load.js";
import { clientAuthMethods, signingAlgorithm } from "./metadata.js";
import type { Records } from "./records.js";
import { resourceAt } from "./resources.js";
import { scope } from "./scope.js";
import { codeSeconds, waitSeconds } from "./waiting.js";

const accessTokenSeconds = 8 * 3_600;
/** Sliding: each refresh gives a token that lasts as long again. */
const refreshTokenSeconds = 30 * 24 * 3_600;
/** A grant lasts until its first refresh token is fetched, and then as long as that. */
const unusedGrantSeconds = 300;

export interface ConfigurationParts {
  readonly library: Library;
  readonly records: Records;
  readonly origin: string;
  readonly signingKey: JWK;
  /** Fetches the metadata documents of clients. The library fetches nothing else. */
  readonly fetch: (url: string) => Promise<Response>;
  readonly mayFetch: (url: string, req: IncomingMessage | undefined) => boolean;
}

/** The settings of oidc-provider. Whatever has a default that asks, warns or fetches is set here. */
export function configurationOf(parts: ConfigurationParts): Configuration {
  const { library, records, origin } = parts;
  const { errors, interactionPolicy } = library;

  /** The one question. The flow itself answers who somebody is, so there is no prompt for a login. */
  const consent = new interactionPolicy.Prompt(
    { name: "consent" },
    new interactionPolicy.Check(
      ...["consent_missing", "somebody has to consent", "consent_required"],
      (ctx) => ctx.oidc.result?.["consent"] === undefined,
    ),
  );

  return {
    adapter: adapterFor(records, library),
    jwks: { keys: [parts.signingKey] },
    routes: {
      authorization: ownPaths.authorize,
      token: ownPaths.token,
      registration: ownPaths.register,
      revocation: ownPaths.revoke,
      jwks: ownPaths.jwks,
    },
    // `mcp` stands here and is the scope of each resource. As one of the two alone, consent would be asked
    // for without end.
    scopes: [scope],
    claims: {},
    responseTypes: ["code"],
    clientAuthMethods: [...clientAuthMethods],
    enabledJWA: { idTokenSigningAlgValues: [signingAlgorithm] },
    clientDefaults: { id_token_signed_response_alg: signingAlgorithm },
    extraClientMetadata: {
      properties: ["scope"],
      validator(_ctx, _key, _value, metadata) {
        narrowMetadata(metadata, (reason) => {
          throw new errors.InvalidClientMetadata(reason);
        });
      },
    },
    pkce: { required: () => true },
    rotateRefreshToken: true,
    issueRefreshToken: async () => true,
    expiresWithSession: async () => false,
    revokeGrantPolicy: () => true,
    clientBasedCORS: () => true,
    loadExistingGrant: async (ctx) => {
      const { grantId } = ctx.oidc.result?.consent ?? {};
      return grantId === undefined ? undefined : ctx.oidc.provider.Grant.find(grantId);
    },
    findAccount: (_ctx, accountId) => ({ accountId, claims: async () => ({ sub: accountId }) }),
    interactions: {
      policy: [consent],
      url: (_ctx, { uid }) => ownPaths.consent + uid,
    },
    ttl: {
      AccessToken: accessTokenSeconds,
      AuthorizationCode: codeSeconds,
      RefreshToken: refreshTokenSeconds,
      Grant: unusedGrantSeconds,
      Interaction: waitSeconds,
      IdToken: codeSeconds,
      Session: waitSeconds,
    },
    features: {
      clientIdMetadataDocument: {
        enabled: true,
        ack: "draft-02",
        allowFetch: async (ctx: KoaContextWithOIDC | undefined, id) => parts.mayFetch(id, ctx?.req),
        // A page may be open for a while between two requests of a flow.
        cacheDuration: { min: 2 * waitSeconds, max: 24 * 3_600 },
      },
      devInteractions: { enabled: false },
      dPoP: { enabled: false },
      pushedAuthorizationRequests: { enabled: false },
      registration: { enabled: true, issueRegistrationAccessToken: false },
      resourceIndicators: {
        enabled: true,
        defaultResource: async (_ctx, _client, oneOf) => [oneOf].flat()[0] ?? origin,
        useGrantedResource: async () => true,
        async getResourceServerInfo(_ctx, indicator) {
          const audience = resourceAt(origin, indicator);
          if (audience === undefined) throw new errors.InvalidTarget();
          return { scope, audience, accessTokenFormat: "opaque", accessTokenTTL: accessTokenSeconds };
        },
      },
      revocation: {
        enabled: true,
        allowedPolicy: (_ctx, client, token) => token.clientId === client.clientId,
      },
      rpInitiatedLogout: { enabled: false },
      userinfo: { enabled: false },
    },
    fetch: async (url) => parts.fetch(url instanceof Request ? url.url : url.toString()),
    renderError(ctx, out, error) {
      ctx.state["problem"] = { out, error };
      // The endpoints for programs answer programs, whatever these say that they accept.
      ctx.body = out;
    },
  };
}
