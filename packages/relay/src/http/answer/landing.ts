import { page, pagePolicy } from "./page.js";
import type { VisitorRequest, VisitorResponse } from "../message.js";

/**
 * Answers a request to the domain itself. The page says nothing about clients, and nothing about the
 * operator. `exampleUrl`: the public URL of a tunnel `myapp`. `requireVisitorAuth`: tunnels need a gate.
 * Returns the status and the bytes of the body.
 */
export function landing(
  req: VisitorRequest,
  res: VisitorResponse,
  path: string,
  exampleUrl: string,
  requireVisitorAuth: boolean,
): { status: number; bytes: number } {
  const isPage = path === "/" || path.startsWith("/?");
  const readable = req.method === "GET" || req.method === "HEAD";
  const content = isPage ? landingPage(exampleUrl, requireVisitorAuth) : "not found";
  const status = !isPage ? 404 : readable ? 200 : 405;
  const headers = [
    "Content-Type",
    isPage && readable ? "text/html; charset=utf-8" : "text/plain; charset=utf-8",
    "Content-Security-Policy",
    pagePolicy,
    "Cache-Control",
    "no-cache",
  ];
  if (status === 405) headers.push("Allow", "GET, HEAD");
  const payload = Buffer.from(status === 405 ? "method not allowed" : content);
  headers.push("Content-Length", String(payload.length));
  res.writeHead(status, headers);
  res.end(payload);
  return { status, bytes: req.method === "HEAD" ? 0 : payload.length };
}

function landingPage(exampleUrl: string, requireVisitorAuth: boolean): string {
  // The page does not say how to install the client: the owner of a package that it named would get the
  // tokens. Of the operator's template only scheme, host and port are shown.
  const { origin } = new URL(exampleUrl);
  const relay = origin.replace("//myapp.", "//");
  // Where visitors come over plain http, OAuth cannot work.
  const kinds = relay.startsWith("https:") ? "oauth,bearer" : "bearer";
  const gate = requireVisitorAuth ? ` --visitor-auth ${kinds}` : "";
  return page(
    new URL(relay).host,
    `<h1>A tunnel relay</h1>
<p>It gives services on private machines a public address: the tunnel <code>myapp</code> is at
<code>${origin}</code>.</p>
<p>Whoever runs this relay gives out the client and tokens. With both, this opens that tunnel for a service on port 3000:</p>
<pre>mcp-tunnel-client 3000 \\
  --relay ${relay} \\
  --subdomain myapp --token TOKEN${gate}</pre>`,
  );
}
