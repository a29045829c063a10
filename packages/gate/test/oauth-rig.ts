import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, request } from "node:http";
import type { IncomingHttpHeaders, Server } from "node:http";
import type { AddressInfo } from "node:net";
import { vi } from "vitest";
import type { GateEvent } from "../src/events.js";
import type { GrantStorage, StoredGrants } from "../src/grants.js";
import type { Network } from "../src/oauth/client-documents.js";
import type { ConsentPages, Consents } from "../src/oauth/consents.js";
import { createOAuth } from "../src/oauth/create.js";
import type { OAuth } from "../src/oauth/oauth.js";
import type { OAuthOptions } from "../src/options.js";
import { ownPaths } from "../src/paths.js";
import type { Identity, Visit } from "../src/visit.js";

export const origin = "https://demo.relay.test";
export const passcode = "correct horse battery staple";
export const redirectUri = "https://host.test/callback";

/** Pages that answer at once, as `decide` says. */
export type Decide = (id: string, consents: Consents) => "grant" | "deny" | "wait";

export interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly json: ReplyJson;
}

/** What the endpoints answer; the fields that tests read. */
export interface ReplyJson {
  readonly client_id: string;
  readonly client_secret?: string;
  readonly redirect_uris: string[];
  readonly access_token: string;
  readonly refresh_token: string;
  readonly id_token?: string;
  readonly error: string;
  readonly issuer: string;
  readonly resource: string;
}

interface RigOptions extends Partial<OAuthOptions> {
  readonly network?: Network;
  readonly origin?: string;
  readonly decide?: Decide;
}

export interface OAuthRig {
  readonly oauth: OAuth;
  readonly consents: Consents;
  readonly events: GateEvent[];
  readonly origin: string;
  decide: Decide;
  /** Sends a request to the gate's pages as whoever mounts them does. */
  ask(target: string, init?: AskInit): Promise<Reply>;
  browser(): Browser;
  close(): Promise<void>;
}

export interface AskInit {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly address?: string;
}

export async function startOAuth(options: RigOptions = {}): Promise<OAuthRig> {
  const events: GateEvent[] = [];
  const made: { consents?: Consents } = {};
  const rig: { decide: Decide } = { decide: options.decide ?? (() => "grant") };
  const makePages = (consents: Consents): ConsentPages => {
    made.consents = consents;
    return {
      async handle(req, res) {
        const id = (req.url ?? "").slice(ownPaths.consent.length);
        const found = await consents.find(id, req, res);
        if (found === undefined && consents.again(id, req, res)) return;
        if (found === undefined) return void res.writeHead(403).end("not yours, or over");
        const approval = found.approved ?? { by: "passcode" as const, user: "owner" };
        const decision = rig.decide(id, consents);
        if (decision === "grant") return await consents.grant(id, approval, req, res);
        if (decision === "deny") return await consents.deny(id, req, res);
        res.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify(found));
      },
      error(res, status, { title, text, back = "" }) {
        res.writeHead(status, { "Content-Type": "text/html" }).end(`${title}: ${text} ${back}`);
      },
      approve: () => false,
      renew() {},
    };
  };
  const { network, origin: at = origin, decide: _decide, ...oauthOptions } = options;
  const oauth = await createOAuth(
    { passcode, ...oauthOptions },
    makePages,
    (event) => events.push(event),
    network,
  );
  oauth.begin(at);
  const server = createServer(oauth.pages);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { consents } = made;
  if (consents === undefined) throw new Error("no pages were made");

  const ask = (target: string, init: AskInit = {}): Promise<Reply> => askServer(server, at, target, init);
  return Object.assign(rig, {
    ...{ oauth, consents, events, origin: at, ask },
    browser: () => new Browser(ask, at),
    async close() {
      server.close();
      server.closeAllConnections();
      await oauth.close();
    },
  });
}

async function askServer(server: Server, at: string, target: string, init: AskInit): Promise<Reply> {
  const { port } = server.address() as AddressInfo;
  const { host, protocol } = new URL(at);
  const req = request({
    ...{ host: "127.0.0.1", port, path: target, method: init.method ?? "GET", agent: false },
    headers: {
      host,
      "x-forwarded-proto": protocol.slice(0, -1),
      ...(init.address !== undefined && { "x-tunnel-visitor": init.address }),
      ...init.headers,
    },
  });
  req.end(init.body);
  const [res] = await once(req, "response");
  const chunks: Buffer[] = [];
  for await (const chunk of res) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString();
  const isJson = String(res.headers["content-type"]).includes("json") && text !== "";
  return { status: res.statusCode, headers: res.headers, text, json: isJson ? JSON.parse(text) : undefined };
}

/** A browser: it keeps cookies and follows redirects within the origin. */
export class Browser {
  readonly cookies = new Map<string, string>();
  /** Each `Set-Cookie` that it got. */
  readonly setCookies: string[] = [];
  readonly #ask: OAuthRig["ask"];
  readonly #origin: string;

  constructor(ask: OAuthRig["ask"], at: string) {
    this.#ask = ask;
    this.#origin = at;
  }

  async get(target: string, init: AskInit = {}): Promise<Reply> {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const headers = { accept: "text/html", ...(cookie !== "" && { cookie }), ...init.headers };
    const reply = await this.#ask(target, { ...init, headers });
    for (const line of reply.headers["set-cookie"] ?? []) this.#keep(line);
    return reply;
  }

  /** Follows redirects until one leads away, or a page is there. */
  async follow(target: string, init: AskInit = {}): Promise<Reply> {
    for (let next = target; ; ) {
      const reply = await this.get(next, init);
      const { location } = reply.headers;
      if (location === undefined) return reply;
      const url = new URL(location, this.#origin);
      if (url.origin !== this.#origin) return reply;
      next = url.pathname + url.search;
    }
  }

  #keep(line: string): void {
    this.setCookies.push(line);
    const [pair = ""] = line.split(";");
    const at = pair.indexOf("=");
    if (/max-age=0(;|$)/i.test(line)) this.cookies.delete(pair.slice(0, at));
    else this.cookies.set(pair.slice(0, at), pair.slice(at + 1));
  }
}

export interface Pkce {
  readonly verifier: string;
  readonly challenge: string;
}

export function drawPkce(): Pkce {
  const verifier = randomBytes(32).toString("base64url");
  return { verifier, challenge: createHash("sha256").update(verifier).digest("base64url") };
}

export async function register(rig: OAuthRig, metadata: object = {}, init: AskInit = {}): Promise<Reply> {
  return rig.ask(ownPaths.register, {
    method: "POST",
    body: JSON.stringify({
      ...{ client_name: "Test host", redirect_uris: [redirectUri], token_endpoint_auth_method: "none" },
      ...metadata,
    }),
    ...init,
    headers: { "content-type": "application/json", ...init.headers },
  });
}

export function authorizeTarget(params: Readonly<Record<string, string | undefined>>): string {
  const query = new URLSearchParams({ response_type: "code", state: "st4te", code_challenge_method: "S256" });
  for (const [name, value] of Object.entries({ redirect_uri: redirectUri, scope: "mcp", ...params })) {
    if (value === undefined) query.delete(name);
    else query.set(name, value);
  }
  return `${ownPaths.authorize}?${query}`;
}

/** Where a redirect leads to, with what it says. */
export function answerOf(reply: Reply): URLSearchParams {
  return new URL(reply.headers.location ?? "").searchParams;
}

export async function askTokens(
  rig: OAuthRig,
  fields: Readonly<Record<string, string>>,
  headers: Readonly<Record<string, string>> = {},
): Promise<Reply> {
  return rig.ask(ownPaths.token, {
    method: "POST",
    headers: { "content-type": "application/x-www-form-urlencoded", ...headers },
    body: String(new URLSearchParams(fields)),
  });
}

export interface Login {
  readonly clientId: string;
  readonly code: string;
  readonly pkce: Pkce;
  readonly redirectUri: string;
}

/** A client asks for a code, and somebody consents. */
export async function logIn(
  rig: OAuthRig,
  params: Readonly<Record<string, string | undefined>> & { readonly client_id: string },
  browser = rig.browser(),
): Promise<Login> {
  const pkce = drawPkce();
  const reply = await browser.follow(authorizeTarget({ code_challenge: pkce.challenge, ...params }));
  const code = answerOf(reply).get("code");
  if (code === null) throw new Error(`no code: ${reply.status} ${reply.headers.location} ${reply.text}`);
  return { clientId: params.client_id, code, pkce, redirectUri: params["redirect_uri"] ?? redirectUri };
}

export function redeem(
  rig: OAuthRig,
  login: Login,
  fields: Readonly<Record<string, string>> = {},
): Promise<Reply> {
  return askTokens(rig, {
    ...{ grant_type: "authorization_code", client_id: login.clientId, code: login.code },
    ...{ redirect_uri: login.redirectUri, code_verifier: login.pkce.verifier, ...fields },
  });
}

export function refresh(rig: OAuthRig, clientId: string, token: string): Promise<Reply> {
  return askTokens(rig, { grant_type: "refresh_token", client_id: clientId, refresh_token: token });
}

/** The whole way of a client that registers itself. */
export async function connect(
  rig: OAuthRig,
  params: Readonly<Record<string, string | undefined>> = {},
): Promise<{ clientId: string; access: string; refresh: string; login: Login }> {
  const { json } = await register(rig);
  const login = await logIn(rig, { client_id: json.client_id, ...params });
  const tokens = (await redeem(rig, login)).json;
  return { clientId: json.client_id, access: tokens.access_token, refresh: tokens.refresh_token, login };
}

export function identifyAt(
  rig: OAuthRig,
  token: string,
  target = "/mcp",
  at = rig.origin,
): Identity | undefined {
  const visit: Visit = { method: "POST", target, headers: [], address: undefined, origin: at };
  return rig.oauth.identify(token, visit);
}

/** A storage that keeps in memory what a file would keep, written as JSON. */
export class FakeStorage implements GrantStorage {
  written: string | undefined;
  revokedBefore: readonly string[] = [];
  revoke: (ids: readonly string[]) => void = () => {};

  read(): StoredGrants | undefined {
    return this.written === undefined ? undefined : JSON.parse(this.written);
  }

  get stored(): StoredGrants {
    return JSON.parse(this.written ?? "null");
  }

  changed(snapshot: () => StoredGrants): void {
    this.written = JSON.stringify(snapshot());
  }

  onRevoke(listener: (ids: readonly string[]) => void): void {
    this.revoke = listener;
    if (this.revokedBefore.length > 0) listener(this.revokedBefore);
  }

  async close(): Promise<void> {}
}

/** From here on the clock stands still, and goes on by the result alone. Undone by `vi.useRealTimers`. */
export function stopClock(): (seconds: number) => void {
  let now = Date.now();
  vi.useFakeTimers({ toFake: ["Date"], now });
  return (seconds) => vi.setSystemTime((now += seconds * 1_000));
}
