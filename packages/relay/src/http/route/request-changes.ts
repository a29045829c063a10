import {
  AnySpelling,
  Fault,
  type FieldSet,
  hopByHop,
  isToken,
  listOf,
  onlyObjectOf,
  problemOf,
  type RawHeaders,
  text,
} from "mcp-tunnel-protocol";
import type { Refusal } from "../answer/refusal.js";
import { areHeadersValid } from "../response-head.js";

/**
 * How a judge changes the fields of a request that it lets pass. It may change all fields except:
 *
 * - those of the connection and of the request's framing (`Connection`, `Transfer-Encoding`,
 *   `Content-Length`, `Expect`, ...), and `Host`;
 * - those of a WebSocket's handshake (`Sec-WebSocket-*`);
 * - those in which the relay tells of the visitor (`Forwarded`, `X-Forwarded-*`, `X-Request-Id`,
 *   `X-Tunnel-*`).
 */
export interface RequestChanges {
  /**
   * Fields that the local service gets, `[name, value, name, value, ...]`. They take the place of all that
   * the visitor has sent under these names, in any spelling, also in trailers. Values have one byte for each
   * character: percent-encode other texts. Default none.
   */
  readonly setFields?: readonly string[] | undefined;
  /**
   * Names of fields that the local service does not get, in whichever spelling the visitor has sent them,
   * also in trailers. Default none.
   */
  readonly removeFields?: readonly string[] | undefined;
}

/** The changes, read and checked. */
export interface FieldChanges {
  /** Fields that do not travel on, whoever has added them. */
  readonly drop: FieldSet;
  /** Fields to add. */
  readonly add: RawHeaders;
}

/** Fields that no judge changes: somebody relies on the relay for each of them. In any spelling. */
const settled = new AnySpelling(
  ["content-length", "expect", "forwarded", "host", "x-request-id"],
  ["sec-websocket-", "x-forwarded-", "x-tunnel-"],
);

const what =
  "fields that a judge may change: none of the connection, of the framing, of a handshake or of the relay's own";

const areChangeable = (names: readonly string[]): boolean =>
  names.every((name) => isToken(name) && !settled.has(name) && !hopByHop.has(hyphenated(name)));

const changesShape = onlyObjectOf<RequestChanges>(
  {
    setFields: listOf(text())
      .refine(areHeadersValid, "header fields as [name, value, ...]")
      .refine((fields) => areChangeable(namesOf(fields)), what)
      .optional(),
    removeFields: listOf(text()).refine(areChangeable, what).optional(),
  },
  "an object with setFields and removeFields alone",
);

/** Whether the answer of a judge lets the request pass with changes. What is in them is not checked yet. */
export function areChanges(word: Refusal | RequestChanges): word is RequestChanges {
  // JavaScript does not check what a judge says.
  return Object(word) === word && ("setFields" in word || "removeFields" in word);
}

/** Reads the changes of a judge, which JavaScript does not check. A text says what is wrong with them. */
export function readChanges(word: RequestChanges): FieldChanges | string {
  const read = changesShape.read(word);
  if (read instanceof Fault) return problemOf(read).message;
  const { setFields = [], removeFields = [] } = read;
  const names = [...removeFields, ...namesOf(setFields)];
  return { drop: new AnySpelling(names.map(hyphenated), []), add: [...setFields] };
}

function namesOf(fields: readonly string[]): string[] {
  return fields.filter((_text, i) => i % 2 === 0);
}

/** The name in the one spelling by which {@link AnySpelling} knows it. */
function hyphenated(name: string): string {
  return name.toLowerCase().replaceAll(/[^a-z0-9-]/g, "-");
}
