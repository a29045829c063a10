import { isBodylessStatus, isFieldValue, isToken } from "mcp-tunnel-protocol";

/** The result of {@link scanHead} if the head's end has not come. */
export const incomplete = 0;
/** The result of {@link scanHead} for a head that {@link readHead} has to look at. */
export const unclear = -1;

/** RFC 9110 section 5.6.2: by the code of a byte, whether a token may hold it. */
const inToken = tableOf(/[!#$%&'*+.^_`|~0-9A-Za-z-]/);
/** RFC 9110 section 5.5: tab, visible characters, space and obs-text. */
const inValue = tableOf(/[\t\x20-\x7e\x80-\xff]/);

const [tab, lf, cr, space, colon] = [0x09, 0x0a, 0x0d, 0x20, 0x3a];
const [zero, nine] = [0x30, 0x39];

/**
 * Finds the end of the head that begins a chunk, if every parser reads that head alike. Returns the index of
 * the first byte behind the head, or {@link incomplete} or {@link unclear}. Every response of a local service
 * passes here, and most are clean and in one piece. So this is one pass over the bytes that keeps nothing.
 */
export function scanHead(bytes: Uint8Array): number {
  const { length } = bytes;
  if (length < 14) return incomplete;
  if (!startsWithHttp1(bytes) || bytes[8] !== space) return unclear;
  // Another head follows a 1xx, and readHead knows what to do with each head.
  if ((bytes[9] as number) <= 0x31 || !isDigit(bytes[9]) || !isDigit(bytes[10]) || !isDigit(bytes[11])) {
    return unclear;
  }
  const isBodyless = hasNoBody(bytes);
  let isFramed = false;
  let at = 12;
  if (bytes[at] !== space && bytes[at] !== cr) return unclear;
  for (;;) {
    // The rest of a line, from the reason phrase or the value on.
    while (inValue[bytes[at] as number] === 1) at += 1;
    if (at + 1 >= length) return incomplete;
    if (bytes[at] !== cr || bytes[at + 1] !== lf) return unclear;
    at += 2;
    if (at >= length) return incomplete;
    if (bytes[at] === cr) {
      if (at + 1 >= length) return incomplete;
      return bytes[at + 1] === lf ? at + 2 : unclear;
    }
    const name = at;
    while (inToken[bytes[at] as number] === 1) at += 1;
    if (at >= length) return incomplete;
    if (bytes[at] !== colon || at === name) return unclear;
    const nameLength = at - name;
    at += 1;
    if (nameLength === 14 && isName(bytes, name, "content-length")) {
      // A clean head has one field of framing, and its value is as plain as can be.
      if (isFramed || isBodyless) return unclear;
      isFramed = true;
      if (bytes[at] === space) at += 1;
      const digits = at;
      while (isDigit(bytes[at])) at += 1;
      if (at >= length) return incomplete;
      if (at === digits || at - digits > 15 || bytes[at] !== cr) return unclear;
    } else if (nameLength === 17 && isName(bytes, name, "transfer-encoding")) {
      if (isFramed || isBodyless || bytes[7] === zero) return unclear;
      isFramed = true;
      if (bytes[at] === space) at += 1;
      if (at + 7 >= length) return incomplete;
      if (!isName(bytes, at, "chunked") || bytes[at + 7] !== cr) return unclear;
      at += 7;
    }
  }
}

/** `HTTP/1.0` or `HTTP/1.1`. */
function startsWithHttp1(bytes: Uint8Array): boolean {
  return (
    bytes[0] === 0x48 &&
    bytes[1] === 0x54 &&
    bytes[2] === 0x54 &&
    bytes[3] === 0x50 &&
    bytes[4] === 0x2f &&
    bytes[5] === 0x31 &&
    bytes[6] === 0x2e &&
    (bytes[7] === 0x31 || bytes[7] === zero)
  );
}

/** A 204 or 304. Its length, if it has one, is not that of a body that follows. */
function hasNoBody(bytes: Uint8Array): boolean {
  return bytes[10] === zero && bytes[11] === 0x34 && (bytes[9] === 0x32 || bytes[9] === 0x33);
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= zero && byte <= nine;
}

/** `name` is in lower case. */
function isName(bytes: Uint8Array, at: number, name: string): boolean {
  for (let i = 0; i < name.length; i++) {
    // The bit 0x20 makes a letter small. A hyphen has it already, and no other character becomes a letter by
    // it.
    if (((bytes[at + i] as number) | 0x20) !== name.charCodeAt(i)) return false;
  }
  return true;
}

function tableOf(characters: RegExp): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, code) => (characters.test(String.fromCharCode(code)) ? 1 : 0));
}

/** A response that cannot be passed on; the message follows the name of the service. */
export class UnusableAnswer extends Error {
  override readonly name = "UnusableAnswer";
}

export function invalidAnswer(why: string): UnusableAnswer {
  return new UnusableAnswer(`answered, but its answer is not valid HTTP: ${why}`);
}

/** The parts of the exchange that decide how a head is read. */
export interface HeadContext {
  /** The request asked to leave HTTP. */
  readonly upgrade: boolean;
  /** The request asked for a 100 (RFC 9110 section 10.1.1). */
  readonly expectsContinue: boolean;
  /**
   * The parser behind would take the Content-Length of a 304 for the length of a body. The field is left out,
   * and its value returned.
   */
  readonly withholdsLength: boolean;
}

/** A head in the form that every parser reads alike. */
export interface PlainHead {
  readonly status: number;
  readonly isInterim: boolean;
  /**
   * Line ends, framing or characters were not as they should be. So the service is not trusted with another
   * request on this connection.
   */
  readonly isOdd: boolean;
  /** The status line and the fields, without the empty line. Undefined for a 100 that nobody waits for. */
  readonly text: string | undefined;
  /** The Content-Length of a 304 (RFC 9110 section 8.6), which is not in `text`. */
  readonly withheldLength: string | undefined;
}

/**
 * Reads a whole head, with one char for each byte, its empty last line included. This is the only place where
 * this project parses HTTP by hand. A head that curl and nginx understand, and parsers for the hostile public
 * do not, is put in a form that all of them understand. A head that can be understood in two ways is refused.
 * @throws UnusableAnswer
 */
export function readHead(head: string, context: HeadContext): PlainHead {
  refuseStrayCharacters(head);
  const lines = head.split(/\r?\n/).slice(0, -2);
  const line = parseStatusLine(lines[0] as string);
  const status = Number(line.status);
  if (status === 101 && !context.upgrade) {
    throw invalidAnswer("a 101 (Switching Protocols) that nobody asked for");
  }
  const isInterim = status < 200 && status !== 101;
  const fields = new Fields(lines.slice(1));
  // RFC 9112 section 6.3: responses with these statuses have no body, whatever their fields say.
  const isBodyless = status < 200 || isBodylessStatus(status);
  const coding = fields.takeCoding();
  const length = fields.takeLength();
  if (coding && length !== undefined) {
    throw invalidAnswer("a Content-Length together with Transfer-Encoding: chunked");
  }
  const withheldLength = status === 304 && context.withholdsLength ? length : undefined;
  if (coding && !isBodyless) fields.add("Transfer-Encoding", "chunked");
  else if (length !== undefined && (!isBodyless || (status === 304 && !context.withholdsLength))) {
    fields.add("Content-Length", length);
  }
  const isOdd =
    fields.isOdd ||
    line.isOdd ||
    /(?<!\r)\n/.test(head) ||
    (coding && line.version === "1.0") ||
    ((coding || length !== undefined) && isBodyless && status !== 304) ||
    (status === 100 && !context.expectsContinue);
  const text = `HTTP/${isOdd ? "1.1" : line.version} ${line.status} ${line.reason}\r\n${fields.text}`;
  const isDropped = status === 100 && !context.expectsContinue;
  return { status, isInterim, isOdd, text: isDropped ? undefined : text, withheldLength };
}

/**
 * A CR alone ends a line for some parsers (RFC 9112 section 2.2), and a NUL for others (RFC 9110 section
 * 5.5).
 * @throws UnusableAnswer
 */
export function refuseStrayCharacters(head: string): void {
  if (/\r(?!\n)/.test(head)) throw invalidAnswer("a CR in its head that ends no line");
  if (head.includes("\0")) throw invalidAnswer("a NUL in its head");
}

/**
 * Parses a status line (RFC 9112 section 4), with any number of spaces before the status, as nginx allows
 * them. An answer over HTTP/1.1 that calls itself HTTP/2, as answers of PHP do, is taken for HTTP/1.1, as
 * curl does. A higher minor version is taken for the one that is known (RFC 9110 section 6.2).
 */
function parseStatusLine(line: string) {
  const match = /^HTTP\/(1\.\d|2(?:\.0)?)( +)(\d+)(?:[ \t](.*))?$/.exec(line);
  const [, version, blanks, status = "", reason = ""] = match ?? [];
  if (match === null) throw invalidAnswer("its first line is not one of HTTP/1.0 or HTTP/1.1");
  if (!/^[1-9]\d\d$/.test(status)) throw invalidAnswer("its status is not a number from 100 to 999");
  // The parser needs no odd reason phrase, because reason phrases do not travel.
  return {
    version: version === "1.0" ? version : "1.1",
    status,
    reason: isFieldValue(reason) ? reason : "",
    isOdd: blanks !== " " || (version !== "1.0" && version !== "1.1"),
  };
}

/** The fields of a head. Those that say where the body ends are kept apart. */
class Fields {
  isOdd = false;
  text = "";
  readonly #lengths: string[] = [];
  readonly #codings: string[] = [];

  constructor(lines: readonly string[]) {
    for (const line of lines) this.#parse(line);
  }

  add(name: string, value: string): void {
    this.text += `${name}: ${value}\r\n`;
  }

  #parse(line: string): void {
    if (isBlank(line, 0)) throw invalidAnswer("a field that is folded over two lines");
    const end = line.indexOf(":");
    if (end === -1) throw invalidAnswer("a line in its head without a colon");
    const name = trimBlanks(line.slice(0, end));
    if (!isToken(name)) throw invalidAnswer("a field name that is not a token");
    const value = trimBlanks(line.slice(end + 1));
    if (!isFieldValue(value)) throw invalidAnswer("a control character in a field of its head");
    const lowerCase = name.toLowerCase();
    const isFraming = lowerCase === "content-length" || lowerCase === "transfer-encoding";
    if (name.length < end) {
      // RFC 9112 section 5.1 has proxies take the blank out. In a field of framing, the blank hides the
      // framing from some parsers and not from others.
      if (isFraming) throw invalidAnswer(`a blank between ${name} and its colon`);
      this.isOdd = true;
    }
    if (!isFraming) {
      this.add(name, value);
      return;
    }
    if (isBlank(line, line.length - 1)) this.isOdd = true;
    const list = lowerCase === "content-length" ? this.#lengths : this.#codings;
    for (const element of value.toLowerCase().split(",")) list.push(trimBlanks(element));
  }

  /** RFC 9110 section 8.6: one number, or the same several times. */
  takeLength(): string | undefined {
    const [first, ...more] = this.#lengths;
    if (first === undefined) return undefined;
    for (const length of this.#lengths) {
      if (!/^\d+$/.test(length)) throw invalidAnswer("a Content-Length that is not one whole number");
    }
    const significant = (length: string): string => length.replace(/^0+(?=\d)/, "");
    const value = significant(first);
    if (more.some((length) => significant(length) !== value)) {
      throw invalidAnswer("Content-Lengths that differ");
    }
    if (value.length > 15) throw invalidAnswer("a Content-Length of more than 15 digits");
    if (more.length > 0) this.isOdd = true;
    return value;
  }

  /**
   * Whether the body is chunked. `identity` was once the name for no coding at all (RFC 2616 section 3.6),
   * and empty elements are no codings.
   */
  takeCoding(): boolean {
    const codings = this.#codings.filter((coding) => coding !== "identity" && coding !== "");
    if (codings.length < this.#codings.length) this.isOdd = true;
    if (codings.length === 0) return false;
    if (codings.length > 1 || codings[0] !== "chunked") {
      throw invalidAnswer("a transfer coding other than chunked");
    }
    return true;
  }
}

/**
 * Removes only the blanks of RFC 9110 section 5.6.3: `trim` would remove obs-text as well. It goes step by
 * step, because a pattern would try again at each of many blanks.
 */
function trimBlanks(text: string): string {
  let [start, end] = [0, text.length];
  while (start < end && isBlank(text, start)) start += 1;
  while (end > start && isBlank(text, end - 1)) end -= 1;
  return text.slice(start, end);
}

function isBlank(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code === space || code === tab;
}
