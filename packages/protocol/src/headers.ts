/**
 * Header fields as they stood in the message: `[name, value, name, value, ...]`, in order, repeats and
 * letter case kept. The same shape as Node's `rawHeaders`, so that neither end has to convert them.
 */
export type RawHeaders = string[];

/** Fields that belong to one connection and never travel on (RFC 9110 section 7.6.1). Lower case. */
const hopByHop: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** Returns the value of the first field called `name` (given in lower case), or `undefined`. */
export function headerValue(headers: RawHeaders, name: string): string | undefined {
  for (let i = 0; i < headers.length; i += 2) {
    const field = headers[i] as string;
    if (field.length === name.length && field.toLowerCase() === name) return headers[i + 1];
  }
  return undefined;
}

/**
 * Returns a copy without the hop-by-hop fields and without those that `Connection` names (RFC 9110 section
 * 7.6.1). `drop` lists further names, in lower case.
 */
export function endToEndHeaders(headers: RawHeaders, drop?: ReadonlySet<string>): RawHeaders {
  const named = connectionOptions(headers);
  const kept: RawHeaders = [];
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string;
    const lower = name.toLowerCase();
    if (hopByHop.has(lower) || named?.has(lower) || drop?.has(lower)) continue;
    kept.push(name, headers[i + 1] as string);
  }
  return kept;
}

/** The field names that `Connection` lists, in lower case; `undefined` when there are none but the usual two. */
function connectionOptions(headers: RawHeaders): Set<string> | undefined {
  let named: Set<string> | undefined;
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string;
    if (name.length !== 10 || name.toLowerCase() !== "connection") continue;
    const value = (headers[i + 1] as string).toLowerCase();
    if (value === "keep-alive" || value === "close") continue;
    named ??= new Set();
    for (const option of value.split(",")) named.add(option.trim());
  }
  return named;
}
