import * as zlib from "node:zlib";
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import type { RefusedEvent, RequestEvent } from "mcp-tunnel-client";
import { detailOf } from "../src/views/detail.js";
import { summaryOf } from "../src/views/summary.js";
import { captured, type CapturedGiven } from "./support/captured.js";
import { harContext } from "./support/views.js";

const key = Buffer.alloc(32, 7);
const summary = (given: CapturedGiven) => summaryOf(captured(given), harContext());
const detail = (given: CapturedGiven) => detailOf(captured(given), harContext());
const over = (code: string): Partial<RequestEvent> => {
  return { error: { code, message: "why" } as RequestEvent["error"] };
};
const refusal: RefusedEvent = {
  code: "request_too_large",
  status: 413,
  count: 3,
  method: "POST",
  path: "/up",
  limit: undefined,
  message: "request body over --max-request-body (5 MiB)",
};

/** From Node 22.15 on. */
const { zstdCompressSync } = zlib as { zstdCompressSync?: (this: void, data: string) => Buffer };

describe("a row of the list", () => {
  it("has what is known of an exchange that is over", () => {
    const entry = captured({ method: "POST", path: "/a?token=x", body: "abc", status: 404, answer: "no" });
    expect(summaryOf(entry, harContext())).toEqual({
      id: entry.id,
      kind: "http",
      state: "done",
      startedAt: entry.startedAt,
      method: "POST",
      path: "/a?token=[hidden]",
      status: 404,
      durationMs: 12,
      waitMs: 10,
      requestBytes: 3,
      responseBytes: 2,
    });
  });

  it("has no more than is known of one that is open", () => {
    const row = summary({ status: null, body: "abc" });
    expect(row.state).toBe("open");
    for (const name of ["status", "durationMs", "waitMs", "error", "mcp", "user", "replayOf", "refusal"]) {
      expect(row).not.toHaveProperty(name);
    }
  });

  it.each<[string, CapturedGiven]>([
    ["http", {}],
    ["http", { status: null }],
    ["stream", { events: [] }],
    ["stream", { answerHeaders: ["Content-Type", "text/event-stream; charset=utf-8"] }],
    ["websocket", { messages: [], status: 101 }],
    [
      "websocket",
      { status: null, entry: { head: { method: "GET", path: "/", headers: [], upgrade: true } } },
    ],
    ["http", { status: 401, entry: { head: { method: "GET", path: "/", headers: [], upgrade: true } } }],
    ["refused", { status: null, entry: { refusal } }],
  ])("knows the kind: %s", (kind, given) => {
    expect(summary(given).kind).toBe(kind);
  });

  it.each([
    ["cancelled", "cancelled"],
    ["failed", "upstream_unreachable"],
    ["failed", "session_lost"],
  ])("knows how it ended: %s, %s", (state, code) => {
    const event = { ...captured().over, ...over(code) } as RequestEvent;
    expect(summary({ entry: { over: event } })).toMatchObject({ state, error: { code, message: "why" } });
  });

  it("tells what the relay has refused", () => {
    const row = summary({ status: null, method: "POST", path: "/up", entry: { refusal } });
    const { code, count, message } = refusal;
    expect(row).toMatchObject({ state: "failed", status: 413, refusal: { code, count, message } });
  });

  it("names no user whom the visitor has named himself", () => {
    const headers = ["X-Tunnel-User", "admin"];
    expect(summaryOf(captured({ headers }), harContext()).user).toBe(undefined);
    const refused = captured({ headers, status: 401, entry: { reachedService: false } });
    expect(summaryOf(refused, harContext()).user).toBe(undefined);
  });

  it("tells the user of the gate, and of what it is a replay", () => {
    const serviceHead = { method: "GET", path: "/", headers: ["X-Tunnel-User", "ada"] };
    expect(summary({ entry: { serviceHead, replayOf: 4 } })).toMatchObject({ user: "ada", replayOf: 4 });
  });

  it("has the user's name as the gate knows it", () => {
    const serviceHead = { method: "GET", path: "/", headers: ["X-Tunnel-User", "J%C3%B6rg 100%25"] };
    expect(summary({ entry: { serviceHead } }).user).toBe("Jörg 100%");
  });

  it("takes no user from a visitor, to whom some relays leave the field", () => {
    expect(summary({ headers: ["X-Tunnel-User", "root"] }).user).toBeUndefined();
  });
});

describe("one exchange", () => {
  it("hides secrets everywhere, and counts them", () => {
    const s = "s3cr3tValue";
    const head = { method: "POST", path: `/x?token=${s}1`, headers: ["Authorization", `Bearer ${s}2`] };
    const entry = captured({
      ...head,
      body: JSON.stringify({ password: `${s}3` }),
      answerHeaders: ["Set-Cookie", `a=${s}4`],
      answer: `token=${s}5&a=1`,
      entry: {
        serviceHead: { ...head, path: `/x?token=${s}6` },
        requestTrailers: ["X-Api-Key", `${s}7`],
        responseTrailers: ["X-Token", `${s}8`],
        interim: [{ atMs: 1, head: { status: 103, headers: ["Link", `</x?token=${s}9>`] } }],
      },
    });
    const context = harContext({ key });
    const shown = detailOf(entry, context);
    expect(JSON.stringify(shown)).not.toContain(s);
    expect(shown.hidden).toBe(9);
    const marks = [...JSON.stringify(shown).matchAll(/hidden:([\da-f]{8})/g)].map(([, mark]) => mark);
    for (const mark of marks) expect(context.hider.find(mark ?? "")).toContain(s);
  });

  it("hides secrets in events and in messages of a WebSocket", () => {
    const data = JSON.stringify({ token: "s3cr3t" });
    expect(JSON.stringify(detail({ events: [{ data }] }))).not.toContain("s3cr3t");
    const socket = JSON.stringify(detail({ status: 101, messages: [{ data }, { data, kind: "binary" }] }));
    expect(socket).not.toContain("s3cr3t");
    expect(socket).not.toContain(Buffer.from(data).toString("base64"));
  });

  it("has times, the visitor, and what the replayer says", () => {
    const entry = captured({ headers: ["X-Tunnel-Visitor", "192.0.2.1"], answer: "a" });
    const shown = detailOf(entry, { ...harContext(), noReplay: "too long", replayWarning: "it writes" });
    expect(shown).toMatchObject({ visitor: "192.0.2.1", noReplay: "too long", replayWarning: "it writes" });
    expect(shown.timing).toEqual({ requestEndMs: 1, headMs: 10, firstByteMs: 11, endMs: 12 });
    expect(detail({ status: null })).not.toHaveProperty("response");
  });

  it("shows events with their times", () => {
    const events = [
      { data: "{}", event: "message", id: "1", atMs: 5, bytes: 30 },
      { data: "keepalive", isComment: true, bytes: 14 },
      { data: "cut", isCut: true, bytes: 900_000 },
    ];
    expect(detail({ events, dropped: 2, answerBytes: 1_000 }).response?.body).toEqual({
      form: "events",
      dropped: 2,
      bytes: 1_000,
      events: [
        { atMs: 5, event: "message", id: "1", data: "{}", bytes: 30 },
        { atMs: 20, event: "", data: "keepalive", comment: true, bytes: 14 },
        { atMs: 20, event: "", data: "cut", bytes: 900_000, cut: true },
      ],
    });
  });

  it("shows messages of a WebSocket, whose bytes are no bodies", () => {
    const messages = [
      { data: "hello", from: "service" as const },
      { data: Buffer.from([0, 255]), kind: "binary" as const, bytes: 900_000, isCut: true },
    ];
    const shown = detail({ status: 101, messages, unread: "broken", bodyBytes: 50, answerBytes: 60 });
    expect(shown.request.body).toEqual({ form: "none" });
    expect(shown.response?.body).toEqual({ form: "none" });
    expect(shown.socket).toEqual({
      messages: [
        { atMs: 20, from: "service", kind: "text", data: "hello", bytes: 5 },
        { atMs: 20, from: "visitor", kind: "binary", data: "AP8=", bytes: 900_000, cut: true },
      ],
      dropped: 0,
      unread: "broken",
    });
  });
});

describe("a body", () => {
  const body = (answer: string | Buffer, type = "", more: CapturedGiven = {}, encoding = "") => {
    const answerHeaders = type === "" ? [] : ["Content-Type", type];
    if (encoding !== "") answerHeaders.push("Content-Encoding", encoding);
    return detail({ answer, answerHeaders, ...more }).response?.body;
  };
  const text = "words and more words. ".repeat(500);

  it("is text or binary, as its type and its bytes say", () => {
    expect(body("")).toEqual({ form: "none" });
    expect(body("é漢", "text/plain")).toEqual({ form: "text", text: "é漢", json: false, bytes: 5, kept: 5 });
    expect(body("plain", "application/octet-stream")).toMatchObject({ form: "text" });
    expect(body("<svg/>", "image/svg+xml")).toMatchObject({ form: "text" });
    expect(body("GIF89a", "image/gif")).toEqual({ form: "binary", base64: "R0lGODlh", bytes: 6, kept: 6 });
    expect(body("a\0b", "text/plain")).toMatchObject({ form: "binary" });
    expect(body(Buffer.from([0xff, 0xfe, 0x41]), "text/html")).toMatchObject({ form: "binary" });
  });

  it("is text when it is cut off in a character", () => {
    const bytes = Buffer.from("a漢");
    expect(body(bytes.subarray(0, 3), "text/plain", { answerBytes: 9 })).toMatchObject({
      form: "text",
      text: "a",
      bytes: 9,
      kept: 3,
    });
  });

  it("is read in its charset", () => {
    const latin1 = Buffer.from("é", "latin1");
    expect(body(latin1, "text/plain; charset=ISO-8859-1")).toMatchObject({ form: "text", text: "é" });
    expect(body(Buffer.from("é", "utf16le"), 'text/plain; charset="utf-16le"')).toMatchObject({ text: "é" });
    expect(body("é", "text/plain; charset=nobody-knows")).toMatchObject({ text: "é" });
  });

  it("is JSON by its type, or by what it is", () => {
    for (const type of ["application/json", "application/problem+json; charset=utf-8", "text/plain", ""]) {
      expect(body('{"a":1}', type)).toMatchObject({ json: true });
    }
    expect(body('{"a":', "application/json", { answerBytes: 100 })).toMatchObject({ json: true });
    expect(body("{a", "text/plain")).toMatchObject({ json: false });
    expect(body("12", "text/plain")).toMatchObject({ json: false });
  });

  it.each<[string, Buffer]>([
    ["gzip", gzipSync(text)],
    ["x-gzip", gzipSync(text)],
    ["deflate", deflateSync(text)],
    ["deflate", deflateRawSync(text)],
    ["br", brotliCompressSync(text)],
    ["GZIP", gzipSync(text)],
    ["identity, br", brotliCompressSync(text)],
    ...(zstdCompressSync === undefined ? [] : [["zstd", zstdCompressSync(text)] satisfies [string, Buffer]]),
  ])("is shown without its Content-Encoding %s, whole or cut", (encoding, data) => {
    const shown = body(data, "text/plain", {}, encoding);
    expect(shown).toMatchObject({
      text,
      bytes: data.length,
      encoding: encoding.toLowerCase().replace("identity, ", ""),
    });
    const part = data.subarray(0, data.length - 12);
    const cut = body(part, "text/plain", { answerBytes: data.length }, encoding);
    expect(cut).toMatchObject({ form: "text", bytes: data.length, kept: part.length });
    expect(text.startsWith((cut as { text: string }).text)).toBe(true);
  });

  it("is shown within a bound when it grows", () => {
    // 256 KiB of gzip become 250 MiB. The page of a user who looks at this body would take all of his memory.
    const bomb = gzipSync(Buffer.alloc(100 * 1_024 * 1_024, "a"));
    const shown = body(bomb, "text/plain", {}, "gzip") as { text: string; kept: number };
    expect(shown.text.length).toBeGreaterThan(100_000);
    expect(shown.text.length).toBeLessThanOrEqual(1_024 * 1_024);
    expect(shown.kept).toBeLessThan(bomb.length);
  });

  it("is not read when its Content-Encoding cannot be undone, or when nothing was kept", () => {
    expect(body("abc", "", {}, "own")).toEqual({
      form: "unread",
      why: "its Content-Encoding own is not known here",
      bytes: 3,
    });
    expect(body("abc", "", {}, "__proto__")).toMatchObject({ form: "unread" });
    expect(body("abc", "", {}, "gzip, br")).toMatchObject({ form: "unread" });
    expect(body("no gzip", "text/plain", {}, "gzip")).toMatchObject({
      form: "unread",
      why: expect.stringContaining("cannot be undone") as unknown,
    });
    expect(body("abc", "", { answerMissed: true })).toMatchObject({ form: "unread", bytes: 3 });
  });

  it("has no secrets, even if it is binary", () => {
    const type = "multipart/form-data; boundary=b";
    const field = '--b\r\nContent-Disposition: form-data; name="password"\r\n\r\ns3cr3t\r\n';
    const file = '--b\r\nContent-Disposition: form-data; name="file"\r\n\r\n';
    const bytes = Buffer.concat([
      Buffer.from(field + file),
      Buffer.from([0, 255, 1]),
      Buffer.from("\r\n--b--"),
    ]);
    const shown = body(bytes, type) as { form: string; base64: string };
    expect(shown.form).toBe("binary");
    const plain = Buffer.from(shown.base64, "base64").toString("latin1");
    expect(plain).toBe(bytes.toString("latin1").replace("s3cr3t", "[hidden]"));
  });
});
