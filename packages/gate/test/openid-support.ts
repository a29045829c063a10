import { generateKeyPairSync } from "node:crypto";
import { createServer, type Server } from "node:http";
import Provider from "oidc-provider";
import { closeServer, listen } from "./consent-support.js";

export interface TestProvider {
  readonly issuer: string;
  /** Who logs in from now on, as the provider knows him. */
  account: Readonly<Record<string, unknown>>;
  /** What the token endpoint was asked for: the fields `Authorization` that came. */
  readonly authorizations: (string | undefined)[];
  /** A person follows a link to the provider, and logs in. Returns the URL to which he is sent back. */
  logIn(url: string): Promise<string>;
  close(): Promise<void>;
}

/** It takes a while to draw one. */
const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const jwk = { ...(privateKey.export({ format: "jwk" }) as { kty: string }), use: "sig" };

export const clientSecret = "a secret with % and : in it";

/**
 * An OpenID provider with two clients: `gate` of the gate, and `other`. `isClaimsInToken`: it writes the
 * e-mail address into the id token; otherwise it tells it at the userinfo endpoint.
 */
export async function startProvider(
  redirectUri: string,
  settings: { isClaimsInToken?: boolean; methods?: string[] } = {},
): Promise<TestProvider> {
  const server: Server = createServer();
  const issuer = `http://127.0.0.1:${await listen(server)}`;
  const method = settings.methods?.[0] ?? "client_secret_basic";
  const provider = new Provider(issuer, {
    clients: ["gate", "other"].map((client_id) => ({
      client_id,
      client_secret: clientSecret,
      redirect_uris: [redirectUri],
      token_endpoint_auth_method: method as "client_secret_basic",
    })),
    clientAuthMethods: (settings.methods ?? ["client_secret_basic", "client_secret_post"]) as [],
    claims: { email: ["email", "email_verified"] },
    conformIdTokenClaims: settings.isClaimsInToken !== true,
    cookies: { keys: ["a key of the test"] },
    features: { devInteractions: { enabled: false } },
    interactions: { url: (_ctx, { uid }) => `/interaction/${uid}` },
    jwks: { keys: [jwk] },
    findAccount: (_ctx, accountId) => ({ accountId, claims: () => ({ sub: accountId, ...known.account }) }),
    async loadExistingGrant(ctx) {
      const { client, session } = ctx.oidc;
      if (client === undefined || session?.accountId === undefined) return undefined;
      const grant = new ctx.oidc.provider.Grant({ clientId: client.clientId, accountId: session.accountId });
      grant.addOIDCScope("openid email");
      await grant.save();
      return grant;
    },
  });
  const callback = provider.callback();
  server.on("request", (req, res) => {
    if (req.url === "/token") known.authorizations.push(req.headers.authorization);
    if (req.url?.startsWith("/interaction/") !== true) return void callback(req, res);
    void provider.interactionFinished(req, res, { login: { accountId: "somebody" } });
  });
  const known: TestProvider = {
    issuer,
    account: { email: "ann@example.com", email_verified: true },
    authorizations: [],
    async logIn(url) {
      const cookies = new Map<string, string>();
      let next = url;
      while (next.startsWith(issuer)) {
        const Cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join("; ");
        const answer = await fetch(next, { headers: { Cookie }, redirect: "manual" });
        for (const set of answer.headers.getSetCookie()) {
          const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(set) ?? [];
          cookies.set(name, value);
        }
        const location = answer.headers.get("location");
        if (location === null) throw new Error(`no way on: ${answer.status} ${await answer.text()}`);
        next = new URL(location, next).href;
      }
      return next;
    },
    close: () => closeServer(server),
  };
  return known;
}
