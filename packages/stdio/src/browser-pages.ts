import { documentOf, html, type Page, pageFields, wantsHtml } from "mcp-tunnel-shared/visitor-page";

/** The visitor is a browser in which a person has opened an address. No client of MCP asks for a page. */
export function isBrowser(request: Request): boolean {
  return wantsHtml(request.headers.get("Accept"));
}

/** For a person who has opened the endpoint of a server. */
export function endpointPage(request: Request): Response {
  const { origin, pathname } = new URL(request.url);
  const title = "This is an MCP server";
  // What it has no form for that a browser takes (RFC 9110 section 15.5.7).
  return pageResponse(406, {
    title,
    body: html`<h1>${title}</h1>
<p>Programs use it, and there is nothing to see in a browser. To use it, add this address to your MCP host,
such as an assistant or an editor:</p>
<pre>${origin + pathname}</pre>`,
  });
}

/** For a person who has opened another path. `path`: where the server is, or a form for several of them. */
export function elsewherePage(request: Request, path: string): Response {
  const { origin } = new URL(request.url);
  const title = "Nothing is here";
  const way = path.includes("<")
    ? html`<p>MCP servers are at <code>${path}</code>. Whoever runs them says what they are called.</p>`
    : html`<p>The MCP server is at <a href="${path}">${origin + path}</a>.</p>`;
  return pageResponse(404, { title, body: html`<h1>${title}</h1>\n${way}` });
}

function pageResponse(status: number, page: Page): Response {
  return new Response(documentOf(page), { status, headers: { ...pageFields, "Cache-Control": "no-store" } });
}
