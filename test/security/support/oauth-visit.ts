import { createHash, randomBytes } from "node:crypto";
import { expect } from "vitest";
import { type AskInit, type GatedTunnel, passcode, type Reply } from "./gated-world.js";

export const redirectUri = "https://host.test/callback";

/** A browser without script at a tunnel: it keeps cookies, and presses buttons. */
export class Browser {
  readonly cookies = new Map<string, string>();
  readonly #tunnel: GatedTunnel;

  constructor(tunnel: GatedTunnel) {
    this.#tunnel = tunnel;
  }

  async open(target: string, init: AskInit = {}): Promise<Reply> {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const headers = { ...(cookie !== "" && { cookie }), ...init.headers };
    const reply = await this.#tunnel.ask(target, { ...init, headers });
    for (const line of reply.headers["set-cookie"] ?? []) {
      const [, name = "", value = ""] = /^([^=]*)=([^;]*)/.exec(line) ?? [];
      if (/max-age=0(;|$)/i.test(line)) this.cookies.delete(name);
      else this.cookies.set(name, value);
    }
    return reply;
  }

  /** Types the passcode into the page at `path`. */
  async type(path: string, page: Reply, typed: string, init: AskInit = {}): Promise<Reply> {
    return this.open(path, {
      method: "POST",
      body: String(new URLSearchParams({ token: formToken(page), act: "passcode", passcode: typed })),
      ...init,
      headers: {
        "content-type": "application/x-www-form-urlencoded",
        ...{ origin: "null", "sec-fetch-site": "same-origin" },
        ...init.headers,
      },
    });
  }
}

export const formToken = ({ text }: Reply): string => /name="token" value="([^"]*)"/.exec(text)?.[1] ?? "";

/** Where a page or a redirect sends the browser. */
export function nextOf({ headers, text }: Reply): string {
  const refresh = /http-equiv="refresh" content="\d+;url=([^"]*)"/.exec(text)?.[1] ?? "";
  return headers.location ?? refresh.replaceAll("&amp;", "&");
}

/** A host that registers at a tunnel, and whose person has the consent page before him. */
export interface Asking {
  readonly tunnel: GatedTunnel;
  readonly browser: Browser;
  readonly clientId: string;
  readonly verifier: string;
  readonly path: string;
  readonly page: Reply;
}

export async function beginToConnect(tunnel: GatedTunnel): Promise<Asking> {
  const metadata = {
    client_name: "A host",
    redirect_uris: [redirectUri],
    token_endpoint_auth_method: "none",
  };
  const registered = await tunnel.ask("/.mcp-tunnel/register", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(metadata),
  });
  const { client_id: clientId } = JSON.parse(registered.text) as { client_id: string };
  const verifier = randomBytes(32).toString("base64url");
  const query = new URLSearchParams({
    ...{
      response_type: "code",
      client_id: clientId,
      redirect_uri: redirectUri,
      state: "st4te",
      scope: "mcp",
    },
    ...{ code_challenge_method: "S256", resource: `${tunnel.origin}/mcp` },
    code_challenge: createHash("sha256").update(verifier).digest("base64url"),
  });
  const browser = new Browser(tunnel);
  const path = nextOf(await browser.open(`/.mcp-tunnel/authorize?${query}`));
  return { tunnel, browser, clientId, verifier, path, page: await browser.open(path) };
}

/** The person types the passcode. Returns where the browser goes with the answer. */
export async function consent({ browser, path, page }: Asking): Promise<URL> {
  let reply = await browser.type(path, page, passcode);
  expect(reply.status).toBe(200);
  while (!nextOf(reply).startsWith("https:")) reply = await browser.open(nextOf(reply));
  return new URL(nextOf(reply));
}

export interface Tokens {
  readonly access_token: string;
  readonly refresh_token: string;
}

export async function askTokens(
  tunnel: GatedTunnel,
  fields: Readonly<Record<string, string>>,
): Promise<Reply> {
  return tunnel.ask("/.mcp-tunnel/token", {
    method: "POST",
    headers: { "content-type": "application/x-www-form-urlencoded" },
    body: String(new URLSearchParams(fields)),
  });
}

/** What a host sends to have its code turned into tokens. */
export const redemption = ({ clientId, verifier }: Asking, answer: URL): Record<string, string> => ({
  ...{
    grant_type: "authorization_code",
    client_id: clientId,
    redirect_uri: redirectUri,
    code_verifier: verifier,
  },
  code: answer.searchParams.get("code") ?? "",
});

/** The whole way of a host to a tunnel. */
export async function connect(tunnel: GatedTunnel): Promise<Asking & { answer: URL; tokens: Tokens }> {
  const asking = await beginToConnect(tunnel);
  const answer = await consent(asking);
  const { status, text } = await askTokens(tunnel, redemption(asking, answer));
  expect(status).toBe(200);
  return { ...asking, answer, tokens: JSON.parse(text) as Tokens };
}
