import type { VisitorRequest, VisitorResponse } from "./visitor.js";

/**
 * Answers with what the domain itself shows: nothing about who is connected, and nothing about the operator. Returns
 * the status and the bytes of the body.
 */
export function landing(
  req: VisitorRequest,
  res: VisitorResponse,
  path: string,
  domain: string,
): { status: number; bytes: number } {
  const isPage = path === "/" || path.startsWith("/?");
  const readable = req.method === "GET" || req.method === "HEAD";
  const content = isPage ? page(domain) : "not found";
  const status = !isPage ? 404 : readable ? 200 : 405;
  const headers = [
    "Content-Type",
    isPage && readable ? "text/html; charset=utf-8" : "text/plain; charset=utf-8",
    "Content-Security-Policy",
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
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

/** `domain` is the operator's option, checked to be a host name. */
function page(domain: string): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${domain}</title>
<style>body{font:16px/1.5 system-ui,sans-serif;margin:15vh auto;max-width:40rem;padding:0 1rem;color-scheme:light dark}pre{overflow:auto}</style>
</head><body><h1>A tunnel relay</h1>
<p>Services are at <code>NAME.${domain}</code>. To put a local one there:</p>
<pre>npx mcp-tunnel-client 3000 --relay https://${domain} --token TOKEN --subdomain NAME</pre>
</body></html>
`;
}
