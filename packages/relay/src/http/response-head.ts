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

/**
 * Whether the header fields of a tunnel are valid. A tunnel is not trusted: with an invalid field it could
 * write the visitor's next response.
 */
export function areHeadersValid(headers: RawHeaders): boolean {
  if (headers.length % 2 !== 0) return false;
  for (let i = 0; i < headers.length; i += 2) {
    if (!isToken(headers[i] as string) || !isFieldValue(headers[i + 1] as string)) return false;
  }
  return true;
}

/**
 * Fields by which a service tells the server in front of it to send something else in place of the response:
 * a file of that server, or the answer from another address. Envoy's field tells it to send the relay no more
 * requests. nginx, Apache, lighttpd, LiteSpeed, Perlbal and Envoy take these fields from services that they
 * trust. A tunnel is not such a service, whichever server is in front, and the fields mean nothing to
 * visitors.
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
 * Fields that no head of a tunnel may have: those above, the relay's own `X-Tunnel-Error`, and the cookies of
 * RFC 2965. No browser knows these cookies any more, but some other clients still take them, for any domain.
 */
export const notATunnels: readonly string[] = [...obeyedInFront, "set-cookie2", "x-tunnel-error"];
const notInFinalHeads = new FieldNames(notATunnels);
/** Fields that no trailers of a response may have. Browsers look for none of them there. */
export const notInResponseTrailers = new FieldNames([...notATunnels, "alt-svc"]);

/** A final response head, ready to be sent. */
export interface CheckedHead {
  headers: RawHeaders;
  /** The declared length of the body; `undefined` when it has none. */
  contentLength: number | undefined;
  /** No body follows, whatever the headers say (RFC 9112 section 6.3). */
  bodyless: boolean;
  isEventStream: boolean;
  /** The service has set `X-Request-Id` itself. */
  hasRequestId: boolean;
}

const wholeLength = /^[0-9]{1,15}$/;

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
        // Two lengths may mean two places where the next response begins. Two equal ones are refused as well.
        if (contentLength !== undefined || !wholeLength.test(value)) return undefined;
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

/** A field that is not in heads of responses without a body: 204, 205 (RFC 9110 section 8.6). */
export const lengthField = new FieldNames(["content-length"]);

/** Fields that are not in a 101: it has no body, so nothing can tell its length or stand in its place. */
export const notInSwitch = new FieldNames(["content-length", ...notATunnels]);

/**
 * Fields that are not in interim heads, which are for hints (RFC 8297 section 2). A browser that heeds a
 * field that changes its own state would do so for a response that may never come. Besides, the relay changes
 * cookies and `Clear-Site-Data` in final heads only (set-cookie.ts, clear-site-data.ts).
 */
export const notInInterim = new FieldNames([
  "clear-site-data",
  "content-length",
  "set-cookie",
  ...notATunnels,
]);

/** The trailers of a message that may be passed on. `drop`: further names to leave out. */
export function checkTrailers(trailers: RawHeaders, drop?: FieldSet): RawHeaders {
  return areHeadersValid(trailers) ? endToEndTrailers(trailers, drop) : [];
}
