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
import { publicOriginOf, type Terms } from "./terms.js";

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
    for (let i = 0; i < headers.length; i += 2) {
      if (!requestNames.has(headers[i] as string)) continue;
      const settled = this.#requestValue((headers[i] as string).toLowerCase(), headers[i + 1] as string);
      if (settled !== undefined) headers[i + 1] = settled;
      else {
        headers.splice(i, 2);
        i -= 2;
      }
    }
  }

  /** Puts the fields of an answer, interim or final, or of its trailers, in the visitor's words. */
  settleAnswer(headers: RawHeaders): void {
    const { written } = this.#terms;
    if (written === undefined) return;
    for (let i = 0; i < headers.length; i += 2) {
      if (!answerNames.has(headers[i] as string)) continue;
      const name = (headers[i] as string).toLowerCase();
      const value = headers[i + 1] as string;
      const redirect = answerValues.get(name);
      if (redirect !== undefined) headers[i + 1] = redirect(value, written.references, this.publicOrigin);
      else if (name === "set-cookie") headers[i + 1] = withoutDomain(value, written.host);
      else if (value === written.origin) headers[i + 1] = this.#replacedOrigin ?? value;
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
