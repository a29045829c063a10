import { TunnelError } from "mcp-tunnel-protocol";
import { isLoopback, messageOf } from "mcp-tunnel-shared";
import * as openid from "openid-client";
import type { LoginOptions } from "../options.js";
import { ownPaths } from "../paths.js";
import { EmailList } from "./emails.js";
import { type Waiting, WaitingRoom } from "./waiting-room.js";

/** How long the OpenID provider has for each answer. */
const timeoutSeconds = 10;

/** How a login has ended. */
export type LoginEnd =
  | { readonly kind: "in"; readonly email: string }
  /** He has logged in, but may not come in. */
  | { readonly kind: "not_on_list" }
  /** `reason`: for the owner, if it is not the visitor's doing. */
  | { readonly kind: "failed"; readonly reason?: string };

/** A login that somebody has begun. What it was begun for and by whom is never taken from what comes back. */
interface Started extends Waiting {
  readonly verifier: string;
  readonly nonce: string;
}

/** Asks an OpenID provider who somebody is (OpenID Connect Core 1.0 section 3.1, with PKCE). */
export class Login {
  /** The host of the provider. */
  readonly host: string;
  readonly #config: openid.Configuration;
  readonly #emails: EmailList;
  /** By their `state`. */
  readonly #started = new WaitingRoom<Started>(1_000, 20);

  constructor(config: openid.Configuration, emails: EmailList, host: string) {
    this.#config = config;
    this.#emails = emails;
    this.host = host;
  }

  /** Where the browser has to go. Only a person who has consented is sent there. */
  async start(waiting: Waiting, origin: string): Promise<string> {
    const state = openid.randomState();
    const verifier = openid.randomPKCECodeVerifier();
    const nonce = openid.randomNonce();
    this.#started.add(state, { ...waiting, verifier, nonce });
    const url = openid.buildAuthorizationUrl(this.#config, {
      redirect_uri: origin + ownPaths.loggedIn,
      scope: "openid email",
      state,
      nonce,
      code_challenge: await openid.calculatePKCECodeChallenge(verifier),
      code_challenge_method: "S256",
    });
    return url.href;
  }

  /** The request for consent for which the login with this answer was begun. */
  requestOf(search: string): string | undefined {
    return this.#started.get(stateOf(search))?.request;
  }

  /**
   * Takes the provider's answer. Whoever calls this has made sure that the browser is the one that asked for
   * `request`. Otherwise a stranger could begin a login and let somebody else end it (CVE-2026-27124).
   */
  async finish(request: string, search: string, origin: string): Promise<LoginEnd> {
    const state = stateOf(search);
    const started = this.requestOf(search) === request ? this.#started.take(state) : undefined;
    if (started === undefined) return { kind: "failed" };
    try {
      const { email, email_verified: isVerified } = await this.#claimsOf(started, state, search, origin);
      // An address that is not verified is what somebody has typed: anybody's.
      const listed = typeof email === "string" && isVerified === true ? this.#emails.find(email) : undefined;
      return listed === undefined ? { kind: "not_on_list" } : { kind: "in", email: listed };
    } catch (error) {
      // This error stands in the URL that the visitor has brought.
      if (error instanceof openid.AuthorizationResponseError) return { kind: "failed" };
      return { kind: "failed", reason: messageOf(error) };
    }
  }

  /** The claims are in the id token, or at the userinfo endpoint (OpenID Connect Core 1.0 section 5.4). */
  async #claimsOf(
    started: Started,
    state: string,
    search: string,
    origin: string,
  ): Promise<Readonly<Record<string, unknown>>> {
    // The library checks `state`, and `iss` if the provider announces it (RFC 9207).
    const tokens = await openid.authorizationCodeGrant(
      this.#config,
      new URL(origin + ownPaths.loggedIn + search),
      { expectedState: state, expectedNonce: started.nonce, pkceCodeVerifier: started.verifier },
    );
    const claims = tokens.claims();
    if (claims === undefined) throw new Error("the OpenID provider sent no id token");
    const isElsewhere =
      claims["email"] === undefined && this.#config.serverMetadata().userinfo_endpoint !== undefined;
    return isElsewhere ? openid.fetchUserInfo(this.#config, tokens.access_token, claims.sub) : claims;
  }
}

/**
 * Asks the provider for its configuration, so that a wrong issuer is known before anybody needs it.
 * @throws TunnelError `invalid_option`, or `unavailable` if the provider does not answer.
 */
export async function createLogin(options: LoginOptions): Promise<Login> {
  const issuer = issuerOf(options.issuer);
  const emails = new EmailList(options.allowEmails);
  const isPlain = issuer.protocol === "http:";
  try {
    const config = await openid.discovery(issuer, options.clientId, undefined, authenticationOf(options), {
      timeout: timeoutSeconds,
      execute: isPlain ? [openid.allowInsecureRequests] : [],
    });
    return new Login(config, emails, issuer.host);
  } catch (error) {
    const message = `the OpenID provider ${issuer.href} did not say how it is used: ${withCause(error)}`;
    throw new TunnelError("unavailable", message, { cause: error, options: ["issuer"] });
  }
}

/** `fetch` itself says only that it failed. */
function withCause(error: unknown): string {
  const message = messageOf(error);
  let deepest = error;
  while (deepest instanceof Error && deepest.cause !== undefined) deepest = deepest.cause;
  const why = messageOf(deepest);
  return message.includes(why) ? message : `${message} (${why})`;
}

function issuerOf(text: string): URL {
  const issuer = URL.canParse(text) ? new URL(text) : undefined;
  const isSafe =
    issuer?.protocol === "https:" || (issuer?.protocol === "http:" && isLoopback(issuer.hostname));
  if (issuer !== undefined && isSafe) return issuer;
  const message = "the issuer has to be an https URL (or an http URL of this machine)";
  throw new TunnelError("invalid_option", message, { options: ["issuer"] });
}

/** The secret goes into the header unless the provider says otherwise (OpenID Connect Discovery 1.0). */
function authenticationOf({ clientSecret }: LoginOptions): openid.ClientAuth {
  if (clientSecret === undefined) return openid.None();
  const inHeader = openid.ClientSecretBasic(clientSecret);
  const inBody = openid.ClientSecretPost(clientSecret);
  return (server, ...rest) => {
    const methods = server.token_endpoint_auth_methods_supported ?? ["client_secret_basic"];
    return (methods.includes("client_secret_basic") ? inHeader : inBody)(server, ...rest);
  };
}

function stateOf(search: string): string {
  return new URLSearchParams(search).get("state") ?? "";
}
