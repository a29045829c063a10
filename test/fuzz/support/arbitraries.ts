import fc from "fast-check";

/** Any bytes, one char for each. */
export const bytes = (maxLength: number): fc.Arbitrary<string> =>
  fc.string({ unit: fc.nat(255).map((code) => String.fromCharCode(code)), maxLength });

const token = fc.constantFrom("X-A", "Accept", "Cookie", "x", "Host", "Content-Type", "Range", "__proto__");
const fieldName = fc.oneof(
  { weight: 6, arbitrary: token },
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      ...["Content-Length", "Transfer-Encoding", "Connection", "Upgrade", "Expect", "Trailer", "TE", "Via"],
      ...["Keep-Alive", "X-Forwarded-For", "Forwarded", "Proxy-Authorization", "Set-Cookie", "Location"],
      ...["Sec-WebSocket-Key", "Sec-WebSocket-Version", "Date", "Content-Encoding", "Last-Event-ID"],
    ),
  },
  { weight: 1, arbitrary: bytes(8) },
);
const fieldValue = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.constantFrom(
      ...["1", "0", "5", "chunked", "gzip, chunked", "close", "keep-alive", "upgrade", "websocket", "h2c"],
      ...["100-continue", "trailers", "X-A", "text/event-stream", "-1", "+3", "3, 3", "99999999999999999999"],
      ...[
        "demo.localhost",
        "a=b; Domain=localhost",
        "1\rX-B: 2",
        "1\nX-B: 2",
        "",
        "AAAAAAAAAAAAAAAAAAAAAA==",
      ],
      ...["application/json", "13", "//evil.test", "bytes=0-1"],
    ),
  },
  { weight: 1, arbitrary: bytes(40) },
  { weight: 1, arbitrary: fc.constantFrom(300, 9_000, 40_000).map((length) => "v".repeat(length)) },
);
const harmless = fc.tuple(
  fc.constantFrom("X-A", "Accept", "Cookie", "Content-Type", "Referer"),
  fc.constantFrom("1", "a=b", "", "text/plain"),
);
/** Header fields, mostly harmless ones: a message with a wrong field seldom gets beyond the first parser. */
export const fields: fc.Arbitrary<[string, string][]> = fc.oneof(
  { weight: 3, arbitrary: fc.array(harmless, { maxLength: 3 }) },
  { weight: 1, arbitrary: fc.array(fc.tuple(fieldName, fieldValue), { maxLength: 4 }) },
);

export const method = fc.oneof(
  { weight: 20, arbitrary: fc.constantFrom("GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS") },
  { weight: 1, arbitrary: fc.constantFrom("CONNECT", "TRACE", "PRI", "get", "M-SEARCH", "", "G E T") },
);
export const target = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.constantFrom("/", "/big", "/echo", "/events", "/hang", "/trailers", "/upgrade", "/soon"),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      ...[
        "*",
        "//",
        "//evil.test/",
        "/%00",
        "/a b",
        "/#x",
        "/?",
        "http://demo.localhost/",
        "evil.test:80",
        "",
      ],
      ...["http://evil.test/", "/../..", "/_tunnel/register", "/\x80\xff", `/${"a".repeat(20_000)}`],
    ),
  },
);
export const status = fc.oneof(
  { weight: 10, arbitrary: fc.constantFrom("200", "204", "304", "404", "500") },
  { weight: 2, arbitrary: fc.constantFrom("100", "101", "103", "199", "999", "1000", "0", "2 0", "abc", "") },
);

/** A body with the framing that was announced, or with another. */
export const body = fc.oneof(
  fc.constant(""),
  fc.constantFrom(
    "hello",
    "5\r\nhello\r\n0\r\n\r\n",
    "0\r\n\r\n",
    "0\r\nX-T: v\r\n\r\n",
    "5\r\nhel",
    "fffffffff\r\n",
  ),
  fc.constantFrom(
    "-1\r\n",
    "5;ext=1\r\nhello\r\n",
    "\r\n",
    "g\r\n",
    "5\nhello\n0\n\n",
    "0\r\nContent-Length: 3\r\n\r\n",
  ),
  bytes(60),
  fc.constantFrom(1_000, 70_000, 300_000).map((length) => "b".repeat(length)),
);

const lineEnd = fc.oneof(
  { weight: 100, arbitrary: fc.constant("\r\n") },
  { weight: 1, arbitrary: fc.constantFrom("\n", "\r", "", " \r\n") },
);

/** The lines of a head. Most of them have a correct line end. */
export function head(
  first: fc.Arbitrary<string>,
  also: fc.Arbitrary<[string, string][]> = fields,
): fc.Arbitrary<string> {
  return fc.tuple(first, also, fc.infiniteStream(lineEnd)).map(([start, pairs, ends]) => {
    const end = (): string => ends.next().value as string;
    return `${start}${end()}${pairs.map(([name, value]) => `${name}: ${value}${end()}`).join("")}${end()}`;
  });
}

/** The text with some bytes changed, in a few cases. */
export function damaged(text: fc.Arbitrary<string>): fc.Arbitrary<string> {
  const change = fc.tuple(fc.nat(), fc.constantFrom("\0", "\n", "\r", " ", ":", "\x80", "x", ""));
  const changes = fc.oneof(
    { weight: 5, arbitrary: fc.constant([]) },
    { weight: 1, arbitrary: fc.array(change, { maxLength: 3 }) },
  );
  return fc.tuple(text, changes).map(([whole, all]) => {
    let result = whole;
    for (const [at, char] of all as [number, string][]) {
      const place = at % (result.length + 1);
      result = result.slice(0, place) + char + result.slice(place + 1);
    }
    return result;
  });
}

/**
 * A frame as a plan has it: type and flags, stream (see {@link Frames}), payload as text or as a number of
 * zeros, and a wrong length.
 */
export interface FrameMove {
  frame: [type: number, stream: number, payload: string | number, length?: number];
}

const headText = (first: fc.Arbitrary<string[]>): fc.Arbitrary<string> =>
  fc.tuple(first, fields).map(([start, pairs]) => [...start, ...pairs.flat()].join("\n"));

const u32 = (value: number): string =>
  String.fromCharCode((value >>> 24) & 255, (value >>> 16) & 255, (value >>> 8) & 255, value & 255);
const number32 = fc.oneof(fc.constantFrom(0, 1, 65_536, 0x7fffffff, 0xffffffff), fc.nat(300_000));

const refusal = fc
  .tuple(
    fc.constantFrom("request_too_large", "tunnel_reconnecting", "visitor_stalled", "new_code", ""),
    fc.constantFrom("413", "503", "", "41"),
    fc.constantFrom("1", "999999999", "0"),
    fc.constantFrom("GET", "", "\u001b[2J"),
    fc.constantFrom("/", "", "/\x9b31m"),
    fc.constantFrom("max-request-body 5242880 bytes", "hold-timeout 15000 ms", "", "x"),
  )
  .map((strings) => strings.join("\n"));

const payloadOf: Record<number, fc.Arbitrary<string | number>> = {
  1: fc.tuple(fc.constantFrom(0, 0, 0, 1), number32).map(([high, low]) => u32(high) + u32(low)),
  2: headText(fc.tuple(method, target)),
  3: headText(fc.tuple(fc.constantFrom("103", "100", "102", "200"))),
  4: headText(fc.tuple(status)),
  5: fc.oneof(bytes(30), fc.constantFrom(1, 100, 65_536, 262_144)),
  6: headText(fc.constant([])).map((text) => (text.startsWith("\n") ? text.slice(1) : text)),
  7: fc.tuple(fc.nat(12), bytes(20)).map(([code, why]) => `\0${String.fromCharCode(code)}${why}`),
  8: number32.map(u32),
  9: fc.constant(""),
  10: fc.constant(""),
  11: fc.array(refusal, { minLength: 1, maxLength: 3 }).map((all) => all.join("\n")),
};

/**
 * A frame for a stream that may exist, mostly with a payload of its kind. `weights`: how often each type
 * comes.
 */
export function frames(weights: Record<number, number>): fc.Arbitrary<FrameMove> {
  const stream = fc.oneof(
    { weight: 12, arbitrary: fc.integer({ min: -4, max: -1 }) },
    { weight: 1, arbitrary: number32 },
  );
  const flags = fc.oneof(
    { weight: 3, arbitrary: fc.constant(0) },
    { weight: 3, arbitrary: fc.constant(0x80) },
    { weight: 1, arbitrary: fc.constantFrom(0x40, 0xc0, 0x20) },
  );
  const right = Object.entries(weights).map(([type, weight]) => {
    const onStream = [1, 10, 11].includes(Number(type)) ? fc.constant(0) : stream;
    const flag = [2, 4, 5].includes(Number(type))
      ? flags
      : fc.oneof({ weight: 9, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: flags });
    return {
      weight: weight * 10,
      arbitrary: fc
        .tuple(flag, onStream, payloadOf[Number(type)] as fc.Arbitrary<string | number>)
        .map(([bits, id, payload]): FrameMove => ({ frame: [Number(type) | bits, id, payload] })),
    };
  });
  const wrong = fc
    .tuple(
      fc.nat(255),
      fc.oneof(stream, fc.constant(0)),
      bytes(20),
      fc.option(number32.map((n) => n % 0x1000000)),
    )
    .map(
      ([type, id, payload, length]): FrameMove => ({
        frame: length === null ? [type, id, payload] : [type, id, payload, length],
      }),
    );
  return fc.oneof(...right, { weight: 3, arbitrary: wrong });
}
