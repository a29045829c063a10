/** Names that many heads have, as most programs spell them. */
const knownNames = [
  ...["Accept", "Accept-Encoding", "Accept-Language", "Accept-Ranges", "Authorization", "Cache-Control"],
  ...["Connection", "Content-Encoding", "Content-Length", "Content-Type", "Cookie", "Date", "ETag", "Host"],
  ...["Keep-Alive", "Last-Modified", "Location", "Mcp-Protocol-Version", "Mcp-Session-Id", "Origin"],
  ...["Referer", "Sec-Fetch-Dest", "Sec-Fetch-Mode", "Sec-Fetch-Site", "Server", "Set-Cookie"],
  ...["Transfer-Encoding", "User-Agent", "Vary", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"],
  ...["X-Powered-By", "X-Request-Id", "X-Tunnel-Visitor"],
];

const spellings = knownNames.flatMap((name) => [name, name.toLowerCase()]);
const longest = Math.max(...spellings.map((name) => name.length));
const byLength = Array.from({ length: longest + 1 }, (_, length) =>
  spellings.filter((name) => name.length === length),
);
const none: readonly string[] = [];

/**
 * The field name that stands in a text. For a name that many heads have it is always the same string: nothing
 * is allocated, and V8 has its hash when it is looked up in sets of names.
 */
export function nameAt(text: string, start: number, end: number): string {
  const first = text.charCodeAt(start);
  for (const name of byLength[end - start] ?? none) {
    if (name.charCodeAt(0) === first && text.startsWith(name, start)) return name;
  }
  return text.slice(start, end);
}
