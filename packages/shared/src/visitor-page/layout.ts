import { createHash } from "node:crypto";
import { Html, html } from "./html.js";

const style = `
:root{color-scheme:light dark;--text:#1b1f24;--soft:#57606a;--back:#f6f7f9;--card:#fff;--line:#d0d7de;
--field:#818b98;--accent:#0b5cad;--on-accent:#fff;--bad:#a40e26;--bad-back:#fff0f1;--warn:#6f4400;
--warn-back:#fff7e0}
@media(prefers-color-scheme:dark){:root{--text:#e6edf3;--soft:#a2abb5;--back:#0d1117;--card:#161b22;
--line:#30363d;--field:#767e88;--accent:#6cb0ff;--on-accent:#0a1626;--bad:#ff9a9a;
--bad-back:#34161a;--warn:#f0c674;--warn-back:#2b2310}}
*{box-sizing:border-box}
body{font:16px/1.5 system-ui,sans-serif;margin:0;padding:8vh 1rem 2rem;background:var(--back);
color:var(--text)}
main{max-width:32rem;margin:0 auto;padding:1.75rem;background:var(--card);border:1px solid var(--line);
border-radius:12px}
main.wide{max-width:46rem}
main>:last-child{margin-bottom:0}
h1{font-size:1.4rem;line-height:1.3;margin:0 0 1rem}
h1::first-letter{text-transform:uppercase}
h2{font-size:1.05rem;margin:1.25rem 0 0}
p,dl{margin:0 0 1rem}
h1,dd,p{overflow-wrap:anywhere;overflow:hidden}
dt{color:var(--soft);font-size:.875rem}
dd{margin:0 0 .75rem}
small,.hint{color:var(--soft);font-size:.875rem}
section .hint{margin-bottom:.5rem}
small{display:block}
section{margin-top:1rem}
section+section{border-top:1px solid var(--line);padding-top:1.1rem;margin-top:1.1rem}
label{display:block;font-weight:600}
input,button,.button{font:inherit;width:100%;min-height:2.75rem;border-radius:8px;padding:.5rem .75rem}
input{border:1px solid var(--field);background:var(--card);color:inherit;margin-bottom:.6rem}
input[aria-invalid=true]{border:2px solid var(--bad)}
button,.button{display:block;text-align:center;text-decoration:none;border:1px solid var(--accent);
background:var(--accent);color:var(--on-accent);font-weight:600;cursor:pointer}
.plain{background:none;color:inherit;border-color:var(--field);font-weight:400}
a{color:var(--accent)}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px}
code,pre{font:.875em/1.5 ui-monospace,monospace;background:var(--back);border-radius:6px}
code{padding:.15em .35em;overflow-wrap:anywhere}
pre{margin:0 0 1rem;padding:.75rem 1rem;border:1px solid var(--line);white-space:pre-wrap;
overflow-wrap:anywhere}
.foot{color:var(--soft);font-size:.875rem;border-top:1px solid var(--line);margin-top:1.25rem;
padding-top:1rem}
.note{border-left:4px solid;border-radius:4px;padding:.6rem .8rem;color:var(--warn);
background:var(--warn-back)}
.error{color:var(--bad);background:var(--bad-back)}
.number{font:600 2.5rem/1.2 ui-monospace,monospace;text-align:center;padding:.75rem 0}
@media(max-width:30rem){body{padding:0}main{border:0;border-radius:0;min-height:100vh;padding:1.25rem}}
`;

/** The only style that a page may have, by its digest. What a stranger could smuggle in has no effect. */
const styleDigest = createHash("sha256").update(style).digest("base64");

/**
 * Header fields of every page, besides its length and what caches may do with it. `form-action` names no
 * other place: Chromium applies it also to where the answer to a form redirects, and to each redirect from
 * there. Tunnels of strangers share a site with the page, so nothing may hold it in a frame. There is no
 * Cross-Origin-Opener-Policy, because clients that run in a browser open the pages of a gate in a window and
 * look at it.
 */
export const pageFields: Readonly<Record<string, string>> = {
  "Content-Security-Policy": [
    "default-src 'none'",
    `style-src 'sha256-${styleDigest}'`,
    "form-action 'self'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
  ].join("; "),
  "Content-Type": "text/html; charset=utf-8",
  "Referrer-Policy": "no-referrer",
  "X-Content-Type-Options": "nosniff",
  // Browsers that do not know `frame-ancestors` know this.
  "X-Frame-Options": "DENY",
};

/** A page, without what all pages have. */
export interface Page {
  readonly title: string;
  /** What stands in `main`. */
  readonly body: Html;
  /** The browser goes to this URL by itself, so many seconds later. */
  readonly refresh?: { readonly seconds: number; readonly url: string };
  /** The page has lines of code, which need more room than sentences do. Default: no. */
  readonly isWide?: boolean;
}

/** The whole document of a page, which has no script and loads nothing. */
export function documentOf({ title, body, refresh, isWide = false }: Page): string {
  const goesOn =
    refresh && html`\n<meta http-equiv="refresh" content="${`${refresh.seconds};url=${refresh.url}`}">`;
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="robots" content="noindex">${goesOn}
<title>${title}</title>
<style>${new Html(style)}</style>
</head>
<body>
<main${isWide ? html` class="wide"` : undefined}>
${body}
</main>
</body>
</html>
`.text;
}
