import { Html, html, type Page } from "mcp-tunnel-shared/visitor-page";
import { relayUrl } from "../../tunnels/public-url.js";
import type { Operator } from "./operator.js";
import { type Content, pageContent, plainContent, simplePage, wantsHtml } from "./page.js";
import type { VisitorRequest, VisitorResponse } from "../message.js";

/** What the relay's own page tells. */
export interface LandingFacts {
  /** The public URL of a tunnel `myapp`. */
  readonly exampleUrl: string;
  /** Tunnels need a gate. */
  readonly requireVisitorAuth: boolean;
  /** Where the relay hands out its client, if this visitor can have it. */
  readonly client: { readonly path: string } | undefined;
  readonly operator: Operator;
}

/**
 * Answers a request to the domain itself. The page says nothing about clients that are connected, and of the
 * operator what he has given for it. Returns the status and the bytes of the body.
 */
export function landing(
  req: VisitorRequest,
  res: VisitorResponse,
  path: string,
  facts: LandingFacts,
): { status: number; bytes: number } {
  const isPage = path === "/" || path.startsWith("/?");
  const readable = req.method === "GET" || req.method === "HEAD";
  const status = !isPage ? 404 : readable ? 200 : 405;
  const { type = "", text, fields } = represent(req, status, facts);
  const payload = Buffer.from(text);
  const headers = ["Content-Type", type, "Content-Length", String(payload.length)];
  headers.push(...fields, "Cache-Control", "no-cache");
  if (status === 405) headers.push("Allow", "GET, HEAD");
  res.writeHead(status, headers);
  res.end(payload);
  return { status, bytes: req.method === "HEAD" ? 0 : payload.length };
}

function represent(req: VisitorRequest, status: 200 | 404 | 405, facts: LandingFacts): Content {
  if (status === 200) return pageContent(landingPage(facts), facts.operator);
  const heading = status === 404 ? "not found" : "method not allowed";
  if (!wantsHtml(req)) return plainContent(heading);
  const way = html` <a href="/">how to open a tunnel</a>.`;
  const page = simplePage(heading, heading, "This relay has one page of its own:", way);
  return pageContent(page, facts.operator);
}

/**
 * Whether an answer is the page of a relay, for the doctor: a page says the same as long as a relay lives.
 */
export function isLandingPage({ text }: { readonly text: string }): boolean {
  return text.includes(heading);
}

const heading = "<h1>A tunnel relay</h1>";

function landingPage({ exampleUrl, requireVisitorAuth, client }: LandingFacts): Page {
  const relay = relayUrl(exampleUrl);
  const isPrivate = relay.startsWith("https:");
  // Where visitors come over plain http, OAuth cannot work.
  const gate = requireVisitorAuth ? ` --visitor-auth ${isPrivate ? "oauth,bearer" : "bearer"}` : "";
  const { program, intro, trust } =
    client === undefined || !isPrivate ? byHand : fetched(`${relay}${client.path}`);
  return {
    title: new URL(relay).host,
    isWide: true,
    body: html`${new Html(heading)}
<p>It gives services on private machines a public address: the tunnel <code>myapp</code> is at
<code>${new URL(exampleUrl).origin}</code>.</p>
<p>${intro} opens that tunnel for a service on port 3000:</p>
<pre>${program} \\
  3000 --relay ${relay} \\
  --subdomain myapp --token TOKEN${gate}</pre>${trust}`,
  };
}

/** How people come to the client. No text names a package of a registry: its owner would get the tokens. */
interface WayToClient {
  readonly program: string;
  readonly intro: string;
  readonly trust: Html | undefined;
}

const byHand: WayToClient = {
  program: "mcp-tunnel-client",
  intro: "Whoever runs this relay gives out the client and tokens. With both, this",
  trust: undefined,
};

/** `url`: where this relay hands out the client. */
function fetched(url: string): WayToClient {
  return {
    program: `npx -y ${url}`,
    intro: "Whoever runs this relay gives out tokens. With one, and with Node.js, this",
    trust: html`
<p class="hint"><code>npx</code> fetches the client from this relay and runs it on your machine:
run it only if you trust whoever runs this relay.</p>`,
  };
}
