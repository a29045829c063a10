import type { RawHeaders } from "mcp-tunnel-protocol";

/**
 * Keeps each `Clear-Site-Data` from clearing cookies. Everything else in the field concerns the origin, which
 * is the tunnel's own. But `"cookies"` means the cookies of the registrable domain and of all hosts below it,
 * so those of every other tunnel as well (https://www.w3.org/TR/clear-site-data/#clear-cookies).
 */
export function spareCookies(headers: RawHeaders): RawHeaders {
  let spared: RawHeaders | undefined;
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string;
    if (name.length !== 15 || name.toLowerCase() !== "clear-site-data") {
      spared?.push(name, headers[i + 1] as string);
      continue;
    }
    spared ??= headers.slice(0, i);
    const kept = withoutCookies(headers[i + 1] as string);
    if (kept !== "") spared.push(name, kept);
  }
  return spared ?? headers;
}

/**
 * All types that `"*"` stands for except cookies: those of the specification, and those that browsers added.
 */
const allButCookies = [
  '"cache"',
  '"clientHints"',
  '"executionContexts"',
  '"prefetchCache"',
  '"prerenderCache"',
  '"storage"',
];

/**
 * The value is a list of quoted strings. Browsers divide it at each comma and compare the text between. A
 * reader that follows the grammar to the letter knows quoted pairs as well (`"cook\ies"`). So only plain
 * words stay: anything else means nothing, or hides something.
 */
function withoutCookies(value: string): string {
  const kept = new Set<string>();
  for (const item of value.split(",")) {
    const type = item.trim();
    if (type === '"*"') for (const one of allButCookies) kept.add(one);
    else if (/^"[\w:-]+"$/.test(type) && !/^"cookies\b/i.test(type)) kept.add(type);
  }
  return [...kept].join(", ");
}
