import { headerValue } from "mcp-tunnel-protocol";
import type { VisitorRequest } from "../message.js";

const style =
  ":root{color-scheme:light dark}" +
  "body{font:16px/1.6 system-ui,sans-serif;max-width:40rem;margin:16vh auto 2rem;padding:0 1.5rem}" +
  "h1{font-size:1.6rem;line-height:1.25;margin:0 0 1rem}h1::first-letter{text-transform:uppercase}" +
  "code,pre{font:0.9em/1.5 ui-monospace,monospace;background:#8882;border-radius:6px}" +
  "code{padding:.15em .35em}pre{padding:1rem;white-space:pre-wrap;overflow-wrap:anywhere}" +
  "a{color:inherit}small{opacity:.7}";

const entities: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

/** Text escaped for HTML, between tags or in double quotes. */
export function htmlText(text: string): string {
  return text.replace(/[&<>"]/g, (char) => entities[char] as string);
}

/**
 * A page of the relay's own, which loads nothing from elsewhere. `title` and `body` are HTML: text of a
 * visitor may stand in them only if it is escaped.
 */
export function page(title: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="robots" content="noindex">
<title>${title}</title>
<style>${style}</style>
</head>
<body>
${body}
</body>
</html>
`;
}

/** What the pages may load and do: their own style, and nothing else. */
export const pagePolicy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";

/** The visitor is a browser that shows a page, or says so. */
export function wantsHtml({ rawHeaders }: Pick<VisitorRequest, "rawHeaders">): boolean {
  return headerValue(rawHeaders, "accept")?.toLowerCase().includes("text/html") === true;
}
