import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import type { ExchangeDetail } from "mcp-tunnel-inspector/model";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { launchBrowser } from "../support/browser.js";
import { startRawServer, type RawServer } from "../support/raw-server.js";
import { missingProgram } from "../support/requires.js";
import { type Inspected, startInspected } from "./support/inspected.js";

/**
 * The attack: what visitors send, and what the service answers, is shown in a page of the developer's own
 * machine that can send requests to the service. Somebody has HTML, scripts and control characters in it, in
 * every place that is shown. Or it is made so that whoever reads it runs out of memory or time: bodies that
 * never end, bombs of compression, JSON that is all brackets, events without an end.
 *
 * The defence: the page shows text, and its policy runs no script but its own. What is kept has a bound,
 * whatever comes, and reading it takes a bounded time. The tunnel goes on.
 */
const script = `<script>window.pwned=1</script><img src=x onerror="window.pwned=1"><svg onload=window.pwned=1>`;
const controls = "\u001b]0;pwned\u0007\u001b[2J\u202egnp.exe\u2028\u200b\ud800";
const hostile = `${script}${controls}"'\`\${1}{{1}}`;
const rpc = (message: object): string => JSON.stringify({ jsonrpc: "2.0", ...message });

/** Answers by path. All of them are text, whatever they say. */
const answers: Readonly<Record<string, (res: ServerResponse) => void>> = {
  "/html": (res) => void res.writeHead(200, { "content-type": "text/html" }).end(hostile),
  "/svg": (res) => void res.writeHead(200, { "content-type": "image/svg+xml" }).end(hostile),
  "/field": (res) => void res.writeHead(200, { "x-field": script, "content-type": script }).end("x"),
  "/event": (res) =>
    void res
      .writeHead(200, { "content-type": "text/event-stream" })
      .end(`event: ${script}\nid: ${script}\ndata: ${script}\n\n: ${script}\n\n`),
  "/keys": (res) =>
    void res
      .writeHead(200, { "content-type": "application/json" })
      .end(
        `{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},${JSON.stringify(hostile)}:1}`,
      ),
  "/mcp": (res) => {
    const tool = { name: hostile, title: hostile, description: hostile, inputSchema: { [hostile]: hostile } };
    const result = {
      protocolVersion: hostile,
      serverInfo: { name: hostile, version: hostile },
      tools: [tool],
    };
    res.writeHead(200, { "content-type": "application/json", "mcp-session-id": "s" });
    res.end(rpc({ id: 1, result: { ...result, content: [{ type: "text", text: hostile }], isError: true } }));
  },
};

const fast = { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } };

/** Bodies that say that they are something else, or much more than they seem. */
const liars: Readonly<Record<string, [fields: Record<string, string>, body: () => Buffer]>> = {
  "no JSON": [{ "content-type": "application/json" }, () => Buffer.from([0xff, 0xfe, 0, 1, 2])],
  "no gzip": [{ "content-type": "text/plain", "content-encoding": "gzip" }, () => Buffer.from("plain")],
  "half a gzip": [{ "content-encoding": "gzip" }, () => gzipSync(Buffer.alloc(100_000)).subarray(0, 60)],
  "an unknown encoding": [{ "content-encoding": "__proto__, rot13" }, () => Buffer.from("plain")],
  "encodings without end": [{ "content-encoding": "gzip,".repeat(3_000) }, () => gzipSync("x")],
  "no charset": [{ "content-type": "text/html; charset=utf-7" }, () => Buffer.from("+ADw-script+AD4-")],
  "a gzip bomb": [{ "content-encoding": "gzip" }, () => gzipSync(Buffer.alloc(100_000_000))],
  "a brotli bomb": [{ "content-encoding": "br" }, () => brotliCompressSync(Buffer.alloc(100_000_000), fast)],
  brackets: [{ "content-type": "application/json" }, () => Buffer.from("[".repeat(250_000))],
  "nested MCP": [
    { "content-type": "application/json" },
    () => Buffer.from(`{"jsonrpc":"2.0","id":1,"result":${'{"a":'.repeat(40_000)}1${"}".repeat(40_000)}}`),
  ],
  "a batch of little": [
    { "content-type": "application/json" },
    () => Buffer.from(`[${Array(20_000).fill('{"jsonrpc":"2.0"}').join()}]`),
  ],
  "quotes and escapes": [{ "content-type": "application/json" }, () => Buffer.from('"\\'.repeat(120_000))],
  "escapes that are none": [{ "content-type": "text/plain" }, () => Buffer.from("%=%?".repeat(60_000))],
  "the same, packed": [{ "content-encoding": "gzip" }, () => gzipSync("%=%?%&".repeat(170_000))],
  "a list of secrets": [
    { "content-type": "application/json", "content-encoding": "gzip" },
    () => gzipSync(`{"token":[${Array.from({ length: 140_000 }, (_, i) => i).join()}]}`),
  ],
  "names of secrets": [{ "content-type": "text/plain" }, () => Buffer.from("token=".repeat(40_000))],
};

let world: Inspected;
const service = createServer((req, res) => {
  req.resume();
  const path = (req.url ?? "").split("?", 1)[0] ?? "";
  const lie = liars[decodeURIComponent(path.slice("/lie/".length))];
  if (lie !== undefined) res.writeHead(200, lie[0]).end(lie[1]());
  else if (answers[path] !== undefined) answers[path](res);
  else res.end("plain");
});
beforeAll(async () => {
  service.listen(0, "127.0.0.1");
  await once(service, "listening");
  world = await startInspected((service.address() as AddressInfo).port, { maxBytes: 4_000_000 });
});
afterAll(async () => {
  await world?.close();
  service.close();
  service.closeAllConnections();
});

async function visit(path: string, body?: string): Promise<string> {
  const post = body !== undefined && {
    method: "POST",
    body,
    headers: { "content-type": "application/json", accept: "application/json, text/event-stream" },
  };
  return (await world.tunnel.visit(path, post || {})).body.text();
}

/** Visits the service in all hostile ways of {@link answers}, and with hostile requests. */
async function visitAll(): Promise<void> {
  for (const path of Object.keys(answers)) await visit(`${path}?q=${encodeURIComponent(script)}&r=<script>`);
  const clientInfo = { name: hostile, version: hostile };
  const initialize = { protocolVersion: "2025-06-18", capabilities: { [hostile]: {} }, clientInfo };
  await visit("/mcp", rpc({ id: 1, method: "initialize", params: initialize }));
  await visit("/mcp", rpc({ id: 1, method: "tools/list" }));
  await visit(
    "/mcp",
    rpc({ id: 1, method: "tools/call", params: { name: hostile, arguments: { [hostile]: hostile } } }),
  );
  await visit("/mcp", rpc({ id: hostile, method: hostile, params: { __proto__: 1 } }));
}

describe("what is read of it", () => {
  it("comes as it was, as JSON, and changes no object", async () => {
    await visitAll();
    const html = await world.detail("/html");
    expect(html.response?.body).toMatchObject({ form: "text" });
    expect(JSON.stringify(html)).toContain("window.pwned=1");
    expect((await world.detail("/event")).response?.body).toMatchObject({ form: "events" });
    await world.detail("/keys");
    for (const path of ["/api/sessions", "/api/har", "/api/exchanges?text=pwned"]) {
      const answer = await world.ask(path);
      expect([answer.status, answer.headers.get("content-type")]).toEqual([200, "application/json"]);
      await answer.json();
    }
    expect({}).not.toHaveProperty("polluted");
  });

  it.each(Object.keys(liars))(
    "is read in a short time, into no more than a few megabytes: %s",
    async (name) => {
      const path = `/lie/${encodeURIComponent(name)}`;
      await visit(path);
      const startedAt = performance.now();
      const detail: ExchangeDetail = await world.detail(path);
      const text = JSON.stringify(detail);
      for (const query of ["/api/har", "/api/exchanges"]) {
        const answer = await world.ask(`${query}?path=${encodeURIComponent(path)}`);
        expect(answer.status).toBe(200);
        await answer.text();
      }
      expect(performance.now() - startedAt).toBeLessThan(5_000);
      expect(text.length).toBeLessThan(8_000_000);
      // The tunnel goes on.
      expect(await visit("/plain")).toBe("plain");
    },
  );
});

describe("what never ends", () => {
  const sockets = new Set<Socket>();
  let endless: RawServer;
  let other: Inspected;
  const heads: Readonly<Record<string, string>> = {
    "/body": "Content-Type: text/plain\r\n",
    "/events": "Content-Type: text/event-stream\r\n",
    "/line": "Content-Type: text/event-stream\r\n",
    "/gzip": "Content-Type: application/json\r\nContent-Encoding: gzip\r\n",
    "/json": "Content-Type: application/json\r\n",
  };
  const chunks: Readonly<Record<string, Buffer>> = {
    "/events": Buffer.from("data: {}\n\n".repeat(6_000)),
    "/line": Buffer.from(`data: ${"x".repeat(60_000)}`),
    "/gzip": gzipSync(Buffer.alloc(10_000_000)),
    "/json": Buffer.from("[".repeat(60_000)),
  };
  beforeAll(async () => {
    endless = await startRawServer((socket) => {
      sockets.add(socket);
      socket.once("data", (head) => {
        const path = head.toString("latin1").split(" ")[1] ?? "";
        if (path === "/head") socket.write("HTTP/1.1 200 OK\r\nX-Field: ");
        else socket.write(`HTTP/1.1 200 OK\r\nConnection: close\r\n${heads[path] ?? ""}\r\n`);
        const chunk = chunks[path] ?? Buffer.alloc(65_536, "a");
        const more = (): void =>
          void (socket.destroyed || (socket.write(chunk) ? setImmediate(more) : socket.once("drain", more)));
        more();
      });
    });
    other = await startInspected(endless.port, { maxBytes: 4_000_000 });
  });
  afterAll(async () => {
    for (const socket of sockets) socket.destroy();
    await other?.close();
    await endless?.close();
  });

  it.each(Object.keys(heads))("is kept within bounds: %s", async (path) => {
    const answer = await other.tunnel.visit(path);
    let bytes = 0;
    // More than the relay lets through of anything but event streams cuts it; as much is enough here.
    for await (const chunk of answer.body) {
      bytes += (chunk as Buffer).length;
      if (bytes > 8_000_000) break;
    }
    const { kept } = (await other.json("/api/state")) as { kept: { bytes: number } };
    expect(kept.bytes).toBeLessThanOrEqual(4_000_000);
    const [found] = await other.list(`?path=${path}`);
    const detail = await other.json(`/api/exchanges/${found?.id}`);
    expect(JSON.stringify(detail).length).toBeLessThan(4_000_000);
    expect((await (await other.ask("/api/har")).text()).length).toBeLessThan(16_000_000);
  });

  it("comes to an end if it is a head", async () => {
    const answer = await other.tunnel.visit("/head");
    expect(answer.statusCode).toBe(502);
    await answer.body.dump();
    const detail = await other.detail("/head");
    expect(detail).toMatchObject({ state: "failed", status: 502 });
    expect(detail.error?.message).toContain("head");
  });
});

describe.skipIf(missingProgram("chromium"))("in the page", () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchBrowser();
  });
  afterAll(() => browser?.close());

  it("nothing of it runs, in any view", { timeout: 60_000 }, async () => {
    await visitAll();
    await expect
      .poll(async () => (await world.list("?text=pwned")).some(({ state }) => state === "open"))
      .toBe(false);
    const page = await browser.newPage();
    const trouble: string[] = [];
    page.on("dialog", (dialog) => void dialog.dismiss());
    page.on("pageerror", (error) => trouble.push(String(error)));
    page.on("console", (message) => {
      if (message.type() === "error") trouble.push(message.text());
    });
    const asked: string[] = [];
    page.on("request", (request) => asked.push(new URL(request.url()).origin));
    const { origin, hash } = new URL(world.page.url);
    const { sessions } = (await world.json("/api/sessions")) as { sessions: { key: string }[] };
    const ids = (await world.list("?text=pwned")).map(({ id }) => id);
    const queries = ["", "?view=mcp", "?view=servers", ...ids.map((id) => `?id=${id}`)];
    for (const { key } of sessions) {
      queries.push(`?view=mcp&session=${key}`);
      const { calls } = (await world.json(`/api/sessions/${key}`)) as { calls: { key: string }[] };
      for (const call of calls) queries.push(`?view=mcp&session=${key}&call=${call.key}`);
    }
    expect(queries.length).toBeGreaterThan(10);
    for (const query of queries) {
      await page.goto(`${origin}/${query}${hash}`);
      // The words are there, as text.
      const shown = page.getByText(query === "?view=servers" ? "online" : "pwned");
      await shown.first().waitFor({ state: "attached" });
      expect(await page.evaluate("window.pwned"), query).toBeUndefined();
      expect(await page.evaluate("document.scripts.length"), query).toBe(1);
      expect(await page.title(), query).not.toContain("\u001b");
    }
    expect(trouble).toEqual([]);
    expect(new Set(asked)).toEqual(new Set([origin]));
    await page.close();
  });
});
