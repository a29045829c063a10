import { describe, expect, it } from "vitest";
import {
  AnySpelling,
  endToEndHeaders,
  endToEndTrailers,
  FieldNames,
  headerValue,
  isNamed,
  keepEndToEnd,
  nameAt,
} from "../src/index.js";

describe("field names", () => {
  it.each([["Host"], ["host"], ["HOST"], ["X-Long-Name-Of-Thirty-Four-Letters"]])(
    "know %s in any case",
    (name) => {
      expect(new FieldNames(["host", "x-long-name-of-thirty-four-letters"]).has(name)).toBe(true);
    },
  );

  it.each(["", "Hos", "Hosts", "Hast", "H", "2ost", "(ost", "x_b", "x-long-name-of-thirty-four-letterz"])(
    "do not know %j",
    (name) => {
      expect(new FieldNames(["host", "x-b", "x-long-name-of-thirty-four-letters"]).has(name)).toBe(false);
    },
  );

  it("may be known in any spelling, and by what they begin with", () => {
    const names = new AnySpelling(["a-b-c", "d"], ["x-forwarded-"]);
    const known = ["A-B-C", "a_b_c", "A_b-C", "D", "X-Forwarded-Y", "x_forwarded_y", "X-Forwarded-"];
    expect(known.filter((name) => !names.has(name))).toEqual([]);
    const unknown = ["", "abc", "a-b", "a-b-c-d", "X-Forwarded", "X-Forward-Y", "-x-forwarded-y", "d-"];
    expect(unknown.filter((name) => names.has(name))).toEqual([]);
  });
});

describe("a name in a text", () => {
  it.each(["Host", "host", "HOST", "hOst", "Hosts", "Hos", "X-Forwarded-For", "x-forwarded-fox", "_", ""])(
    "is the same as it stands there: %j",
    (name) => {
      expect(nameAt(`Host\n${name}: 1`, 5, 5 + name.length)).toBe(name);
      expect(nameAt(name, 0, name.length)).toBe(name);
    },
  );
});

describe("the name of a field", () => {
  it("is compared in any case of ASCII, and in no other way", () => {
    expect(["te-x", "TE-X", "Te-x"].filter((name) => !isNamed(name, "te-x"))).toEqual([]);
    // The bit that makes a letter small makes a carriage return a hyphen. K is also the sign for kelvin.
    const others = ["te\rx", "te-", "te-xx", "", "TE_X", "te-8", "te-\u0058\u0300"];
    expect(others.filter((name) => isNamed(name, "te-x"))).toEqual([]);
    expect(isNamed("coo\u212aie", "cookie")).toBe(false);
    expect(headerValue(["X", "1", "ETAG", "2", "etag", "3"], "etag")).toBe("2");
  });
});

describe("fields of one hop", () => {
  it("are taken out of the array itself, or of a copy", () => {
    const headers = ["Connection", "X-A", "Host", "a", "x-a", "1", "Te", "b", "X-B", "2"];
    const before = [...headers];
    expect(endToEndHeaders(headers, new FieldNames(["host"]))).toEqual(["X-B", "2"]);
    expect(headers).toEqual(before);
    expect(keepEndToEnd(headers, new FieldNames(["host"]))).toBe(headers);
    expect(headers).toEqual(["X-B", "2"]);
  });
});

describe("what Connection names", () => {
  const fieldsOf = (names: readonly string[]): string[] => names.flatMap((name) => [name, "1"]);

  it("does not travel", () => {
    const headers = ["Connection", "close, X-A", "connection", " x-b ,,", "X-A", "1", "x-B", "2", "X-C", "3"];
    expect(endToEndHeaders(headers)).toEqual(["X-C", "3"]);
  });

  it.each([
    ...["Host", "Content-Length", "Content-Type", "Cookie", "Set-Cookie", "Authorization", "Expect"],
    ...["Content-Security-Policy", "Clear-Site-Data", "Cache-Control", "Location", "Origin"],
    ...["Access-Control-Allow-Origin", "Sec-WebSocket-Accept", "Sec-Fetch-Site", "If-None-Match"],
    ...["X-Forwarded-For", "X_Forwarded_For", "X-Forwarded-Anything", "X-Request-Id", "X-Tunnel-Error"],
  ])("travels if it is %s: a message needs it", (name) => {
    for (const option of [name, name.toLowerCase(), `keep-alive, ${name}`, `x-a,\t${name} ,x-b`]) {
      const headers = ["Connection", option, "X-A", "0", ...fieldsOf([name])];
      expect(endToEndHeaders(headers).slice(-2)).toEqual([name, "1"]);
    }
  });

  it.each([
    "Connection",
    "Keep-Alive",
    "Transfer-Encoding",
    "TE",
    "Trailer",
    "Upgrade",
    "HTTP2-Settings",
    "Proxy-Authorization",
  ])("or not: %s is of one hop", (name) => {
    expect(endToEndHeaders([name, "x"])).toEqual([]);
  });

  it("costs no more than the head is long", () => {
    // A list within a list would compare each name with each, in billions of steps.
    const names = Array.from({ length: 50_000 }, (_, i) => `x-${i}`);
    const headers = ["Connection", names.join(","), ...fieldsOf(names)];
    // A thousand options of one field are read; no honest sender names as many.
    expect(endToEndHeaders(headers)).toEqual(fieldsOf(names.slice(1_000)));
    const many = [...names.flatMap((name) => ["Connection", name]), "X-Kept", "1"];
    expect(endToEndHeaders(many)).toEqual(["X-Kept", "1"]);
  });
});

describe("trailers", () => {
  it.each([
    ...["Host", "host", "Content-Length", "content_length", "Transfer-Encoding", "Content-Type", "Cookie"],
    ...["Set-Cookie", "Authorization", "X-Forwarded-For", "x_forwarded_for", "Forwarded", "X-Request-Id"],
    ...["X-Tunnel-Error", "Trailer", "Connection", "TE", "If-Match", "Cache-Control", "Sec-Fetch-Mode"],
  ])("cannot be %s", (name) => {
    expect(endToEndTrailers([name, "1", "X-Sum", "2"])).toEqual(["X-Sum", "2"]);
  });

  it("can be what may come after a body, but for what the caller drops", () => {
    const trailers = [
      "Content-Digest",
      "1",
      "ETag",
      "2",
      "grpc-status",
      "0",
      "Server-Timing",
      "3",
      "X-Sum",
      "4",
    ];
    expect(endToEndTrailers(trailers)).toEqual(trailers);
    expect(endToEndTrailers(trailers, new FieldNames(["etag", "x-sum"]))).toEqual([
      ...["Content-Digest", "1", "grpc-status", "0", "Server-Timing", "3"],
    ]);
  });
});
