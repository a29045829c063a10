import {
  endToEndHeaders,
  endToEndTrailers,
  FieldNames,
  type FieldSet,
  isBodyless,
  isEventStreamType,
  isFieldValue,
  isToken,
  type RawHeaders,
  type ResponseHead,
} from "mcp-tunnel-protocol";

/** A tunnel is not believed: what it calls a header must be one, or it could write the visitor's next response. */
export function areHeadersValid(headers: RawHeaders): boolean {
  if (headers.length % 2 !== 0) return false;
  for (let i = 0; i < headers.length; i += 2) {
    if (!isToken(headers[i] as string) || !isFieldValue(headers[i + 1] as string)) return false;
  }
  return true;
}

/**
 * By these a server in front of the relay is told to send something else in the place of the response: a file of its own, or what
 * it gets from another address; or, as Envoy, to ask the relay no more. They are for nginx, Apache, lighttpd, LiteSpeed, Perlbal
 * and Envoy to hear from services that they trust. A tunnel is none of those, whoever is in front, and to visitors they say
 * nothing.
 */
const obeyedInFront: readonly string[] = [
  "x-accel-redirect",
  "x-envoy-immediate-health-check-fail",
  "x-lighttpd-send-file",
  "x-lighttpd-send-tempfile",
  "x-lighttpd-send2file",
  "x-litespeed-location",
  "x-reproxy-file",
  "x-reproxy-service",
  "x-reproxy-url",
  "x-sendfile",
  "x-sendfile2",
];
/**
 * What no head of a tunnel's may have: the above, the relay's own word, and the cookies of RFC 2965, which no browser knows any
 * more and some that are none still take, for any domain.
 */
export const notATunnels: readonly string[] = [...obeyedInFront, "set-cookie2", "x-tunnel-error"];
const notInFinalHeads = new FieldNames(notATunnels);
/** Nor may a response's trailers, where browsers look for nothing of the kind. */
export const notInResponseTrailers = new FieldNames([...notATunnels, "alt-svc"]);

/** A final response head, ready to be sent. */
export interface CheckedHead {
  headers: RawHeaders;
  /** The declared length of the body; `undefined` when it has none. */
  contentLength: number | undefined;
  /** No body follows, whatever the headers say (RFC 9112 section 6.3). */
  bodyless: boolean;
  isEventStream: boolean;
  /** The service has named the exchange itself. */
  hasRequestId: boolean;
}

/** Checks a final head that answers a `method` request; `undefined` when it cannot be passed on. */
export function checkResponseHead(head: ResponseHead, method: string): CheckedHead | undefined {
  const { status } = head;
  if (!Number.isInteger(status) || status < 200 || status > 999) return undefined;
  if (!areHeadersValid(head.headers)) return undefined;
  const headers = endToEndHeaders(head.headers, notInFinalHeads);
  let contentLength: number | undefined;
  let isEventStream = false;
  let hasRequestId = false;
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string;
    const value = headers[i + 1] as string;
    switch (name.length === 12 || name.length === 14 ? name.toLowerCase() : "") {
      case "content-length":
        // Two lengths are two ideas of where the next response begins; repeated or not, one is enough.
        if (contentLength !== undefined || !/^[0-9]{1,15}$/.test(value)) return undefined;
        contentLength = Number(value);
        break;
      case "x-request-id":
        hasRequestId = true;
        break;
      case "content-type":
        isEventStream = isEventStreamType(value);
        break;
    }
  }
  const bodyless = isBodyless(method, status);
  const hasStrayLength = status === 204 && contentLength !== undefined;
  const kept = hasStrayLength ? endToEndHeaders(headers, lengthField) : headers;
  return { headers: kept, contentLength, bodyless, isEventStream, hasRequestId };
}

/** Not in heads of responses without a body: 204, 205 (RFC 9110 section 8.6). */
export const lengthField = new FieldNames(["content-length"]);

/** Not in a 101 either, which has no body, nor a place for what replaces one. */
export const notInSwitch = new FieldNames(["content-length", ...notATunnels]);

/**
 * Not in interim heads. They are for hints (RFC 8297 section 2); a browser that heeds what changes its own state would do so
 * for a response that may never come, and what is made of the final head (set-cookie.ts, clear-site-data.ts) is not made of them.
 */
export const notInInterim = new FieldNames([
  "clear-site-data",
  "content-length",
  "set-cookie",
  ...notATunnels,
]);

/** What may be passed on of a message's trailers; `drop` lists further names. */
export function checkTrailers(trailers: RawHeaders, drop?: FieldSet): RawHeaders {
  return areHeadersValid(trailers) ? endToEndTrailers(trailers, drop) : [];
}
