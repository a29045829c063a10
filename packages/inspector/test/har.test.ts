import { createRequire } from "node:module";
import { Ajv } from "ajv";
import type { RequestEvent } from "mcp-tunnel-client";
import { describe, expect, it } from "vitest";
import type { CallDetail } from "../src/model.js";
import { harOf } from "../src/views/har.js";
import type { Hider } from "../src/secrets/hide.js";
import { Views } from "../src/views/views.js";
import { request, Rig } from "./support/mcp-rig.js";
import { captured, type CapturedGiven } from "./support/captured.js";
import { harContext } from "./support/views.js";

const validate = validator();

function validator() {
  const harSchema = createRequire(import.meta.url)("har-schema") as Record<string, object>;
  const ajv = new Ajv({ strict: false, validateFormats: false });
  for (const schema of Object.values(harSchema)) {
    // Draft 6 is not known to this validator, which reads these schemas all the same.
    ajv.addSchema(Object.fromEntries(Object.entries(schema).filter(([name]) => name !== "$schema")));
  }
  return ajv.getSchema("har.json#") ?? expect.unreachable();
}

interface HarEntry {
  request: { url: string; postData?: object; queryString: object[]; cookies: object[] };
  response: { status: number; content: { text?: string; size: number }; cookies: object[] };
  timings: Record<string, number>;
  time: number;
}

/** The entry of an archive that is as the schema of HAR 1.2 says. */
function entryOf(given: CapturedGiven, context = harContext({ publicUrl: "https://a.example" })): HarEntry {
  const har = harOf([captured(given)], context);
  const text = JSON.stringify(har);
  expect(validate(JSON.parse(text)), JSON.stringify(validate.errors)).toBe(true);
  return (JSON.parse(text) as { log: { entries: HarEntry[] } }).log.entries[0] ?? expect.unreachable();
}

describe("an archive", () => {
  it("is checked by a schema that refuses others", () => {
    expect(validate({ log: { version: "1.2", creator: { name: "a", version: "1" }, entries: [{}] } })).toBe(
      false,
    );
  });

  it("has no marks by which secrets could be asked for, in what was read of MCP either", () => {
    const rig = new Rig((): Hider => views.hider());
    const views: Views = new Views({
      mcp: rig.view,
      key: Buffer.alloc(32, 1),
      privatePaths: [],
      publicUrl: () => undefined,
      whyNot: () => undefined,
      warning: () => undefined,
    });
    const { entry } = rig.post(request(1, "resources/read", { uri: "https://a.example/?token=s3cr3t" }));
    expect(views.summary(entry).mcp?.name).toMatch(/token=\[hidden:[\da-f]{8}\]$/);
    expect(JSON.stringify(views.harEntry(entry))).toContain('"name":"https://a.example/?token=[hidden]"');
    expect(JSON.stringify(views.harEntry(entry))).not.toContain("[hidden:");
    expect(views.exportedSummary(entry).mcp?.name).toBe("https://a.example/?token=[hidden]");
  });

  it("has requests and answers", () => {
    const entry = entryOf({
      method: "POST",
      path: "/a?b=1%202&token=x",
      headers: ["Content-Type", "application/json", "Cookie", "c=d; e=f"],
      body: '{"a":1}',
      status: 302,
      answerHeaders: ["Content-Type", "text/plain", "Location", "/next", "Set-Cookie", "g=h; Path=/"],
      answer: "moved",
    });
    expect(entry).toMatchObject({
      startedDateTime: "2026-01-02T03:04:05.678Z",
      time: 12,
      request: {
        method: "POST",
        url: "https://a.example/a?b=1%202&token=[hidden]",
        queryString: [
          { name: "b", value: "1 2" },
          { name: "token", value: "[hidden]" },
        ],
        cookies: [
          { name: "c", value: "[hidden]" },
          { name: "e", value: "[hidden]" },
        ],
        postData: { mimeType: "application/json", text: '{"a":1}' },
        bodySize: 7,
      },
      response: {
        status: 302,
        statusText: "Found",
        redirectURL: "/next",
        cookies: [{ name: "g", value: "[hidden]" }],
        content: { size: 5, mimeType: "text/plain", text: "moved" },
        bodySize: 5,
      },
      timings: { blocked: -1, dns: -1, connect: -1, ssl: -1, send: 1, wait: 9, receive: 2 },
    });
  });

  it.each<[string, CapturedGiven]>([
    ["an open exchange", { status: null }],
    ["a binary body", { answer: Buffer.from([0, 255]), body: Buffer.from([0, 255]) }],
    ["a cut body", { answer: "abc", answerBytes: 900, body: "abc", bodyBytes: 900 }],
    ["a body that was not kept", { answer: "abc", answerMissed: true }],
    ["an encoding that is not known", { answer: "abc", answerHeaders: ["Content-Encoding", "own"] }],
    [
      "events",
      {
        events: [
          { data: "a\nb", event: "e", id: "1" },
          { data: "c", isComment: true },
        ],
        dropped: 3,
      },
    ],
    ["a request of the server", { method: "OPTIONS", path: "*" }],
    ["odd texts", { path: "/\u00ff'\"<script>", headers: ["X-\u0080", "\u00ff"], answer: "\u2028</script>" }],
    ["a request that ended after its answer", { entry: { requestEndMs: 500 } }],
  ])("is valid with %s", (_, given) => {
    const { timings, time } = entryOf(given);
    const parts = ["send", "wait", "receive"].map((name) => timings[name] ?? Number.NaN);
    for (const part of parts) expect(part).toBeGreaterThanOrEqual(0);
    expect(parts.reduce((sum, part) => sum + part, 0)).toBe(time);
  });

  it("has bodies in base64, and says what is cut", () => {
    expect(entryOf({ answer: Buffer.from([0, 255]), answerBytes: 9 }).response.content).toEqual({
      size: 9,
      mimeType: "",
      text: "AP8=",
      encoding: "base64",
      comment: "These are the first 2 of 9 bytes.",
    });
  });

  it("has events as they stood in the stream", () => {
    const events = [{ data: "a\nb", event: "e", id: "1" }, { data: " ping", isComment: true }, { data: "" }];
    expect(entryOf({ events, answerBytes: 40 }).response.content).toMatchObject({
      size: 40,
      text: "id: 1\nevent: e\ndata: a\ndata: b\n\n: ping\n\ndata: \n\n",
    });
  });

  it("has the messages of a WebSocket as Chrome has them", () => {
    const messages = [
      { data: "hello", atMs: 1_000 },
      { data: Buffer.from([1]), kind: "binary" as const, from: "service" as const, atMs: 2_000 },
    ];
    const start = Date.UTC(2026, 0, 2, 3, 4, 5, 678) / 1_000;
    expect(entryOf({ status: 101, messages })).toMatchObject({
      _resourceType: "websocket",
      _webSocketMessages: [
        { type: "send", time: start + 1, opcode: 1, data: "hello" },
        { type: "receive", time: start + 2, opcode: 2, data: "AQ==" },
      ],
    });
  });

  it("has what MCP says, replays, and why an exchange has failed", () => {
    const call = {
      key: "1.0",
      method: "tools/call",
      request: "whole message",
      timeline: [{ atMs: 1, kind: "progress", text: "half", message: "whole message" }],
    } as unknown as CallDetail;
    const context = harContext({ mcp: { method: "tools/call", name: "add" }, call });
    const error = { code: "upstream_unreachable", message: "nobody listens" } as const;
    const over = { ...captured().over, error } as RequestEvent;
    const entry = entryOf({ status: null, entry: { replayOf: 7, over } }, context);
    expect(entry).toMatchObject({
      _replayOf: 7,
      _state: "failed",
      _mcp: {
        method: "tools/call",
        name: "add",
        calls: [{ key: "1.0", timeline: [{ atMs: 1, kind: "progress", text: "half" }] }],
      },
      response: { status: 200, _error: "nobody listens" },
    });
    expect(JSON.stringify(entry)).not.toContain("whole message");
  });

  it("says that secrets are hidden", () => {
    expect(JSON.stringify(harOf([], harContext()))).toContain("[hidden]");
  });
});
