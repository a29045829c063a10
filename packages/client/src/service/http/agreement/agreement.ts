import { FieldNames, headerValue, type RawHeaders, type RequestHead } from "mcp-tunnel-protocol";
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
import type { PublicName } from "./public-names.js";
import type { Terms, WrittenName } from "./terms.js";

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
 * Translates between the two names of the service in one exchange. The service is told another Host than the
 * visitor asked for. So references to itself in its answers get the public name, and references to it in the
 * visitor's requests get its own name.
 */
export class Agreement {
  readonly #terms: Terms;
  readonly #head: RequestHead;
  /** The request asks for OAuth metadata, which refers to the service too. */
  readonly isForMetadata: boolean;
  #publicName: PublicName | undefined;
  /** The visitor's Origin (`from`), and the Origin that the service was told in its place (`to`). */
  #replacedOrigin: { readonly from: string; readonly to: string } | undefined;

  constructor(terms: Terms, head: RequestHead) {
    this.#terms = terms;
    this.#head = head;
    this.isForMetadata = terms.rewritesMetadata && asksForMetadata(head);
  }

  /** The visitor's name for the service. */
  get #public(): PublicName {
    this.#publicName ??= this.#terms.publicNames.of(this.#head);
    return this.#publicName;
  }

  /**
   * The origin that the service takes for its own, by the Host and the scheme that it is told: the public
   * origin, or the one that was written in its place.
   */
  get serviceOrigin(): string {
    const { written } = this.#terms;
    return written === undefined ? this.#public.origin : this.#toldOrigin(written);
  }

  /** Gives the service its own name in the fields of a request, `headers`. */
  settleRequest(headers: RawHeaders): void {
    for (let i = nextOf(requestNames, headers, 0); i !== -1; ) {
      const settled = this.#requestValue((headers[i] as string).toLowerCase(), headers[i + 1] as string);
      if (settled === undefined) headers.splice(i, 2);
      else headers[i + 1] = settled;
      i = nextOf(requestNames, headers, settled === undefined ? i : i + 2);
    }
  }

  /** Gives the service its public name in the fields of an answer, interim or final, or of its trailers. */
  settleAnswer(headers: RawHeaders): void {
    const { written } = this.#terms;
    if (written === undefined) return;
    for (let i = nextOf(answerNames, headers, 0); i !== -1; i = nextOf(answerNames, headers, i + 2)) {
      const name = (headers[i] as string).toLowerCase();
      headers[i + 1] = this.#answerValue(name, headers[i + 1] as string, written);
    }
  }

  /** Whether an answer has to be held until {@link settleBody} can decide about its body. */
  concernsBody(status: number, headers: RawHeaders): boolean {
    return this.isForMetadata && mayBeMetadata(status, headers);
  }

  /** The body of metadata with the service's public name. Undefined if the body stays as it is. */
  settleBody(body: Buffer): Buffer | undefined {
    const { tunnel, written, warn } = this.#terms;
    if (written === undefined) return undefined;
    const settled = settleMetadata(body, written.references, this.#public.origin);
    if (settled?.isSigned !== true) return settled?.body;
    warn({
      code: "signed_metadata",
      message:
        `${this.#head.path} is signed, so visitors are told ${written.origins[written.scheme]}, where they cannot reach the service: ` +
        // Not the origin that this visitor asked for, which may have any port.
        `set its public URL to ${tunnel.origin}`,
    });
    return undefined;
  }

  #answerValue(name: string, value: string, { references, host }: WrittenName): string {
    if (name === "set-cookie") return withoutDomain(value, host);
    // Most references are paths, for which the public origin need not be known.
    if (!value.includes("//")) return value;
    const redirect = answerValues.get(name);
    if (redirect === undefined) return this.#allowedOrigin(value);
    const settled = redirect(value, references, this.#public.origin);
    if (name === "location" && settled !== value) this.#checkRedirect(value, settled);
    return settled;
  }

  #allowedOrigin(value: string): string {
    return value === this.#replacedOrigin?.to ? this.#replacedOrigin.from : value;
  }

  /**
   * Warns of an endless redirect. A service that redirects http to https, and is not told that the visitor
   * has TLS, redirects for ever. Only the user of the client can say that the service may believe
   * X-Forwarded-Proto. Only the operator of the relay can say whose word that field is.
   */
  #checkRedirect(said: string, settled: string): void {
    const { tunnel, passesScheme, warn } = this.#terms;
    if (!/^https:/i.test(said) || !this.#public.origin.startsWith("https:")) return;
    if (settled !== this.#public.origin + this.#head.path) return;
    const isUnknown =
      tunnel.isForwardedOwn && headerValue(this.#head.headers, "x-forwarded-proto") === "http";
    if (passesScheme && !isUnknown) return;
    const advice = isUnknown
      ? "the relay does not know it either, which takes the proxy in front of it for a visitor (--trusted-proxy)"
      : "try --forwarded-headers for,proto";
    warn({
      code: "redirects_to_https",
      message: `${this.#head.path} redirects to itself with https, since the service does not know that visitors have it: ${advice}`,
    });
  }

  /**
   * The service's own origin, as it makes it of Host and the scheme that it is told. That is the scheme of
   * the request that reaches it, unless X-Forwarded-Proto says another.
   */
  #toldOrigin({ origins, scheme }: WrittenName): string {
    const told = this.#terms.passesScheme ? headerValue(this.#head.headers, "x-forwarded-proto") : undefined;
    return origins[told === "http" || told === "https" ? told : scheme];
  }

  /** The value for the service. Undefined: the field is left out. */
  #requestValue(name: string, value: string): string | undefined {
    const { written, origin } = this.#terms;
    switch (name) {
      case "destination":
      case "if": {
        if (written === undefined) return value;
        const redirect = name === "if" ? redirectTaggedLists : redirectReference;
        // WebDAV servers compare the reference with the scheme that they speak.
        return redirect(value, this.#public.references, written.origins[written.scheme]);
      }
      case "referer": {
        if (origin === "keep" || this.#public.references.pathOf(value, 0, value.length) === -1) return value;
        if (origin === "drop") return undefined;
        if (written === undefined) return value;
        return redirectReference(value, this.#public.references, this.#toldOrigin(written));
      }
      default: {
        if (origin !== "rewrite" || written === undefined || !this.#isOwnOrigin(value)) return value;
        const told = this.#toldOrigin(written);
        this.#replacedOrigin = { from: value, to: told };
        return told;
      }
    }
  }

  /** RFC 6454 section 7.1: one origin, without a path. */
  #isOwnOrigin(value: string): boolean {
    return this.#public.references.pathOf(value, 0, value.length) === value.length;
  }
}

/**
 * The index of the next field that is one of `names`, from `start` on, or -1. This loop runs over every field
 * of every head. It stands alone, because it is ten times slower (measured) as a part of the loops that
 * change the fields it finds.
 */
function nextOf(names: FieldNames, headers: RawHeaders, start: number): number {
  for (let i = start; i < headers.length; i += 2) if (names.has(headers[i] as string)) return i;
  return -1;
}
