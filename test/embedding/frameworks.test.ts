import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createMcpExpressApp } from "@modelcontextprotocol/sdk/server/express.js";
import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import express from "express";
import fastify from "fastify";
import { Hono } from "hono";
import { streamSSE } from "hono/streaming";
import type { RelayOptions } from "mcp-tunnel";
import type { TunnelClientOptions } from "mcp-tunnel-client";
import { createServer as createVite } from "vite";
import { describe, expect, it } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { z } from "zod";
import { connectV2 } from "../mcp/clients.js";
import { bytesAt } from "../support/bytes.js";
import { closingAfterEach } from "../support/cleanup.js";
import { startInProcess } from "../support/in-process.js";

/**
 * Applications of this program without a listening port, behind a relay and a client in this process. The
 * tunnel's public URL is `https://demo.tunnel.test`, because no framework takes that name for its own
 * machine.
 */

const closing = closingAfterEach();
const host = "demo.tunnel.test";

/** Serves the application in the options `client`, and checks that only the relay's port is open for it. */
async function serve(client: Partial<TunnelClientOptions>, relay: Partial<RelayOptions> = {}) {
  const tunnel = closing(await startInProcess({ relay: { domain: "tunnel.test", ...relay }, client }));
  expect(process.getActiveResourcesInfo().filter((name) => name === "TCPServerWrap").length).toBe(1);
  const visit: typeof tunnel.visit = (path, options = {}) =>
    tunnel.visit(path, { ...options, headers: { host, ...options.headers } });
  return { ...tunnel, visit };
}

async function json(
  answer: Awaited<ReturnType<Awaited<ReturnType<typeof serve>>["visit"]>>,
): Promise<unknown> {
  expect(answer.statusCode).toBe(200);
  return JSON.parse(await answer.body.text());
}

/** A WebSocket of a visitor. */
function webSocket(port: number, path: string, protocol: string[] = []): WebSocket {
  const ws = new WebSocket(`ws://127.0.0.1:${port}${path}`, protocol, {
    headers: { host },
    origin: `https://${host}`,
  });
  closing({ close: () => ws.terminate() });
  return ws;
}

describe("Express", () => {
  function application(): express.Express {
    const app = express();
    app.use(express.json({ limit: "10mb" }));
    app.get("/who", (req, res) => {
      const { protocol, secure, hostname, originalUrl, ip } = req;
      res.cookie("a", "1", { secure: true }).json({ protocol, secure, hostname, originalUrl, ip });
    });
    app.get("/old", (_req, res) => res.redirect("/new"));
    app.post("/echo", (req, res) => res.json(req.body));
    app.get("/fails", () => {
      throw new Error("a route's fault");
    });
    app.use((error: Error, _req: express.Request, res: express.Response, _next: express.NextFunction) => {
      res.status(500).send(error.message);
    });
    return app;
  }

  it("as a handler knows the public URL, without a setting", async () => {
    const { visit } = await serve({ handler: application() });
    const who = await visit("/who?x=1");
    expect(who.headers["set-cookie"]).toBe("a=1; Path=/; Secure");
    expect(await json(who)).toEqual({
      protocol: "https",
      secure: true,
      hostname: host,
      originalUrl: "/who?x=1",
      ip: "127.0.0.1",
    });
    expect((await visit("/old")).headers["location"]).toBe("/new");
    const fails = await visit("/fails");
    expect([fails.statusCode, await fails.body.text()]).toEqual([500, "a route's fault"]);
  });

  it("sees the visitor's address where it trusts proxies of its machine", async () => {
    const handler = application().set("trust proxy", "loopback");
    const { visit } = await serve({ handler }, { trustedProxies: ["127.0.0.1"] });
    const headers = { "x-forwarded-for": "203.0.113.9", "x-forwarded-proto": "https" };
    expect(await json(await visit("/who", { headers }))).toMatchObject({ ip: "203.0.113.9", secure: true });
  });

  it("takes a body of megabytes", async () => {
    const { visit } = await serve({ handler: application() });
    const body = JSON.stringify({ text: bytesAt(0, 2_000_000).toString("base64") });
    const headers = { "content-type": "application/json" };
    const answer = await visit("/echo", { method: "POST", headers, body });
    expect(await answer.body.text()).toBe(body);
  });

  it("in a server takes WebSockets, without listening", async () => {
    const server = createServer(application());
    const sockets = new WebSocketServer({ server });
    sockets.on("connection", (socket) => socket.on("message", (data) => socket.send(data)));
    const { relayPort } = await serve({ server });
    const ws = webSocket(relayPort, "/");
    await once(ws, "open");
    const sent = bytesAt(0, 1_000_000);
    ws.send(sent);
    const [received] = (await once(ws, "message")) as [Buffer];
    expect(received.equals(sent)).toBe(true);
    ws.close(1000);
    expect((await once(ws, "close"))[0]).toBe(1000);
    expect(server.listening).toBe(false);
  });
});

it("Fastify answers through its server, without listening", async () => {
  const app = closing(fastify());
  app.get("/who", ({ protocol, hostname, ip, url }, reply) => reply.send({ protocol, hostname, ip, url }));
  app.post("/echo", ({ body }, reply) => reply.send(body));
  await app.ready();
  const { visit } = await serve({ server: app.server });
  expect(await json(await visit("/who?x"))).toEqual({
    protocol: "https",
    hostname: host,
    ip: "127.0.0.1",
    url: "/who?x",
  });
  const headers = { "content-type": "application/json" };
  const echo = await visit("/echo", { method: "POST", headers, body: '{"a":[1]}' });
  expect(await json(echo)).toEqual({ a: [1] });
  expect((await visit("/missing")).statusCode).toBe(404);
  expect(app.server.listening).toBe(false);
});

it("Hono answers as it is, in the web's form", async () => {
  const app = new Hono();
  const aborted = new Promise<void>((resolve) => {
    app.get("/events", (c) =>
      streamSSE(c, async (stream) => {
        stream.onAbort(resolve);
        for (let id = 1; !stream.aborted; id++) {
          await stream.writeSSE({ id: String(id), data: "event" });
          if (id === 3) await aborted;
        }
      }),
    );
  });
  app.get("/who", (c) => c.json({ url: c.req.url, host: c.req.header("host") }));
  app.post("/echo", async (c) => c.body(await c.req.arrayBuffer()));
  const { visit } = await serve({ fetch: app.fetch });
  expect(await json(await visit("/who?x=%20"))).toEqual({ url: `https://${host}/who?x=%20`, host });
  const body = bytesAt(0, 2_000_000);
  const echo = await visit("/echo", { method: "POST", body });
  expect(body.equals(await echo.body.bytes())).toBe(true);

  const events = await visit("/events");
  let text = "";
  for await (const chunk of events.body) {
    text += String(chunk);
    // The visitor leaves, and the stream is told so.
    if (text.includes("id: 3")) break;
  }
  expect(events.headers["content-type"]).toContain("text/event-stream");
  await aborted;
});

describe("an MCP server", () => {
  it.each(["auto", "legacy"] as const)("of SDK 2 answers in the web's form (%s)", async (mode) => {
    const mcp = createMcpHandler(() => {
      const server = new McpServer({ name: "embedded", version: "1.0.0" });
      const inputSchema = z.object({ a: z.number(), b: z.number() });
      server.registerTool("add", { description: "Adds", inputSchema }, ({ a, b }) => ({
        content: [{ type: "text", text: String(a + b) }],
      }));
      return server;
    });
    closing(mcp);
    const { relayPort } = closing(
      await startInProcess({
        client: { fetch: (request) => mcp.fetch(request) },
        relay: { publicUrl: "http://{subdomain}.{domain}:{port}" },
      }),
    );
    const client = closing(await connectV2(`http://demo.localhost:${relayPort}/mcp`, mode));
    expect(await client.listTools()).toEqual(["add"]);
    expect(await client.callTool("add", { a: 2, b: 3 })).toBe("5");
  });

  it("of SDK 1 whose guard knows this machine alone is told the name that it knows", async () => {
    const app = createMcpExpressApp();
    app.get("/", (_req, res) => res.send("in"));
    const tunnel = await serve({ handler: app });
    expect((await tunnel.visit("/")).statusCode).toBe(403);
    await tunnel.close();
    const { visit } = await serve({ handler: app, hostHeader: "localhost" });
    expect(await (await visit("/")).body.text()).toBe("in");
  });
});

describe("Vite in middleware mode", () => {
  /** A project in a folder of its own, in an Express application's server that does not listen. */
  async function startVite(allowedHosts?: string[]): Promise<{ server: Server; file: string }> {
    const root = await mkdtemp(join(tmpdir(), "tunnel-vite-"));
    closing({ close: () => rm(root, { recursive: true, force: true }) });
    const file = join(root, "main.js");
    await writeFile(file, 'export const text = "one";\nimport.meta.hot.accept();\n');
    await writeFile(join(root, "index.html"), '<script type="module" src="/main.js"></script>');
    const app = express();
    const server = createServer(app);
    const vite = await createVite({
      root,
      configFile: false,
      logLevel: "silent",
      cacheDir: join(root, "cache"),
      optimizeDeps: { noDiscovery: true },
      server: {
        middlewareMode: true,
        hmr: { server },
        ...(allowedHosts === undefined ? {} : { allowedHosts }),
      },
    });
    closing(vite);
    app.use(vite.middlewares);
    return { server, file };
  }

  it("serves modules, and tells a page over its WebSocket what has changed", async () => {
    const { server, file } = await startVite([host]);
    const { visit, relayPort } = await serve({ server });
    expect(await (await visit("/main.js")).body.text()).toContain('text = "one"');
    const client = await (await visit("/@vite/client")).body.text();
    const token = /wsToken = "([^"]+)"/.exec(client)?.[1];
    const ws = webSocket(relayPort, `/?token=${token}`, ["vite-hmr"]);
    const [connected] = (await once(ws, "message")) as [Buffer];
    expect(JSON.parse(String(connected))).toEqual({ type: "connected" });
    const update = once(ws, "message");
    await writeFile(file, 'export const text = "two";\nimport.meta.hot.accept();\n');
    expect(JSON.parse(String((await update)[0]))).toMatchObject({ type: "update" });
    expect(await (await visit("/main.js")).body.text()).toContain('text = "two"');
    expect(server.listening).toBe(false);
  });

  it("refuses a name that it was not told, unless it is told the name that it knows", async () => {
    const { server } = await startVite();
    const tunnel = await serve({ server });
    const refused = await tunnel.visit("/main.js");
    expect([refused.statusCode, await refused.body.text()]).toEqual([403, expect.stringContaining(host)]);
    await tunnel.close();
    const { visit } = await serve({ server, hostHeader: "localhost" });
    const answer = await visit("/main.js");
    expect(answer.statusCode).toBe(200);
    await answer.body.dump();
  });
});
