import { FieldNames, type RawHeaders, type RequestHead } from "mcp-tunnel-protocol";
import {
  type RedirectValue,
  redirectChallenges,
  redirectLinks,
  redirectReference,
  redirectRefresh,
  redirectTaggedLists,
  withoutDomain,
} from "./field-values.js";
import { asksForMetadata, mayBeMetadata, settleMetadata } from "./metadata.js";
import { References } from "./references.js";
import { publicOriginOf, type Terms, type WrittenName } from "./terms.js";

/** Fields of answers that hold references to the service itself. */
const answerValues: ReadonlyMap<string, RedirectValue> = new Map([
  ["location", redirectReference],
  ["content-location", redirectReference],
  ["sourcemap", redirectReference],
  ["refresh", redirectRefresh],
  ["link", redirectLinks],
  ["www-authenticate", redirectChallenges],
]);

const answerNames = new FieldNames([...answerValues.keys(), "set-cookie", "access-control-allow-origin"]);

/** Fields of requests that hold references to the service itself, or to the page that they come from. */
const requestNames = new FieldNames(["destination", "if", "origin", "referer"]);

/**
 * What is said in one exchange about who the service is. It is told another Host than the visitor asked for, so whatever it says
 * of itself has to be said in the visitor's words, and what the visitor says of it in its own.
 */
export class Agreement {
  readonly #terms: Terms;
  readonly #head: RequestHead;
  /** The request asks for OAuth metadata, which speaks of the service too. */
  readonly isForMetadata: boolean;
  #publicOrigin: string | undefined;
  /** The visitor's Origin, where the service was told another. */
  #replacedOrigin: string | undefined;

  constructor(terms: Terms, head: RequestHead) {
    this.#terms = terms;
    this.#head = head;
    this.isForMetadata = terms.rewritesMetadata && asksForMetadata(head);
  }

  /** The origin that the visitor asked. */
  get publicOrigin(): string {
    this.#publicOrigin ??= publicOriginOf(this.#head, this.#terms);
    return this.#publicOrigin;
  }

  /** Puts the fields of a request, `headers`, in the words of the service. */
  settleRequest(headers: RawHeaders): void {
    for (let i = nextOf(requestNames, headers, 0); i !== -1; ) {
      const settled = this.#requestValue((headers[i] as string).toLowerCase(), headers[i + 1] as string);
      if (settled === undefined) headers.splice(i, 2);
      else headers[i + 1] = settled;
      i = nextOf(requestNames, headers, settled === undefined ? i : i + 2);
    }
  }

  /** Puts the fields of an answer, interim or final, or of its trailers, in the visitor's words. */
  settleAnswer(headers: RawHeaders): void {
    const { written } = this.#terms;
    if (written === undefined) return;
    for (let i = nextOf(answerNames, headers, 0); i !== -1; i = nextOf(answerNames, headers, i + 2)) {
      const name = (headers[i] as string).toLowerCase();
      headers[i + 1] = this.#answerValue(name, headers[i + 1] as string, written);
    }
  }

  /** Whether an answer is to be held until {@link settleBody} can say what its body becomes. */
  concernsBody(status: number, headers: RawHeaders): boolean {
    return this.isForMetadata && mayBeMetadata(status, headers);
  }

  /** The body of metadata in the visitor's words; undefined if it stays as it is. */
  settleBody(body: Buffer): Buffer | undefined {
    const { written, warn } = this.#terms;
    if (written === undefined) return undefined;
    const settled = settleMetadata(body, written.references, this.publicOrigin);
    if (settled?.isSigned !== true) return settled?.body;
    warn({
      code: "signed_metadata",
      message:
        `${this.#head.path} is signed, so visitors are told ${written.origin}, where they cannot reach the service: ` +
        `set its public URL to ${this.publicOrigin}`,
    });
    return undefined;
  }

  #answerValue(name: string, value: string, { references, host, origin }: WrittenName): string {
    if (name === "set-cookie") return withoutDomain(value, host);
    // Most references are paths, for which the public origin need not be known.
    if (!value.includes("//")) return value;
    const redirect = answerValues.get(name);
    if (redirect !== undefined) return redirect(value, references, this.publicOrigin);
    return value === origin ? (this.#replacedOrigin ?? value) : value;
  }

  /** Undefined: the field is left out. */
  #requestValue(name: string, value: string): string | undefined {
    const { written, origin } = this.#terms;
    switch (name) {
      case "destination":
      case "if": {
        if (written === undefined) return value;
        const redirect = name === "if" ? redirectTaggedLists : redirectReference;
        return redirect(value, this.#ownReferences, written.origin);
      }
      case "referer": {
        if (origin === "keep" || this.#ownReferences.pathOf(value, 0, value.length) === -1) return value;
        if (origin === "drop") return undefined;
        return written === undefined ? value : redirectReference(value, this.#ownReferences, written.origin);
      }
      default: {
        if (origin !== "rewrite" || written === undefined || !this.#isOwnOrigin(value)) return value;
        this.#replacedOrigin = value;
        return written.origin;
      }
    }
  }

  /**
   * The tunnel's own origins: the one that the visitor asked, and the one that the relay made public, which is the right one behind
   * a proxy that does not tell the scheme. Exact in the scheme as well: a page that came without TLS is a stranger to one with TLS.
   */
  get #ownOrigins(): readonly string[] {
    return [this.publicOrigin, this.#terms.tunnel.origin];
  }

  get #ownReferences(): References {
    return References.toOrigins(this.#ownOrigins);
  }

  /** RFC 6454 section 7.1: one origin, without a path. */
  #isOwnOrigin(value: string): boolean {
    return this.#ownReferences.pathOf(value, 0, value.length) === value.length;
  }
}

/**
 * The index of the next field that is one of `names`, from `start` on, or -1. A function of its own, of every field of every head: as
 * a part of what is done with the few that are found it is ten times slower (measured).
 */
function nextOf(names: FieldNames, headers: RawHeaders, start: number): number {
  for (let i = start; i < headers.length; i += 2) if (names.has(headers[i] as string)) return i;
  return -1;
}
