import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, request as httpRequest, type IncomingMessage, type RequestListener } from "node:http";
import { connect, type AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { startFloor } from "../src/floor.js";

// The floor is the measure of everything else. A proxy that loses a header or ignores a slow reader would be
// faster than an honest proxy, and the tunnel would look slower than it is.

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function floorTo(listener: RequestListener): Promise<number> {
  const server = createServer(listener);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  cleanups.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const floor = await startFloor((server.address() as AddressInfo).port);
  cleanups.push(() => floor.close());
  return floor.port;
}

async function visit(
  port: number,
  options: {
    method?: string;
    path?: string;
    headers?: Record<string, string | string[]>;
    body?: Buffer;
  } = {},
): Promise<IncomingMessage> {
  const req = httpRequest({ port, host: "127.0.0.1", agent: false, ...options });
  req.end(options.body);
  const [res] = (await once(req, "response")) as [IncomingMessage];
  return res;
}

async function bytesOf(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

describe("the floor", () => {
  it("carries large bodies both ways unchanged", async () => {
    const port = await floorTo((req, res) => {
      void bytesOf(req).then((body) => res.end(body));
    });
    const body = randomBytes(3_000_000);
    const answer = await visit(port, { method: "POST", body });
    expect((await bytesOf(answer)).equals(body)).toBe(true);
  });

  it("carries chunked bodies of unknown length", async () => {
    const port = await floorTo((req, res) => req.pipe(res));
    const req = httpRequest({ port, host: "127.0.0.1", method: "POST", agent: false });
    req.write("one ");
    const [res] = (await once(req, "response")) as [IncomingMessage];
    req.end("two");
    expect(String(await bytesOf(res))).toBe("one two");
  });

  it("keeps the target, the header order and repeats, and drops what belongs to a connection", async () => {
    let seen: string[] = [];
    const port = await floorTo((req, res) => {
      seen = [req.url ?? "", ...req.rawHeaders];
      res.writeHead(201, "Made", ["Set-Cookie", "a=1", "Set-Cookie", "b=2", "X-Case", "Kept"]).end("x");
    });
    const answer = await visit(port, { path: "/p?q=%2F", headers: { "X-Many": ["1", "2"], TE: "trailers" } });
    expect(seen[0]).toBe("/p?q=%2F");
    expect(seen.filter((text) => text === "X-Many")).toHaveLength(2);
    expect(seen.map((text) => text.toLowerCase())).not.toContain("te");
    expect([answer.statusCode, answer.statusMessage]).toEqual([201, "Made"]);
    expect(answer.rawHeaders.slice(0, 6)).toEqual([
      "Set-Cookie",
      "a=1",
      "Set-Cookie",
      "b=2",
      "X-Case",
      "Kept",
    ]);
    expect(String(await bytesOf(answer))).toBe("x");
  });

  it("answers HEAD and 204 with no body", async () => {
    const port = await floorTo((req, res) => {
      if (req.method === "HEAD") res.writeHead(200, { "content-length": "5" }).end();
      else res.writeHead(204).end();
    });
    const head = await visit(port, { method: "HEAD" });
    expect(head.headers["content-length"]).toBe("5");
    expect(await bytesOf(head)).toHaveLength(0);
    expect((await visit(port)).statusCode).toBe(204);
  });

  it("stops the upstream when the visitor reads nothing", async () => {
    const chunk = Buffer.alloc(65_536);
    let written = 0;
    const port = await floorTo((_req, res) => {
      const more = (): void => {
        while (written < 200_000_000) {
          written += chunk.length;
          if (!res.write(chunk)) return;
        }
      };
      res.on("drain", more);
      more();
    });
    const socket = connect(port, "127.0.0.1");
    cleanups.push(() => socket.destroy());
    socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    await once(socket, "readable");
    // Until nothing moves any more, however long that takes: the kernel's buffers differ by machine.
    let before = -1;
    while (before !== written) {
      before = written;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    expect(written).toBeLessThan(50_000_000);
  });

  it("aborts the upstream's request when the visitor leaves, before and after the head", async () => {
    for (const withHead of [false, true]) {
      let gone: Promise<unknown> = Promise.resolve();
      let reached: () => void = () => {};
      const arrived = new Promise<void>((resolve) => (reached = resolve));
      const port = await floorTo((_req, res) => {
        gone = once(res, "close");
        if (withHead) res.write("a");
        reached();
      });
      const req = httpRequest({ port, host: "127.0.0.1", agent: false }).on("error", () => {});
      const response = withHead ? once(req, "response") : undefined;
      req.end();
      await arrived;
      await response;
      req.destroy();
      await gone;
    }
  });

  it("cuts the visitor when the upstream breaks in mid-body, and answers 502 when it never answered", async () => {
    const port = await floorTo((req, res) => {
      if (req.url === "/half") {
        res.writeHead(200, { "content-length": "10" });
        res.write("12345", () => res.destroy());
      } else res.destroy();
    });
    await expect(bytesOf(await visit(port, { path: "/half" }))).rejects.toThrow("aborted");
    const answer = await visit(port, { path: "/none" });
    expect(answer.statusCode).toBe(502);
    answer.resume();
  });

  it("passes WebSockets through", async () => {
    const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
    await once(server, "listening");
    server.on("connection", (ws) =>
      ws.on("message", (data, isBinary) => ws.send(data, { binary: isBinary })),
    );
    cleanups.push(() => server.close());
    const floor = await startFloor((server.address() as AddressInfo).port);
    cleanups.push(() => floor.close());
    const ws = new WebSocket(`ws://127.0.0.1:${floor.port}/`);
    await once(ws, "open");
    ws.send("hello");
    const [data] = (await once(ws, "message")) as [Buffer];
    expect(String(data)).toBe("hello");
    ws.close();
    await once(ws, "close");
  });
});
