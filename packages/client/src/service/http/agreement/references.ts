/**
 * The origin of a scheme, `http` or `https`, and an authority: in lower case, without the scheme's own port.
 */
export function originOf(scheme: string, authority: string): string {
  const port = scheme === "https" ? ":443" : ":80";
  const plain = authority.toLowerCase();
  return `${scheme}://${plain.endsWith(port) ? plain.slice(0, -port.length) : plain}`;
}

/** The beginnings of references to an origin, in lower case: with the scheme's own port, and without it. */
function spellings(scheme: string, authority: string): string[] {
  const origin = originOf(scheme, authority);
  const hasPort = /:\d+$/.test(origin.slice(scheme.length + 3));
  return hasPort ? [origin] : [origin, `${origin}:${scheme === "https" ? 443 : 80}`];
}

const slash = 0x2f;

/**
 * Finds out which references (RFC 3986 section 4.1) lead to one of several origins that mean the same server.
 * References with user information do not: this project does not judge what else stands in front of a path.
 */
export class References {
  readonly #prefixes: readonly string[];

  private constructor(prefixes: readonly string[]) {
    this.#prefixes = [...new Set(prefixes)];
  }

  /** References to the server called `authority`, with any scheme or with none (`//host/path`). */
  static toAuthority(authority: string): References {
    const absolute = [...spellings("http", authority), ...spellings("https", authority)];
    const schemeless = absolute.map((prefix) => prefix.slice(prefix.indexOf("//")));
    return new References([...absolute, ...schemeless]);
  }

  /** References to one of `origins`, as {@link originOf} writes them. */
  static toOrigins(origins: readonly string[]): References {
    return new References(
      origins.flatMap((origin) => {
        const [scheme = "", authority = ""] = origin.split("://");
        return spellings(scheme, authority);
      }),
    );
  }

  /**
   * Takes `text` from `start` to `end` for a reference, and returns the index where its path begins. Returns
   * -1 if the reference leads elsewhere.
   */
  pathOf(text: string, start: number, end: number): number {
    const first = text.charCodeAt(start) | 0x20;
    if (first !== 0x68 && first !== slash) return -1;
    for (const prefix of this.#prefixes) {
      const behind = start + prefix.length;
      // Any other character belongs to the host or the port, for one recipient or another.
      if (behind > end || !(behind === end || isDelimiter(text.charCodeAt(behind)))) continue;
      if (text.slice(start, behind).toLowerCase() === prefix) return behind;
    }
    return -1;
  }
}

/** The characters that end an authority (RFC 3986 section 3.2): `/`, `?` or `#`. */
const isDelimiter = (code: number): boolean => code === slash || code === 0x3f || code === 0x23;

/** Copies a text with some of its references led elsewhere. Everything else stays the same. */
export class Redirection {
  readonly #text: string;
  readonly #from: References;
  readonly #to: string;
  #copied = "";
  #copiedTo = 0;

  /** Leads references `from` some origins `to` another one. */
  constructor(text: string, from: References, to: string) {
    this.#text = text;
    this.#from = from;
    this.#to = to;
  }

  /** A reference stands from `start` to `end`. Calls come in order. */
  reference(start: number, end: number): void {
    const path = this.#from.pathOf(this.#text, start, end);
    if (path === -1) return;
    const to = this.#text.charCodeAt(start) === slash ? this.#to.slice(this.#to.indexOf("//")) : this.#to;
    this.#copied += this.#text.slice(this.#copiedTo, start) + to;
    this.#copiedTo = path;
  }

  get result(): string {
    return this.#copiedTo === 0 ? this.#text : this.#copied + this.#text.slice(this.#copiedTo);
  }
}
