import {
  endToEndHeaders,
  Fault,
  FieldNames,
  isToken,
  listOf,
  objectOf,
  problemOf,
  text,
  wholeNumber,
} from "mcp-tunnel-protocol";
import { areHeadersValid } from "../response-head.js";

/**
 * What a visitor gets in the tunnel's place: an error, or any other final answer, such as a redirect to a
 * login or the answer to a preflight. It is a JSON-RPC error object for a JSON-RPC request, a page for a
 * browser, plain text for the rest.
 */
export interface Refusal {
  /**
   * From 200 to 599. A WebSocket over HTTP/2 gets 502 instead of a 2xx, which would say that it is open (RFC
   * 8441).
   */
  readonly status: number;
  /**
   * A token such as `login_required`: the value of `X-Tunnel-Error` for the visitor, and of `reason` in the
   * access log. The tunnel's client is told of errors (4xx and 5xx), by this code if it is one of the relay's
   * own, else as `other`.
   */
  readonly code: string;
  /**
   * Plain text for a person. With an empty text the answer has no body. Nor has an answer with status 204,
   * 205 or 304.
   */
  readonly text: string;
  /**
   * Header fields of the answer, `[name, value, name, value, ...]`, such as `["WWW-Authenticate", "Bearer"]`.
   * Not allowed are fields that the relay writes itself (`Content-Type`, `Content-Length`,
   * `Content-Encoding`, `X-Request-Id`, `X-Tunnel-Error`) and fields of the connection (`Connection`,
   * `Transfer-Encoding`, ...). A `Cache-Control` replaces the relay's own `no-store`. Default none.
   */
  readonly fields?: readonly string[] | undefined;
}

/** Fields that only the relay writes. */
const relaysOwn = new FieldNames([
  "content-encoding",
  "content-length",
  "content-type",
  "x-request-id",
  "x-tunnel-error",
]);

const what =
  "header fields as [name, value, ...], without those of the connection and those that the relay writes";

const refusalShape = objectOf<Refusal>(
  {
    status: wholeNumber(200, 599),
    code: text().refine(isToken, "a token, such as login_required"),
    text: text(),
    fields: listOf(text(), what).refine(areAnswerFields, what).optional(),
  },
  "a refusal with status, code and text, or undefined",
);

/**
 * Reads the answer of a judge, which JavaScript does not check. The result is a text if something is wrong
 * with it. The refusal is a copy, so that the relay sends what it has checked.
 */
export function readRefusal(word: unknown): Refusal | string {
  const read = refusalShape.read(word);
  return read instanceof Fault ? problemOf(read).message : read;
}

function areAnswerFields(fields: string[]): boolean {
  return areHeadersValid(fields) && endToEndHeaders(fields, relaysOwn).length === fields.length;
}
