import { Socket } from "node:net";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ResponseNormaliser } from "../../packages/client/src/service/http/response-normaliser.js";
import { fuzzTimeoutMs, runs } from "../../packages/protocol/test/support/fuzz.js";
import { answerFile, bytesOf } from "../proxy/answers.js";
import { body, bytes, damaged, fields, head, status } from "./support/arbitraries.js";

// The one place where this project parses HTTP by hand. Any bytes of a local service give the same result in
// any pieces, and the bytes that reach the parser behind are plain.

/** The bytes that the parser gets, or the reason why it gets nothing more. */
function read(pieces: readonly Buffer[], upgrade: boolean): { passed: string; error: string | undefined } {
  const socket = new Socket();
  const result = { passed: "", error: undefined as string | undefined };
  socket.push = (chunk: Buffer | null) => {
    result.passed += chunk === null ? "" : chunk.toString("latin1");
    return true;
  };
  socket.destroy = (error?: Error) => {
    result.error ??= String(error?.message);
    return socket;
  };
  const context = { upgrade, expectsContinue: upgrade, withholdsLength: !upgrade, maxHeadBytes: 65_536 };
  new ResponseNormaliser(socket, context, true);
  for (const piece of [...pieces, null]) if (result.error === undefined) socket.push(piece);
  return result;
}

const lineEnd = fc.constantFrom(
  "\r\n",
  "\r\n",
  "\r\n",
  "\n",
  "\n",
  "\r",
  "\r\r\n",
  "\n\r",
  "\r\n ",
  "\n\t",
  "\0\n",
);
const version = fc.constantFrom(
  "HTTP/1.1",
  "HTTP/1.1",
  "HTTP/1.1",
  "HTTP/1.0",
  "HTTP/2",
  "HTTP/1.9",
  "http/1.1",
  "ICY",
);
const blanks = fc.constantFrom("", " ", " ", " ", "  ", "\t");
const name = fc.oneof(
  fc.constantFrom(
    "Content-Length",
    "content-length",
    "Transfer-Encoding",
    "TRANSFER-ENCODING",
    "Connection",
    "X-A",
  ),
  bytes(6),
);
const value = fc.oneof(
  fc.constantFrom(
    "5",
    "5",
    "05",
    "5, 5",
    "6",
    "chunked",
    "Chunked",
    "identity",
    "identity, chunked",
    "gzip",
    "close",
    "",
  ),
  bytes(10),
);
const field = fc.tuple(name, blanks, fc.constantFrom(":", ":", ":", ":", ""), blanks, value, blanks, lineEnd);
const statusLine = fc.tuple(
  fc.constantFrom("", "", "", "\r\n", "\n"),
  version,
  blanks,
  fc.oneof(status, fc.constantFrom(100, 101, 103, 204, 304, 999, 99, "2000")),
  fc.constantFrom(" OK", "", " ", "\tOK"),
  lineEnd,
);
const ownHead = fc
  .tuple(statusLine, fc.array(field, { maxLength: 4 }), lineEnd)
  .map((parts) => parts.flat(2).join(""));
const answer = fc
  .oneof(
    { weight: 4, arbitrary: fc.tuple(fc.array(ownHead, { minLength: 1, maxLength: 3 }), body) },
    {
      weight: 1,
      arbitrary: fc
        .tuple(fc.array(fc.constantFrom(...answerFile.answers), { minLength: 1, maxLength: 2 }), body)
        .map(
          ([known, rest]) =>
            [known.map((vector) => bytesOf(vector).toString("latin1")), rest] as [string[], string],
        ),
    },
    {
      weight: 1,
      arbitrary: fc.tuple(
        fc.array(
          head(
            statusLine.map((parts) => parts.join("").trim()),
            fields,
          ),
          { minLength: 1, maxLength: 2 },
        ),
        body,
      ),
    },
  )
  .map(([heads, rest]) => heads.join("") + rest);
const places = fc.array(fc.nat(1_000), { maxLength: 6 });

function cut(whole: Buffer, at: readonly number[]): Buffer[] {
  const edges = [
    0,
    ...at.map((place) => Math.min(place, whole.length)).toSorted((a, b) => a - b),
    whole.length,
  ];
  return edges
    .slice(1)
    .map((end, i) => whole.subarray(edges[i], end))
    .filter((piece) => piece.length > 0);
}

/** Heads as RFC 9112 has them: one way to read each, and one framing. @throws Error */
function expectPlain(passed: string): void {
  for (let rest = passed; ; ) {
    const end = rest.indexOf("\r\n\r\n") + 4;
    const lines = rest.slice(0, end - 4).split("\r\n");
    const [, code] = /^HTTP\/1\.[01] ([1-9]\d\d)(?: [^\r\n\0]*)?$/.exec(lines[0] as string) ?? [];
    expect(code, JSON.stringify(rest.slice(0, 200))).toBeDefined();
    const framings = lines.filter((line) => /^(?:content-length|transfer-encoding)[ \t]*:/i.test(line));
    for (const line of lines.slice(1)) {
      expect(line).toMatch(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*$/);
    }
    expect(framings.length).toBeLessThanOrEqual(1);
    for (const line of framings)
      expect(line).toMatch(/^(?:content-length: ?\d{1,15}|transfer-encoding: ?chunked)$/i);
    if (code === "101" || Number(code) >= 200) return;
    rest = rest.slice(end);
    // The service has ended its connection there.
    if (rest === "") return;
  }
}

describe("whatever a local service says", () => {
  it(
    "comes to the same in pieces, and what passes is plain",
    () => {
      fc.assert(
        fc.property(fc.oneof(answer, damaged(answer)), places, fc.boolean(), (text, at, upgrade) => {
          const whole = Buffer.from(text, "latin1");
          const expected = read([whole], upgrade);
          expect(read(cut(whole, at), upgrade)).toEqual(expected);
          if (expected.passed !== "") expectPlain(expected.passed);
        }),
        runs(3_000),
      );
    },
    fuzzTimeoutMs,
  );

  it(
    "a body keeps its bytes",
    () => {
      fc.assert(
        fc.property(ownHead, bytes(60), places, (text, rest, at) => {
          const { passed, error } = read(cut(Buffer.from(text + rest, "latin1"), at), false);
          const isFinal = /^(?:HTTP\/1\.[01] 1[^]*?\r\n\r\n)*HTTP\/1\.[01] [2-9]/.test(passed);
          fc.pre(
            error === undefined &&
              isFinal &&
              !/\n\r?\n[^]*HTTP/.test(text.trimStart()) &&
              /\n\r?\n$/.test(text),
          );
          expect(passed.endsWith(rest)).toBe(true);
        }),
        runs(1_000),
      );
    },
    fuzzTimeoutMs,
  );
});
