import { createHash, randomBytes, randomInt } from "node:crypto";
import type { Dispatcher } from "undici";
import { expect } from "vitest";
import type { AuthMethod, Demand, Host } from "./host.js";
import { Person } from "./person.js";
import { RawMcp } from "./raw-mcp.js";
import { type Answer, HostFetch } from "./host-fetch.js";

type Json = Record<string, unknown>;

interface Client {
  readonly id: string;
  readonly secret: string | undefined;
  readonly method: AuthMethod;
}

interface Found {
  readonly server: Json;
  readonly resource: Json | undefined;
  readonly challengedScope: string | undefined;
}

/** A host of hosts.ts that visits a server at `url`, with one of its redirect URIs. */
export class ScriptedHost {
  readonly #host: Host;
  readonly #url: string;
  readonly #redirectUri: string;
  readonly #port = String(randomInt(20_000, 60_000));
  readonly #fetch: HostFetch;
  readonly #mcp: RawMcp;
  readonly #person: Person;
  #found: Found | undefined;
  #client: Client | undefined;
  #refreshToken: string | undefined;
  /** What it shows with each request. */
  #token: string | undefined;

  constructor(host: Host, url: string, redirectUri: string, dispatcher: Dispatcher) {
    this.#host = host;
    this.#url = url;
    this.#redirectUri = this.#withPort(redirectUri);
    this.#fetch = new HostFetch(dispatcher, host.origin);
    this.#mcp = new RawMcp(this.#fetch, url, host.name);
    this.#person = new Person(dispatcher);
  }

  /**
   * Does all that a host does from the first 401 to the access token, which it returns. Somebody at a browser
   * types the passcode.
   */
  async logIn(passcode: string): Promise<string> {
    this.#found = await this.#discover();
    this.#meetDemands(this.#found);
    this.#client = await this.#identify(this.#found.server);
    const verifier = randomBytes(48).toString("base64url");
    // VS Code's state is a URI, with characters that have to be escaped.
    const state = `vscode://dynamicauthprovider/x/authorize?nonce=${randomBytes(12).toString("base64url")}`;
    const callback = await this.#person.consent(this.#authorizationUrl(verifier, state), passcode);
    const code = this.#readCallback(callback, state);
    return this.#askForTokens("token", {
      grant_type: "authorization_code",
      code,
      redirect_uri: this.#redirectUri,
      code_verifier: verifier,
    });
  }

  /** Returns a new access token. @throws Error with the server's answer, if it does not give one. */
  async refresh(): Promise<string> {
    return this.#askForTokens("refresh", {
      grant_type: "refresh_token",
      refresh_token: this.#refreshToken as string,
    });
  }

  /** Comes with a key in place of a login, as `headers` of its configuration say. */
  useKey(key: string): void {
    this.#token = key;
  }

  callTool(name: string, args: Json): Promise<string> {
    return this.#mcp.callTool(name, args, this.#token);
  }

  /**
   * What the server answers to a request with this token. Default: the token of the login, if there was one.
   */
  visit(token: string | undefined = this.#token): Promise<Answer> {
    return this.#mcp.send({ jsonrpc: "2.0", id: 7, method: "ping" }, token);
  }

  async #discover(): Promise<Found> {
    const refused = await this.visit();
    expect(refused.status, refused.text).toBe(401);
    const challenge = refused.header("www-authenticate") ?? "";
    const challengedScope = parameter(challenge, "scope");
    const { origin, pathname } = new URL(this.#url);
    if (this.#host.finds === "nothing") {
      return { server: await this.#serverMetadata(origin), resource: undefined, challengedScope };
    }
    const wellKnown = `${origin}/.well-known/oauth-protected-resource`;
    const address = {
      "by challenge": parameter(challenge, "resource_metadata"),
      "by address": wellKnown + pathname,
      "at the root": wellKnown,
    }[this.#host.finds];
    if (address === undefined) throw new Error(`no resource_metadata in ${challenge}`);
    const resource = await this.#metadata(address);
    if (resource === undefined) throw new Error(`nothing at ${address}`);
    const [issuer] = resource["authorization_servers"] as string[];
    return { server: await this.#serverMetadata(issuer as string), resource, challengedScope };
  }

  /** The answer has to say the issuer for which it was asked (RFC 8414 section 3.3). */
  async #serverMetadata(issuer: string): Promise<Json> {
    for (const name of this.#host.asks) {
      const metadata = await this.#metadata(new URL(`/.well-known/${name}`, issuer).href);
      if (metadata === undefined) continue;
      expect(metadata["issuer"]).toBe(issuer);
      return metadata;
    }
    throw new Error(`no metadata of ${issuer}`);
  }

  /** Undefined for 404. SDK 1 does not go on after anything else. */
  async #metadata(url: string): Promise<Json | undefined> {
    const answer = await this.#fetch.read(url);
    if (answer.status === 404) return undefined;
    expect(answer.status, `${url}: ${answer.text}`).toBe(200);
    return json(answer);
  }

  #meetDemands({ server, resource }: Found): void {
    const meets: Record<Demand, () => void> = {
      "resource is the URL": () => expect(resource?.["resource"]).toBe(this.#url),
      "documents and none": () => {
        expect(server["client_id_metadata_document_supported"]).toBe(true);
        expect(server["token_endpoint_auth_methods_supported"]).toContain("none");
      },
      "grant types": () => {
        const grants = expect(server["grant_types_supported"]);
        grants.toEqual(expect.arrayContaining(["authorization_code", "refresh_token"]));
      },
      S256: () => expect(server["code_challenge_methods_supported"]).toContain("S256"),
      registration: () => expect(server["registration_endpoint"]).toBeTypeOf("string"),
    };
    for (const demand of this.#host.demands) meets[demand]();
    if (this.#host.iss === "dropped") {
      expect(server["authorization_response_iss_parameter_supported"]).not.toBe(true);
    }
  }

  async #identify(server: Json): Promise<Client> {
    const { identity, authMethods } = this.#host;
    const announced = server["token_endpoint_auth_methods_supported"] as string[];
    const method = authMethods.find((candidate) => announced.includes(candidate));
    if (method === undefined) throw new Error(`no method among ${announced.join(", ")}`);
    if (identity.by === "document") return { id: identity.document.client_id, secret: undefined, method };
    const answer = await this.#fetch.send(server["registration_endpoint"] as string, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(this.#registration(server)),
    });
    expect(answer.status, answer.text).toBe(201);
    const registered = json(answer);
    expect(registered["redirect_uris"]).toContain(this.#portless(registered["redirect_uris"] as string[]));
    return {
      id: registered["client_id"] as string,
      secret: registered["client_secret"] as string | undefined,
      // The server may have put another method in its place (RFC 7591 section 3.2.1).
      method: (registered["token_endpoint_auth_method"] as AuthMethod | undefined) ?? method,
    };
  }

  /** The redirect URI as it was registered: a port may be left out there (RFC 8252 section 7.3). */
  #portless(registered: readonly string[]): string {
    if (registered.includes(this.#redirectUri)) return this.#redirectUri;
    const url = new URL(this.#redirectUri);
    url.port = "";
    return url.href;
  }

  #registration(server: Json): Json {
    const { identity } = this.#host;
    if (identity.by !== "registration") throw new Error("it has a document");
    const { body, namesScope, onlyAnnouncedGrants } = identity;
    const scope = this.#scope();
    return {
      ...body,
      redirect_uris: body.redirect_uris.map((uri) => this.#withPort(uri)),
      ...(namesScope ? { scope: scope ?? "" } : {}),
      ...(onlyAnnouncedGrants === true
        ? {
            grant_types: (body["grant_types"] as string[]).filter((grant) =>
              (server["grant_types_supported"] as string[]).includes(grant),
            ),
          }
        : {}),
    };
  }

  #scope(): string | undefined {
    const { scope, addsScope } = this.#host;
    const { challengedScope, resource, server } = this.#found as Found;
    const supported = (resource?.["scopes_supported"] ?? server["scopes_supported"] ?? []) as string[];
    const words = {
      challenged: [challengedScope ?? supported.join(" ")],
      supported,
      none: [],
    }[scope];
    const all = [...words, ...(addsScope === undefined ? [] : [addsScope])].join(" ");
    return all === "" ? undefined : all;
  }

  #authorizationUrl(verifier: string, state: string): URL {
    const { server } = this.#found as Found;
    const url = new URL(server["authorization_endpoint"] as string);
    const parameters = {
      response_type: "code",
      client_id: (this.#client as Client).id,
      redirect_uri: this.#redirectUri,
      code_challenge: createHash("sha256").update(verifier).digest("base64url"),
      code_challenge_method: "S256",
      state,
      scope: this.#scope(),
      prompt: this.#host.prompt,
      ...this.#resource("authorize"),
    };
    for (const [name, value] of Object.entries(parameters)) {
      if (value !== undefined) url.searchParams.set(name, value);
    }
    return url;
  }

  #resource(step: Host["namesResource"][number]): { resource?: string } {
    const { resource } = this.#found as Found;
    if (!this.#host.namesResource.includes(step) || resource === undefined) return {};
    return { resource: resource["resource"] as string };
  }

  /** The code. It is taken from the query as it stands there, as VS Code does. */
  #readCallback(callback: URL, state: string): string {
    expect(callback.href.split("?")[0]).toBe(this.#redirectUri);
    const { searchParams } = callback;
    expect(searchParams.get("error"), callback.href).toBeNull();
    expect(searchParams.get("state")).toBe(state);
    if (this.#host.iss === "checked") this.#checkIssuer(searchParams.get("iss"));
    const code = /[?&]code=([^&]+)/.exec(callback.search)?.[1];
    if (code === undefined) throw new Error(`no code in ${callback.href}`);
    return code;
  }

  /** RFC 9207 section 2.4. */
  #checkIssuer(iss: string | null): void {
    const { server } = this.#found as Found;
    const isAnnounced = server["authorization_response_iss_parameter_supported"] === true;
    if (isAnnounced || iss !== null) expect(iss).toBe(server["issuer"]);
  }

  async #askForTokens(step: "token" | "refresh", fields: Record<string, string>): Promise<string> {
    const { id, secret, method } = this.#client as Client;
    const isBasic = method === "client_secret_basic";
    if (method === "private_key_jwt") throw new Error("the keys are the host's own");
    const answer = await this.#fetch.send((this.#found as Found).server["token_endpoint"] as string, {
      method: "POST",
      headers: {
        "content-type": "application/x-www-form-urlencoded",
        accept: "application/json",
        ...(isBasic ? { authorization: basic(id, secret ?? "") } : {}),
      },
      body: new URLSearchParams({
        ...fields,
        ...(isBasic ? {} : { client_id: id }),
        ...(method === "client_secret_post" ? { client_secret: secret ?? "" } : {}),
        ...this.#resource(step),
      }).toString(),
    });
    if (answer.status !== 200) throw new Error(`${step}: ${answer.status} ${answer.text}`);
    const tokens = json(answer);
    expect(String(tokens["token_type"]).toLowerCase()).toBe("bearer");
    expect(tokens["expires_in"]).toBeTypeOf("number");
    expect(tokens["refresh_token"]).toBeTypeOf("string");
    this.#refreshToken = tokens["refresh_token"] as string;
    this.#token = tokens["access_token"] as string;
    return this.#token;
  }

  #withPort(uri: string): string {
    return uri.replace("{port}", this.#port);
  }
}

/** A parameter of a challenge with quoted values. */
function parameter(challenge: string, name: string): string | undefined {
  return new RegExp(`[ ,]${name}="([^"]*)"`).exec(challenge)?.[1];
}

function json({ text }: Answer): Json {
  return JSON.parse(text) as Json;
}

function basic(id: string, secret: string): string {
  const pair = `${encodeURIComponent(id)}:${encodeURIComponent(secret)}`;
  return `Basic ${Buffer.from(pair).toString("base64")}`;
}
