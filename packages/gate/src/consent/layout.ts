import type { ServerResponse } from "node:http";
import { documentOf, html, type Page, pageFields } from "mcp-tunnel-shared/visitor-page";

export function sendPage(
  res: ServerResponse,
  status: number,
  page: Page,
  more: Readonly<Record<string, string>> = {},
): void {
  const body = Buffer.from(documentOf(page));
  const fields = { ...pageFields, "Cache-Control": "no-store", ...more };
  res.writeHead(status, { ...fields, "Content-Length": body.length });
  res.end(body);
}

/** Sends the browser to another page of the gate. Never in answer to a form that leads elsewhere. */
export function sendTo(res: ServerResponse, path: string): void {
  res.writeHead(303, { Location: path, "Cache-Control": "no-store", "Referrer-Policy": "no-referrer" });
  res.end();
}

/**
 * A page that the browser leaves by itself. It breaks the chain of redirects that began with a form: Chromium
 * applies `form-action` to all of that chain, and nobody knows to where a client or an OpenID provider
 * redirects in turn. It also is what stays in the window when the way ends at another program
 * (`cursor://...`).
 */
export function goOnPage(heading: string, text: string, link: string, url: string): Page {
  return {
    title: heading,
    refresh: { seconds: 0, url },
    body: html`<h1>${heading}</h1>
<p>${text}</p>
<a class="button" href="${url}">${link}</a>`,
  };
}
