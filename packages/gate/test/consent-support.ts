import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { createConsentPages } from "../src/consent/pages.js";
import type { GateEvent } from "../src/events.js";
import type { Approval, ConsentClient, ConsentRequest, Consents } from "../src/oauth/consents.js";
import type { OAuthOptions } from "../src/options.js";
import { ownPaths } from "../src/paths.js";

export const passcode = "lusab-babad-gutih-tugad-mubip";

export const claude: ConsentClient = {
  id: "https://claude.ai/oauth/mcp",
  name: "Claude",
  documentHost: "claude.ai",
  redirectUri: "https://claude.ai/api/mcp/auth_callback",
  isLoopback: false,
};

export interface GateWorld {
  readonly origin: string;
  readonly events: GateEvent[];
  /** What became of the requests. */
  readonly ends: { readonly id: string; readonly approval: Approval | "denied" }[];
  /** The owner types a number. */
  approve(number: string): boolean;
  renew(passcode: string): void;
  /** A host sends this browser to consent. Returns the path of the page. */
  ask(
    browser: Pick<Browser, "cookies">,
    client?: Partial<ConsentClient>,
    more?: Partial<ConsentRequest>,
  ): string;
  /** The request at this path is over. */
  expire(path: string): void;
  close(): Promise<void>;
}

interface Waiting {
  readonly cookie: string;
  request: ConsentRequest;
}

/**
 * The pages over a real server, in front of a small authorization server that keeps requests and cookies.
 * `X-Test-Address` says the visitor's address. `publicOrigin`: if it is not the server's own.
 */
export async function startPages(options: OAuthOptions, publicOrigin?: string): Promise<GateWorld> {
  const waiting = new Map<string, Waiting>();
  const events: GateEvent[] = [];
  const ends: GateWorld["ends"] = [];
  const holds = ({ cookie }: Waiting, req: IncomingMessage): boolean =>
    (req.headers.cookie ?? "").split("; ").includes(cookie);
  const consents: Consents = {
    async find(id, req) {
      const found = waiting.get(id);
      return found !== undefined && holds(found, req) ? found.request : undefined;
    },
    again: () => false,
    approve(id, approved) {
      const found = waiting.get(id) as Waiting;
      found.request = { ...found.request, approved };
    },
    async grant(id, approval, req, res) {
      const found = waiting.get(id) as Waiting;
      if (!holds(found, req)) throw new Error("another browser's request was granted");
      waiting.delete(id);
      ends.push({ id, approval });
      res.writeHead(303, { Location: `${found.request.client.redirectUri}?code=the-code` }).end();
    },
    async deny(id, _req, res) {
      const found = waiting.get(id) as Waiting;
      waiting.delete(id);
      ends.push({ id, approval: "denied" });
      res.writeHead(303, { Location: `${found.request.client.redirectUri}?error=access_denied` }).end();
    },
  };
  const pages = await createConsentPages(options, consents, (event) => events.push(event));
  let fault: Error | undefined;
  const server = createServer((req, res) => {
    const address = req.headers["x-test-address"] as string | undefined;
    pages.handle(req, res, { origin, address }).catch((error: unknown) => {
      fault = error as Error;
      res.destroy();
    });
  });
  const own = `http://127.0.0.1:${await listen(server)}`;
  const origin = publicOrigin ?? own;
  let asked = 0;
  return {
    origin: own,
    events,
    ends,
    approve: (number) => pages.approve(number),
    renew: (renewed) => pages.renew(renewed),
    ask(browser, client = {}, more = {}) {
      const id = `request-${(asked += 1)}`;
      const cookie = `request-${id}=${Math.random()}`;
      const request: ConsentRequest = {
        id,
        client: { ...claude, ...client },
        resource: `${origin}/mcp`,
        expiresAtMs: Date.now() + 600_000,
        approved: undefined,
        ...more,
      };
      waiting.set(id, { cookie, request });
      browser.cookies.push(cookie);
      return ownPaths.consent + id;
    },
    expire: (path) => waiting.delete(path.slice(ownPaths.consent.length)),
    async close() {
      await closeServer(server);
      if (fault !== undefined) throw fault;
    },
  };
}

export async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}

export async function closeServer(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
}

/** What a page says and offers. */
export interface Seen {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly url: string;
}

/** A browser without script: cookies, forms, links, and pages that go on by themselves. */
export class Browser {
  readonly cookies: string[] = [];
  readonly address: string | undefined;
  readonly #origin: string;

  constructor(origin: string, address?: string) {
    this.#origin = origin;
    this.address = address;
  }

  /** `target`: a path, or a URL of another server, which gets no cookie. Redirects are not followed. */
  async send(target: string, init: RequestInit = {}): Promise<Seen> {
    const url = new URL(target, this.#origin);
    const cookies = url.origin === this.#origin ? this.cookies : [];
    const headers = new Headers(init.headers);
    if (cookies.length > 0) headers.set("Cookie", cookies.join("; "));
    if (this.address !== undefined) headers.set("X-Test-Address", this.address);
    const answer = await fetch(url, { ...init, headers, redirect: "manual" });
    return { status: answer.status, headers: answer.headers, text: await answer.text(), url: url.href };
  }

  get(target: string): Promise<Seen> {
    return this.send(target);
  }

  /** Presses the button of a form on the page, as a current browser sends it. */
  press(page: Seen, act: string, typed: Record<string, string> = {}): Promise<Seen> {
    const form = page.text.split("<form").find((part) => part.includes(`name="act" value="${act}"`)) ?? "";
    const action = /action="([^"]*)"/.exec(form)?.[1] as string;
    const token = /name="token" value="([^"]*)"/.exec(form)?.[1] as string;
    return this.post(new URL(action, page.url).href, { token, act, ...typed });
  }

  post(target: string, fields: Record<string, string>, headers: Record<string, string> = {}): Promise<Seen> {
    const own = { Origin: "null", "Sec-Fetch-Site": "same-origin" };
    return this.send(target, {
      method: "POST",
      body: new URLSearchParams(fields),
      headers: { ...own, ...headers },
    });
  }

  /** Goes where the page sends the browser: by a redirect, or by itself. */
  goOn(page: Seen): Promise<Seen> {
    return this.get(new URL(nextOf(page), page.url).href);
  }
}

/** Where a page sends the browser by itself. */
export function nextOf({ headers, text }: Seen): string {
  const refresh = /http-equiv="refresh" content="[0-9]+;url=([^"]*)"/.exec(text)?.[1];
  return headers.get("location") ?? (refresh ?? "").replaceAll("&amp;", "&");
}

export function numberOn({ text }: Seen): string {
  return /class="number">([^<]*)</.exec(text)?.[1] ?? "";
}
