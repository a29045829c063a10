/** A set of field names. */
export interface FieldSet {
  /** Whether a field of this name, in any case, is in the set. */
  has(name: string): boolean;
}

/**
 * A set of field names, which are the same in any case (RFC 9110 section 5.1). Every field of every head is
 * looked up in several of these sets. The first letter and the length rule out most fields, so that these
 * need no lower case.
 */
export class FieldNames implements FieldSet {
  readonly #names: ReadonlySet<string>;
  readonly #lengths: Int32Array;

  /** `names`: in lower case. */
  constructor(names: Iterable<string>) {
    this.#names = inBothCases(names);
    this.#lengths = lengthsByLetter(this.#names);
  }

  has(name: string): boolean {
    if (!isOfLength(this.#lengths, name)) return false;
    return this.#names.has(name) || this.#names.has(name.toLowerCase());
  }
}

/**
 * Names in lower case, and as most programs spell them: `X-Forwarded-For`. To find those, no text in lower
 * case has to be made.
 */
function inBothCases(names: Iterable<string>): ReadonlySet<string> {
  const both = new Set<string>();
  for (const name of names) {
    both.add(name);
    both.add(name.replaceAll(/\b[a-z]/g, (letter) => letter.toUpperCase()));
  }
  return both;
}

/**
 * Whether a field has a name, given in lower case. It compares letter by letter: this is asked of every head
 * again and again, and a text in lower case would be made each time.
 */
export function isNamed(field: string, name: string): boolean {
  if (field.length !== name.length) return false;
  for (let i = 0; i < name.length; i++) {
    const code = field.charCodeAt(i);
    const wanted = name.charCodeAt(i);
    const isCapital = code >= 0x41 && code <= 0x5a;
    if (code !== wanted && !(isCapital && code + 0x20 === wanted)) return false;
  }
  return true;
}

/**
 * A set of field names in any spelling: an underscore, or any other character that a name may have (RFC 9110
 * section 5.6.2), counts as a hyphen. The environment of CGI and of its successors (WSGI, Rack, PHP) makes no
 * difference between them: `X.Real.IP` is HTTP_X_REAL_IP too.
 */
export class AnySpelling implements FieldSet {
  readonly #names: ReadonlySet<string>;
  readonly #prefixes: readonly string[];
  readonly #lengths: Int32Array;

  /** `names`, and the `prefixes` of further names: in lower case and with hyphens. */
  constructor(names: Iterable<string>, prefixes: readonly string[]) {
    this.#names = inBothCases(names);
    this.#prefixes = [...inBothCases(prefixes)];
    this.#lengths = lengthsByLetter(this.#names);
    for (const prefix of prefixes) this.#lengths[letterOf(prefix)] = -1;
  }

  has(name: string): boolean {
    if (!isOfLength(this.#lengths, name)) return false;
    // Most names have the usual spelling and need no second look.
    if (this.#isNamed(name)) return true;
    const lower = name.toLowerCase();
    if (this.#isNamed(lower)) return true;
    return oddSpelling.test(lower) && this.#isNamed(lower.replaceAll(oddSpellings, "-"));
  }

  #isNamed(name: string): boolean {
    for (const prefix of this.#prefixes) if (name.startsWith(prefix)) return true;
    return this.#names.has(name);
  }
}

const oddSpelling = /[^a-z0-9-]/;
const oddSpellings = /[^a-z0-9-]/g;

/** A letter has the same number in either case. */
const letterOf = (name: string): number => name.charCodeAt(0) & 31;

/** For each first letter: bit n says that some name has n characters, or n + 32. */
function lengthsByLetter(names: Iterable<string>): Int32Array {
  const lengths = new Int32Array(32);
  for (const name of names) {
    const letter = letterOf(name);
    lengths[letter] = (lengths[letter] as number) | (1 << (name.length & 31));
  }
  return lengths;
}

const isOfLength = (lengths: Int32Array, name: string): boolean =>
  ((lengths[letterOf(name)] as number) & (1 << (name.length & 31))) !== 0;

/**
 * Fields that belong to one connection and never travel on (RFC 9110 section 7.6.1). `HTTP2-Settings` is a
 * part of an offer to upgrade (RFC 7540 section 3.2.1), whether `Connection` names it as well or not.
 */
export const hopByHop = new FieldNames([
  "connection",
  "http2-settings",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/**
 * The field in which a relay gives the visitor's address, if it has announced the field (PROTOCOL.md, "Heads
 * and trailers").
 */
export const visitorField = "X-Tunnel-Visitor";

/**
 * Fields by which a message is framed, routed, authenticated, understood or protected, and fields in which
 * proxies describe the visitor. They stand in the head and nowhere else. In trailers they would come too
 * late, and some recipients would let them replace fields of the head (RFC 9110 section 6.5.1). `Connection`
 * cannot take them out of the head: its options are for one hop, and a sender may name none of these fields
 * (RFC 9110 section 7.6.1). A sender that names one wants the recipient to miss a field that others have
 * added ("hop-by-hop header abuse": CVE-2022-31813, CVE-2022-1388).
 */
export const headFields = new AnySpelling(
  [
    ...["host", "content-length", "expect", "max-forwards"],
    ...["authorization", "cookie", "set-cookie", "www-authenticate"],
    ...["content-disposition", "content-encoding", "content-language", "content-location"],
    ...["content-range", "content-type", "range"],
    ...["age", "cache-control", "date", "expires", "location", "pragma", "retry-after", "vary"],
    ...["clear-site-data", "content-security-policy", "content-security-policy-report-only", "origin"],
    ...["permissions-policy", "referer", "referrer-policy", "strict-transport-security"],
    ...["x-content-type-options", "x-frame-options"],
    ...["forwarded", "x-real-ip", "x-request-id"],
  ],
  ["access-control-", "cross-origin-", "if-", "sec-", "x-forwarded-", "x-tunnel-"],
);
