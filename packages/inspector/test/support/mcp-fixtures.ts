import type { CallDetail, HostLimit, McpCall, SessionDetail, ToolInfo } from "mcp-tunnel-inspector/model";
import { sessionOf, startedAt } from "./fixtures.js";

/** A red point of one pixel. */
export const pngBase64 =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==";

const longTool: ToolInfo = {
  name: "trigger-long-running-operation",
  title: "Trigger Long Running Operation Tool",
  description: "Demonstrates a long running operation with progress updates.",
  inputSchema: {
    type: "object",
    properties: {
      duration: { type: "number", default: 10, description: "Duration of the operation in seconds" },
      steps: { type: "number", default: 5, description: "Number of steps in the operation" },
    },
  },
  readOnly: true,
  idempotent: true,
  destructive: false,
  bytes: 512,
};

const book: ToolInfo = {
  name: "book",
  title: "Book a table",
  description: "Books a table in a restaurant.\nThe guest gets a message.",
  inputSchema: {
    type: "object",
    $defs: { Room: { type: "string", enum: ["inside", "terrace"] } },
    properties: {
      guest: { type: "string", description: "Name of the guest" },
      seats: { type: "integer", minimum: 1, maximum: 12, description: "How many people come" },
      room: { $ref: "#/$defs/Room" },
      smoking: { type: "boolean" },
      wishes: { type: "array", items: { type: "string" }, description: "Anything else" },
      contact: {
        type: "object",
        description: "Where the message goes",
        properties: { mail: { type: "string" }, phone: { type: "string" } },
        required: ["mail"],
      },
      extra: { description: "Anything" },
    },
    required: ["guest", "seats"],
  },
  readOnly: false,
  idempotent: false,
  destructive: true,
  bytes: 1_234,
};

const tools: readonly ToolInfo[] = [longTool, book];

const limits: readonly HostLimit[] = [
  {
    host: "Claude",
    limitMs: 300_000,
    exceeded: false,
    note: "documented for claude.ai and Claude Desktop; users report 60 s and 240 s as well",
  },
  { host: "ChatGPT", limitMs: 60_000, exceeded: false, note: "reported by users, not documented" },
  { host: "Codex", limitMs: 60_000, exceeded: false },
];

export function callOf(key: string, changes: Partial<CallDetail> = {}): CallDetail {
  const exchange = Number(key.split(".")[0]);
  return {
    key,
    exchange,
    session: "s1",
    method: "tools/call",
    name: "book",
    id: exchange,
    startedAt: startedAt + exchange * 1_000,
    durationMs: 240,
    outcome: "ok",
    counts: { progress: 0, logs: 0, requests: 0 },
    notes: [],
    requestBytes: 310,
    responseBytes: 420,
    sessionInfo: sessionOf("s1"),
    request:
      `{"jsonrpc":"2.0","id":${exchange},"method":"tools/call","params":{"name":"book",` +
      '"arguments":{"guest":"Ada","seats":4,"room":"terrace","wishes":["a quiet table","no nuts"],' +
      '"contact":{"mail":"[hidden:0011aabb]"},"reference":12345678901234567890}}}',
    params:
      '{"name":"book","arguments":{"guest":"Ada","seats":4,"room":"terrace","wishes":["a quiet table","no nuts"],' +
      '"contact":{"mail":"[hidden:0011aabb]"},"reference":12345678901234567890},"_meta":{"progressToken":7}}',
    result:
      '{"content":[{"type":"text","text":"Booked a table for 4 on the terrace.\\nSee you!"},' +
      '{"type":"text","text":"{\\"table\\":12,\\"at\\":\\"2026-08-01T19:00:00Z\\",\\"paid\\":false}"},' +
      `{"type":"image","mimeType":"image/png","data":"${pngBase64}"},` +
      '{"type":"resource_link","name":"Menu","uri":"demo://menu/1"}]}',
    timeline: [],
    limits,
    tool: book,
    hidden: 1,
    ...changes,
  };
}

/** A call with all that may happen in one. */
const longCall = callOf("12.0", {
  name: "trigger-long-running-operation",
  durationMs: 71_240,
  counts: { progress: 3, logs: 1, requests: 2 },
  lastProgress: { progress: 5, total: 5 },
  notes: [
    {
      code: "over_limit",
      text: "It took 71.2 s, which is longer than these wait: ChatGPT (60 s), Codex (60 s)",
    },
    {
      code: "header_mismatch",
      text: 'params.name is "trigger-long-running-operation", but the header field Mcp-Name says "echo"',
    },
  ],
  limits: limits.map((limit) => ({ ...limit, exceeded: limit.limitMs < 71_240 })),
  tool: longTool,
  params:
    '{"name":"trigger-long-running-operation","arguments":{"duration":70,"steps":5},"_meta":{"progressToken":1}}',
  result:
    '{"content":[{"type":"text","text":"Long running operation completed. Duration: 70 seconds, Steps: 5."}]}',
  timeline: [
    {
      atMs: 0,
      from: "client",
      kind: "request",
      method: "tools/call",
      text: "duration 70, steps 5",
      exchange: 12,
    },
    {
      atMs: 14_010,
      from: "server",
      kind: "progress",
      text: "1 of 5",
      exchange: 12,
      message: '{"progress":1,"total":5}',
    },
    {
      atMs: 15_200,
      from: "server",
      kind: "log",
      text: "info: step 1 is done\u001b[31m",
      exchange: 12,
      message: '{"level":"info","data":"step 1 is done"}',
    },
    {
      atMs: 20_000,
      from: "server",
      kind: "server_request",
      method: "elicitation/create",
      text: "Shall it go on?",
      exchange: 12,
      message:
        '{"jsonrpc":"2.0","id":0,"method":"elicitation/create","params":{"message":"Shall it go on?"}}',
    },
    {
      atMs: 26_400,
      from: "client",
      kind: "client_answer",
      method: "elicitation/create",
      text: "accept",
      exchange: 13,
      message: '{"jsonrpc":"2.0","id":0,"result":{"action":"accept","content":{"go":true}}}',
    },
    {
      atMs: 27_000,
      from: "server",
      kind: "server_request",
      method: "sampling/createMessage",
      text: "at most 100 tokens",
      exchange: 12,
    },
    {
      atMs: 31_000,
      from: "client",
      kind: "client_answer",
      method: "sampling/createMessage",
      text: "gpt-5",
      exchange: 14,
    },
    { atMs: 56_000, from: "server", kind: "progress", text: "4 of 5", exchange: 12 },
    { atMs: 70_000, from: "server", kind: "progress", text: "5 of 5", exchange: 12 },
    { atMs: 71_240, from: "server", kind: "result", text: "1 text", exchange: 12 },
  ],
});

export const calls: readonly CallDetail[] = [
  callOf("16.0", {
    startedAt: startedAt + 80_000,
    durationMs: 12,
    outcome: "tool_error",
    error: { message: "No table is free at that time." },
    result: '{"isError":true,"content":[{"type":"text","text":"No table is free at that time."}]}',
  }),
  callOf("15.0", { durationMs: 260, replayOf: 11, startedAt: startedAt + 75_000 }),
  longCall,
  callOf("11.0", { notes: [] }),
  callOf("10.0", {
    name: "weather",
    durationMs: 3,
    outcome: "error",
    error: { code: -32602, message: "MCP error -32602: Tool weather not found" },
    params: '{"name":"weather","arguments":{"city":"Köln"}}',
  }),
  callOf("9.0", {
    method: "resources/read",
    name: "demo://resource/static/document/architecture.md",
    params: '{"uri":"demo://resource/static/document/architecture.md"}',
    result:
      '{"contents":[{"uri":"demo://resource/static/document/architecture.md","mimeType":"text/markdown","text":"# Architecture\\n\\n<script>alert(1)</script>\\n"}]}',
  }),
  callOf("8.0", {
    method: "tools/list",
    durationMs: 9,
    notes: [
      {
        code: "large_tools_list",
        text: "2 tools in 49 kB: a host gives all of it to its model, and some refuse so much",
      },
    ],
    params: "{}",
    result: '{"tools":[{"name":"book"}]}',
  }),
].map(({ name, ...call }) => ({
  ...call,
  ...(call.method !== "tools/list" && name !== undefined && { name }),
}));

function withoutDetail(call: CallDetail): McpCall {
  const {
    sessionInfo: _1,
    request: _2,
    params: _3,
    result: _4,
    timeline: _5,
    limits: _6,
    tool: _7,
    ...summary
  } = call;
  return summary;
}

export const sessions: readonly SessionDetail[] = [
  {
    session: sessionOf("s1", {
      calls: calls.length,
      errors: 2,
      open: 0,
      user: "ada@example.com",
      client: { name: "claude-ai", title: "Claude", version: "0.1.0" },
      clientCapabilities: ["sampling", "elicitation", "roots"],
      serverCapabilities: ["tools", "resources", "prompts", "logging"],
      tools: { count: 2, bytes: 49_356 },
    }),
    calls: calls.map(withoutDetail),
    tools,
  },
  {
    session: sessionOf("s2", {
      era: "modern",
      protocolVersion: "2026-07-28",
      client: { name: "openai-mcp", title: "ChatGPT", version: "1.0.0" },
      startedAt: startedAt + 60_000,
      calls: 41,
      open: 1,
      errors: 0,
      tools: { count: 2, bytes: 1_746 },
    }),
    calls: [],
    tools,
  },
  {
    session: sessionOf("s3", {
      replay: true,
      calls: 1,
      startedAt: startedAt + 75_000,
      endedAt: startedAt + 76_000,
    }),
    calls: [],
    tools: [],
  },
];
