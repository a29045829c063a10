/**
 * Header fields as they stood in the message: `[name, value, name, value, ...]`, in order, repeats and
 * letter case kept. The same shape as Node's `rawHeaders`, so that neither end has to convert them.
 */
export type RawHeaders = string[];

/**
 * Field names, which are the same in any case (RFC 9110 section 5.1). Every field of every head is looked up in several of
 * these: most are told by their length alone and need no lower case.
 */
export class FieldNames {
  readonly #names: ReadonlySet<string>;
  /** Bit n: some name has n characters, or n + 32. */
  readonly #lengths: number;

  /** `names` in lower case. */
  constructor(names: Iterable<string>) {
    this.#names = new Set(names);
    let lengths = 0;
    for (const { length } of this.#names) lengths |= 1 << (length & 31);
    this.#lengths = lengths;
  }

  has(name: string): boolean {
    return (this.#lengths & (1 << (name.length & 31))) !== 0 && this.#names.has(name.toLowerCase());
  }
}

/** Fields that belong to one connection and never travel on (RFC 9110 section 7.6.1). */
const hopByHop = new FieldNames([
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
 * 7.6.1). `drop` lists further names.
 */
export function endToEndHeaders(headers: RawHeaders, drop?: FieldNames): RawHeaders {
  const named = connectionOptions(headers);
  const kept: RawHeaders = [];
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string;
    if (hopByHop.has(name) || drop?.has(name) || named?.has(name.toLowerCase())) continue;
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
