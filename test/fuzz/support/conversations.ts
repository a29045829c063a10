import fc from "fast-check";
import { bytes } from "./arbitraries.js";
import { disorderly, type HeadMove, orderly, preface, type RawFrameMove } from "./http2-frames.js";

// The events on a visitor's connection, in order and out of it, down to the packets into which it is cut.

/** The target of a connection, and the protocol below HTTP: `handshake` is TCP to the port of TLS. */
export type Way = "plain" | "tls" | "h2" | "handshake" | "redirect" | "admin";

export type Move =
  | { say: string }
  | RawFrameMove
  | HeadMove
  /** The first bytes of a real ClientHello. */
  | { hello: number }
  /** Waits a moment for an answer. */
  | "listen"
  /** Ends its direction. */
  | "end"
  /** Reads nothing more for now. */
  | "deaf"
  /** Reads again. */
  | "hear";

/** Plain data, so that a finding can be kept in test/vectors/hostile-peers.json. */
export interface Conversation {
  way: Way;
  moves: Move[];
  /**
   * The places where bytes sent without a pause are cut into packets. Each is taken modulo the number of
   * bytes.
   */
  cuts: number[];
  /**
   * The end of the connection. The visitor closes it, or resets it. Or he stays and reads nothing more, as a
   * stopped process does, and perhaps goes on to send a byte now and then.
   */
  ending: "close" | "reset" | "stay" | "drip";
}

function request(line: string, fields: readonly string[], content = ""): Move {
  return { say: `${line}\r\n${fields.map((field) => `${field}\r\n`).join("")}\r\n${content}` };
}

const host = fc
  .oneof(
    { weight: 6, arbitrary: fc.constant("demo.localhost") },
    { weight: 3, arbitrary: fc.constantFrom("localhost", "nobody.localhost", "evil.test", "a b") },
  )
  .map((name) => `Host: ${name}`);
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
const version = fc.oneof(
  { weight: 8, arbitrary: fc.constant("HTTP/1.1") },
  { weight: 1, arbitrary: fc.constant("HTTP/1.0") },
);
const also = fc.oneof(
  { weight: 4, arbitrary: fc.constant<string[]>([]) },
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      ["Connection: close"],
      ["Expect: y"],
      ["Expect: 100-continue"],
      ["Accept: text/html"],
    ),
  },
);
const framings: fc.Arbitrary<[fields: string[], content: string]> = fc.constantFrom(
  [["Content-Length: 5"], "hello"],
  [["Content-Length: 0"], ""],
  [["Transfer-Encoding: chunked"], "5\r\nhello\r\n0\r\n\r\n"],
  [["Transfer-Encoding: chunked"], "5\r\nhello\r\n0\r\nX-T: v\r\n\r\n"],
  // Incomplete bodies.
  [["Content-Length: 50"], "hello"],
  [["Transfer-Encoding: chunked"], "5\r\nhel"],
  [["Content-Length: 6000000"], ""],
  [["Content-Length: 5", "Transfer-Encoding: chunked"], "0\r\n\r\n"],
);
const webSocket = [
  "Connection: Upgrade",
  "Upgrade: websocket",
  "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
  "Sec-WebSocket-Version: 13",
];

const simple = fc
  .tuple(fc.constantFrom("GET", "HEAD", "OPTIONS"), path, version, host, also)
  .map(([method, target, of, name, more]) => request(`${method} ${target} ${of}`, [name, ...more]));
const withBody = fc
  .tuple(fc.constantFrom("POST", "PUT", "GET"), path, host, also, framings)
  .map(([method, target, name, more, [fields, content]]) =>
    request(`${method} ${target} HTTP/1.1`, [name, ...more, ...fields], content),
  );
const connect = fc
  .tuple(fc.constantFrom("a.test:80", "demo.localhost:80", "/", "*"), version, host, also)
  .map(([target, of, name, more]) => request(`CONNECT ${target} ${of}`, [name, ...more]));
const upgrade = fc
  .tuple(
    fc.constantFrom("GET", "GET", "GET", "POST", "OPTIONS"),
    fc.constantFrom("/upgrade", "/refuse", "/hang", "/_tunnel/register", "/_tunnel/register?x"),
    fc.oneof(
      { weight: 3, arbitrary: fc.constant(webSocket) },
      {
        weight: 2,
        arbitrary: fc.constantFrom(
          ["Connection: Upgrade", "Upgrade: x"],
          ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA"],
          ["Connection: Upgrade", "Upgrade: websocket"],
        ),
      },
    ),
    version,
    host,
    also,
    fc.oneof(
      { weight: 4, arbitrary: fc.constant<[string[], string]>([[], ""]) },
      { weight: 1, arbitrary: framings },
    ),
  )
  .map(([method, target, lines, of, name, more, [fields, content]]) =>
    request(`${method} ${target} ${of}`, [name, ...lines, ...more, ...fields], content),
  );
const malformed = fc.constantFrom(
  "GET / HTTP/1.1\r\nHost demo\r\n\r\n",
  "GET / HTTP/9.9\r\n\r\n",
  "GET\r\n\r\n",
  "\0\x01\x02",
  "POST / HTTP/1.1\r\nHost: demo.localhost\r\nContent-Length: 1, 2\r\n\r\n",
  "GET / HTTP/1.1\r\nHost: demo.localhost\r\n",
  `GET / HTTP/1.1\r\nX: ${"y".repeat(40_000)}`,
  preface,
  "\x16\x03\x01\x02\x00\x01",
);
const late = fc.oneof(fc.constantFrom("x", "\r\n", "GET", "\x81\x80\0\0\0\0", "\x88\x80\0\0\0\0"), bytes(20));
const text = fc.oneof(malformed, late).map((said): Move => ({ say: said }));

/** Moves that send nothing. */
const pause = fc.oneof(
  { weight: 6, arbitrary: fc.constant<Move>("listen") },
  { weight: 1, arbitrary: fc.constantFrom<Move>("end", "deaf", "hear") },
);
const http1 = fc.oneof(
  { weight: 4, arbitrary: simple },
  { weight: 3, arbitrary: withBody },
  { weight: 2, arbitrary: connect },
  { weight: 3, arbitrary: upgrade },
  { weight: 1, arbitrary: text },
  { weight: 4, arbitrary: pause },
);
const http1Moves = fc.array(http1, { minLength: 1, maxLength: 6 });

const handshake = fc.oneof(
  { weight: 3, arbitrary: fc.nat(600).map((hello): Move => ({ hello })) },
  { weight: 1, arbitrary: text },
  { weight: 1, arbitrary: simple },
  { weight: 1, arbitrary: pause },
);
const settings: Move = { frame: [4, 0, 0, ""] };

/** The beginning of a session, nearly always a correct one. */
const opening = fc.oneof(
  { weight: 12, arbitrary: fc.constant<Move[]>([{ say: preface }, settings]) },
  {
    weight: 1,
    arbitrary: fc.constantFrom<Move[]>([], [{ say: preface }], [settings], [{ say: preface.slice(0, 20) }]),
  },
);
function session(frames: fc.Arbitrary<(RawFrameMove | HeadMove)[]>): fc.Arbitrary<Move[]> {
  const some = fc.oneof(
    { weight: 6, arbitrary: frames },
    { weight: 2, arbitrary: pause.map((one): Move[] => [one]) },
    { weight: 1, arbitrary: fc.constantFrom<Move[]>([{ say: "x" }], [{ say: "GET / HTTP/1.1\r\n\r\n" }]) },
  );
  return fc
    .tuple(opening, fc.array(some, { minLength: 1, maxLength: 6 }))
    .map(([first, rest]) => [...first, ...rest.flat()]);
}

const cuts = fc.oneof(fc.constant<number[]>([]), fc.array(fc.nat(400), { maxLength: 3 }));

function conversation(
  way: Way,
  moves: fc.Arbitrary<Move[]>,
  endings: readonly Conversation["ending"][],
): fc.Arbitrary<Conversation> {
  return fc.record(
    { way: fc.constant(way), moves, cuts, ending: fc.constantFrom(...endings) },
    // So that a finding is printed in the form of the vectors.
    { noNullPrototype: true },
  );
}

/** Connections by each of `ways`. Their visitors leave in the end, or do not. */
export function conversations(
  ways: readonly Way[],
  endings: readonly Conversation["ending"][],
): fc.Arbitrary<Conversation> {
  const movesOf: Record<Way, fc.Arbitrary<Move[]>> = {
    plain: http1Moves,
    tls: http1Moves,
    redirect: http1Moves,
    admin: http1Moves,
    handshake: fc.array(handshake, { maxLength: 3 }),
    h2: fc.oneof({ weight: 3, arbitrary: session(orderly) }, { weight: 1, arbitrary: session(disorderly) }),
  };
  const weights: Partial<Record<Way, number>> = { plain: 4, tls: 3, h2: 3 };
  return fc.oneof(
    ...ways.map((way) => ({
      weight: weights[way] ?? 1,
      arbitrary: conversation(way, movesOf[way], endings),
    })),
  );
}

/** HTTP/2 sessions of visitors who keep no rule. */
export const hostileSessions: fc.Arbitrary<Conversation> = conversation("h2", session(disorderly), [
  "close",
  "reset",
]);
