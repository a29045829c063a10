import fc from "fast-check";
import { bytes } from "./arbitraries.js";

// HTTP/2 as its frames (RFC 9113 section 4), right and wrong ones, for visitors who do not keep the rules.

/** A stream: its number, the stream that a head opens, or the stream that was opened last. */
type Stream = number | "new" | "last";

/**
 * A frame as a plan has it. The payload is text with a byte for each char, or a number of zeros. `length` is
 * a wrong length.
 */
export interface RawFrameMove {
  frame: [type: number, flags: number, stream: Stream, payload: string | number, length?: number];
}

/** A frame of header fields without compression: HEADERS, or the type in `type` (CONTINUATION). */
export interface HeadMove {
  head: [flags: number, stream: Stream, fields: [string, string][], type?: number];
}

export const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const types = {
  data: 0,
  headers: 1,
  priority: 2,
  rstStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
};
const endStream = 1;
const endHeaders = 4;
const padded = 8;
const withPriority = 32;

/** Writes the frames of one connection. */
export class FrameWriter {
  #newest = -1;

  bytes(move: RawFrameMove | HeadMove): Buffer {
    if ("head" in move) {
      const [flags, stream, fields, type = types.headers] = move.head;
      return frame(type, flags, this.#id(stream), Buffer.concat(fields.map(literal)));
    }
    const [type, flags, stream, payload, length] = move.frame;
    const content = typeof payload === "number" ? Buffer.alloc(payload) : Buffer.from(payload, "latin1");
    return frame(type, flags, this.#id(stream), content, length);
  }

  #id(stream: Stream): number {
    if (stream === "new") this.#newest += 2;
    return typeof stream === "number" ? stream : Math.max(1, this.#newest);
  }
}

function frame(
  type: number,
  flags: number,
  stream: number,
  payload: Buffer,
  length = payload.length,
): Buffer {
  const header = Buffer.alloc(9);
  header.writeUIntBE(length, 0, 3);
  header[3] = type;
  header[4] = flags;
  header.writeUInt32BE(stream, 5);
  return Buffer.concat([header, payload]);
}

/** RFC 7541 section 6.2.2: a literal without indexing, with a new name. */
function literal([name, value]: [string, string]): Buffer {
  return Buffer.concat([Buffer.from([0]), text(name), text(value)]);
}

function text(value: string): Buffer {
  return Buffer.concat([Buffer.from(integer(value.length)), Buffer.from(value, "latin1")]);
}

/** RFC 7541 section 5.1, with a prefix of 7 bits whose first bit, Huffman, is 0. */
function integer(value: number): number[] {
  if (value < 127) return [value];
  const result = [127];
  for (let rest = value - 127; ; rest >>>= 7) {
    if (rest < 128) return [...result, rest];
    result.push((rest & 127) | 128);
  }
}

const u32 = (value: number): string =>
  String.fromCharCode((value >>> 24) & 255, (value >>> 16) & 255, (value >>> 8) & 255, value & 255);
const number32 = fc.constantFrom(0, 1, 2, 255, 16_384, 65_535, 0x7fffffff, 0x80000000, 0xffffffff);
const stream: fc.Arbitrary<Stream> = fc.oneof(
  { weight: 6, arbitrary: fc.constant<Stream>("last") },
  { weight: 1, arbitrary: fc.constantFrom<Stream>(0, 1, 2, 3, 0x7fffffff, 0x80000001) },
);

/** The head of a request. The domain is that of the tests' relays. */
export function requestFields(
  method: string,
  path: string,
  also: [string, string][] = [],
  authority = "demo.localhost",
): [string, string][] {
  return [[":method", method], [":scheme", "https"], [":authority", authority], [":path", path], ...also];
}

const authority = fc.oneof(
  { weight: 8, arbitrary: fc.constant("demo.localhost") },
  { weight: 3, arbitrary: fc.constantFrom("localhost", "nobody.localhost", "evil.test", "", "[::1]:80") },
);
const path = fc.constantFrom(
  "/",
  "/soon",
  "/big",
  "/hang",
  "/echo",
  "/events",
  "/trailers",
  "/flood",
  "/quiet",
);
const websocket: [string, string][] = [
  [":method", "CONNECT"],
  [":protocol", "websocket"],
  [":scheme", "https"],
  [":authority", "demo.localhost"],
  ["sec-websocket-version", "13"],
];
const alsoSaid = fc.constantFrom<[string, string][]>(
  [],
  [],
  [["expect", "100-continue"]],
  [["expect", "y"]],
  [["te", "trailers"]],
  [["content-length", "5"]],
);

/** Complete requests, each with its frames in the right order. */
const request: fc.Arbitrary<(RawFrameMove | HeadMove)[]> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .tuple(fc.constantFrom("GET", "HEAD", "OPTIONS"), path, alsoSaid, authority)
      .map(([method, target, also, name]): HeadMove[] => [
        { head: [endStream | endHeaders, "new", requestFields(method, target, also, name)] },
      ]),
  },
  {
    weight: 4,
    arbitrary: fc
      .tuple(path, alsoSaid, authority, fc.constantFrom<string | number>("hello", 70_000), fc.nat(2))
      .map(([target, also, name, content, how]): (RawFrameMove | HeadMove)[] => {
        const head: HeadMove = { head: [endHeaders, "new", requestFields("POST", target, also, name)] };
        // One frame carries 16 KiB, unless SETTINGS allow more.
        const size = typeof content === "number" ? 16_384 : content;
        const pieces = typeof content === "number" ? Math.ceil(content / 16_384) : 1;
        const body = Array.from(
          { length: pieces },
          (): RawFrameMove => ({ frame: [types.data, 0, "last", size] }),
        );
        const end: (RawFrameMove | HeadMove)[] = [
          [{ frame: [types.data, endStream, "last", ""] } as RawFrameMove],
          [{ head: [endStream | endHeaders, "last", [["x-t", "v"]]] } as HeadMove],
          // The visitor sends nothing more for now.
          [],
        ][how] as (RawFrameMove | HeadMove)[];
        return [head, ...body, ...end];
      }),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(
        fc.constantFrom("/upgrade", "/refuse", "/hang", "/_tunnel/register"),
        fc.constantFrom("websocket", "websocket", "h2c", "x"),
        fc.boolean(),
      )
      .map(([target, protocol, ends]): (RawFrameMove | HeadMove)[] => [
        {
          head: [
            ends ? endStream | endHeaders : endHeaders,
            "new",
            [
              ...websocket.map(([name, value]): [string, string] => [
                name,
                name === ":protocol" ? protocol : value,
              ]),
              [":path", target],
            ],
          ],
        },
        { frame: [types.data, 0, "last", "hello"] },
      ]),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom<HeadMove[]>(
      [
        {
          head: [
            endHeaders,
            "new",
            [
              [":method", "CONNECT"],
              [":authority", "a.test:80"],
            ],
          ],
        },
      ],
      [
        {
          head: [
            endStream | endHeaders,
            "new",
            [
              [":method", "CONNECT"],
              [":authority", "demo.localhost"],
            ],
          ],
        },
      ],
    ),
  },
);

/** Other frames that a visitor may rightly send. */
const control: fc.Arbitrary<RawFrameMove> = fc.oneof(
  fc.tuple(fc.constantFrom(0, 1, 2, 3, 4, 5, 6, 8, 0xf0f0), number32).map(
    ([id, value]): RawFrameMove => ({
      frame: [types.settings, 0, 0, `\0${String.fromCharCode(id & 255)}${u32(value)}`],
    }),
  ),
  // The stream's window, and then the connection's.
  fc.constant<RawFrameMove>({ frame: [types.settings, 0, 0, `\0\x04${u32(0)}`] }),
  fc.constant<RawFrameMove>({ frame: [types.settings, 1, 0, ""] }),
  fc.constant<RawFrameMove>({ frame: [types.ping, 0, 0, "12345678"] }),
  fc
    .tuple(stream, number32)
    .map(([on, credit]): RawFrameMove => ({ frame: [types.windowUpdate, 0, on, u32(credit)] })),
  fc
    .tuple(stream, fc.constantFrom(0, 2, 5, 8, 11, 0xffffffff))
    .map(([on, code]): RawFrameMove => ({ frame: [types.rstStream, 0, on, u32(code)] })),
  fc.constantFrom<RawFrameMove>(
    { frame: [types.goaway, 0, 0, u32(0) + u32(0)] },
    { frame: [types.goaway, 0, 0, `${u32(0x7fffffff)}${u32(11)}bye`] },
  ),
);

/** The frames of an honest visitor: complete requests, with resets, windows and pings between them. */
export const orderly: fc.Arbitrary<(RawFrameMove | HeadMove)[]> = fc.oneof(
  { weight: 4, arbitrary: request },
  { weight: 1, arbitrary: control.map((one) => [one]) },
);

/** Heads with a fault in their fields. */
const oddHead: fc.Arbitrary<HeadMove[]> = fc
  .tuple(
    path,
    fc.nat(4),
    fc.constantFrom(
      ...[
        "missing",
        "twice",
        "late",
        "uppercase",
        "unknown",
        "protocol",
        "connection",
        "empty",
        "long",
        "many",
      ],
    ),
    fc.boolean(),
  )
  .map(([target, at, what, ends]) => {
    const fields = requestFields("GET", target);
    const chosen = fields[at % fields.length] as [string, string];
    const others = fields.filter((one) => one !== chosen);
    const wrong: Record<string, [string, string][]> = {
      missing: others,
      twice: [...fields, chosen],
      late: [...others, ["x-a", "1"], chosen],
      uppercase: [...fields, ["X-A", "1"]],
      unknown: [[":x", "1"], ...fields],
      protocol: [[":protocol", "websocket"], ...fields],
      connection: [...fields, ["connection", "close"], ["transfer-encoding", "chunked"], ["te", "gzip"]],
      empty: [...fields, ["", ""], ["x\0", "a\r\nb: c"]],
      long: [...fields, ["x-long", "v".repeat(15_000)]],
      many: [...fields, ...Array.from({ length: 300 }, (): [string, string] => ["x-a", "1"])],
    };
    return [{ head: [ends ? endStream | endHeaders : endHeaders, "new", wrong[what] as [string, string][]] }];
  });

/** Heads in several frames, which need not belong together. */
const continued: fc.Arbitrary<(RawFrameMove | HeadMove)[]> = fc
  .tuple(
    path,
    fc.array(fc.constantFrom("piece", "end", "other", "elsewhere"), { minLength: 1, maxLength: 6 }),
  )
  .map(([target, pieces]) => [
    { head: [endStream, "new", requestFields("GET", target)] },
    ...pieces.map((piece): RawFrameMove | HeadMove => {
      if (piece === "piece") return { head: [0, "last", [["x-a", "1"]], types.continuation] };
      if (piece === "end") return { head: [endHeaders, "last", [], types.continuation] };
      if (piece === "other") return { frame: [types.ping, 0, 0, "12345678"] };
      return { head: [endHeaders, 1001, [], types.continuation] };
    }),
  ]);

const wrongFrames = fc.constantFrom<(RawFrameMove | HeadMove)[]>(
  // Data without a stream.
  [{ frame: [types.data, 0, 7, "hello"] }],
  [{ frame: [types.data, endStream, 0, "hello"] }],
  // Padding that is longer than its frame.
  [
    { head: [endHeaders, "new", requestFields("POST", "/echo")] },
    { frame: [types.data, padded, "last", "\xffhello"] },
  ],
  [{ frame: [types.headers, padded | endHeaders, "new", "\xff\x00"] }],
  // A stream that depends on itself (RFC 7540 section 5.3.1).
  [{ frame: [types.priority, 0, 1, `${u32(1)}\x10`] }],
  [{ frame: [types.headers, withPriority | endHeaders | endStream, 1, `${u32(1)}\x10`] }],
  // Wrong lengths for the type.
  [{ frame: [types.ping, 0, 0, "1234567"] }],
  [{ frame: [types.settings, 0, 0, "12345"] }],
  [{ frame: [types.settings, 1, 0, "123456"] }],
  [{ frame: [types.windowUpdate, 0, 0, "123"] }],
  [{ frame: [types.rstStream, 0, 1, "123"] }],
  [{ frame: [types.goaway, 0, 0, "1"] }],
  [{ frame: [types.priority, 0, 1, ""] }],
  [{ frame: [types.data, 0, 1, "", 0xffffff] }],
  [{ frame: [types.data, 0, 1, 16_385] }],
  // A frame that only a server may send.
  [{ frame: [types.pushPromise, endHeaders, 1, u32(2)] }],
  // A stream is opened twice, backwards, with a server's number.
  [
    { head: [endStream | endHeaders, 9, requestFields("GET", "/")] },
    { head: [endStream | endHeaders, 9, requestFields("GET", "/")] },
  ],
  [
    { head: [endStream | endHeaders, 9, requestFields("GET", "/")] },
    { head: [endStream | endHeaders, 3, requestFields("GET", "/")] },
  ],
  [{ head: [endStream | endHeaders, 2, requestFields("GET", "/")] }],
  // Windows that overflow, and windows that do not open.
  [{ frame: [types.windowUpdate, 0, 0, u32(0)] }],
  [{ frame: [types.windowUpdate, 0, 0, u32(0x7fffffff)] }],
  // A head with an index that is in no table, and heads that end in the middle (RFC 7541).
  [{ frame: [types.headers, endStream | endHeaders, "new", "\xff\xff\xff\xff\x0f"] }],
  [{ frame: [types.headers, endStream | endHeaders, "new", "\x82\x87\x84\x41\x7f"] }],
  [{ frame: [types.headers, endStream | endHeaders, "new", "\x00\x85\xff\xff\xff\xff\xff"] }],
  [{ frame: [types.headers, endStream | endHeaders, "new", "\x3f\xe1\xff\xff\xff\x0f"] }],
);
const anyFrame: fc.Arbitrary<RawFrameMove[]> = fc
  .tuple(fc.nat(255), fc.nat(255), stream, bytes(30), fc.option(fc.nat(20_000), { freq: 6 }))
  .map(([type, flags, on, payload, length]) => [
    { frame: length === null ? [type, flags, on, payload] : [type, flags, on, payload, length] },
  ]);
const flood = fc
  .tuple(control, fc.constantFrom(20, 300))
  .map(([one, count]): RawFrameMove[] => Array.from({ length: count }, () => one));

/** Any frames, mostly wrong ones. */
export const disorderly: fc.Arbitrary<(RawFrameMove | HeadMove)[]> = fc.oneof(
  { weight: 6, arbitrary: orderly },
  { weight: 3, arbitrary: oddHead },
  { weight: 2, arbitrary: continued },
  { weight: 4, arbitrary: wrongFrames },
  { weight: 2, arbitrary: anyFrame },
  { weight: 1, arbitrary: flood },
);
