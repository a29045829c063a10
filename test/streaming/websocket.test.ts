import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ClientOptions, WebSocket, WebSocketServer } from "ws";
import { bytesAt } from "../support/bytes.js";
import { closingAfterEach } from "../support/cleanup.js";
import { type RawServer, startRawServer } from "../support/raw-server.js";
import { body, type CommandTunnel, startTunnel } from "./support.js";

let port: number;
let tunnel: CommandTunnel;
/** A server for the subprotocol `notes.v2` and permessage-deflate. It refuses everybody at `/private`. */
const server = new WebSocketServer({
  noServer: true,
  perMessageDeflate: { threshold: 0 },
  handleProtocols: (offered) => (offered.has("notes.v2") ? "notes.v2" : false),
});
const http = createServer((_req, res) => void res.end("plain"));
http.on("upgrade", (req, socket, head) => {
  if (req.url === "/private") {
    const page = "who are you?";
    socket.end(
      `HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer\r\nX-Reason: token\r\nContent-Length: ${page.length}\r\n\r\n${page}`,
    );
  } else server.handleUpgrade(req, socket, head, (ws) => server.emit("connection", ws, req));
});

beforeAll(async () => {
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  port = (http.address() as AddressInfo).port;
  tunnel = await startTunnel(port);
});
afterAll(async () => {
  await tunnel.close();
  http.close();
});
const closing = closingAfterEach();

function dial(path = "/", protocols: string[] = [], options: ClientOptions = {}): WebSocket {
  const url = `ws://127.0.0.1:${tunnel.port}${path}`;
  const ws = new WebSocket(url, protocols, { ...options, headers: { host: tunnel.host } });
  ws.on("error", () => {}); // A test that expects an error awaits it.
  closing({ close: () => ws.terminate() });
  return ws;
}

/** A visitor's WebSocket, and the server's WebSocket for it. */
async function connected(protocols?: string[], options?: ClientOptions) {
  const accepted = once(server, "connection") as Promise<[WebSocket, IncomingMessage]>;
  const visitor = dial("/", protocols, options);
  await once(visitor, "open");
  const [local] = await accepted;
  return { visitor, local };
}

async function message(ws: WebSocket): Promise<{ data: Buffer; isBinary: boolean }> {
  const [data, isBinary] = (await once(ws, "message")) as [Buffer, boolean];
  return { data, isBinary };
}

async function closed(ws: WebSocket): Promise<[number, string]> {
  const [code, reason] = (await once(ws, "close")) as [number, Buffer];
  return [code, reason.toString()];
}

describe("a WebSocket", () => {
  it("carries text and binary both ways", async () => {
    const { visitor, local } = await connected();
    for (const [from, to] of [
      [visitor, local],
      [local, visitor],
    ] as const) {
      const text = message(to);
      from.send("grüße 😀");
      expect(await text).toEqual({ data: Buffer.from("grüße 😀"), isBinary: false });
      const binary = message(to);
      from.send(bytesAt(0, 1_000));
      expect(await binary).toEqual({ data: bytesAt(0, 1_000), isBinary: true });
      const empty = message(to);
      from.send("");
      expect(await empty).toEqual({ data: Buffer.alloc(0), isBinary: false });
    }
  });

  it("carries messages of a megabyte both ways at once, in order", async () => {
    const { visitor, local } = await connected([], { perMessageDeflate: false });
    const count = 16;
    const received = (ws: WebSocket): Promise<void> =>
      new Promise((resolve, reject) => {
        let next = 0;
        ws.on("message", (data: Buffer) => {
          if (!data.equals(bytesAt(next, 1_048_576)))
            reject(new Error(`message ${next} is not what was sent`));
          next += 1;
          if (next === count) resolve();
        });
      });
    const both = Promise.all([received(visitor), received(local)]);
    for (let i = 0; i < count; i++) {
      visitor.send(bytesAt(i, 1_048_576));
      local.send(bytesAt(i, 1_048_576));
    }
    await both;
  });

  it("is pinged through the tunnel, by either end", async () => {
    const { visitor, local } = await connected();
    for (const from of [visitor, local]) {
      const pong = once(from, "pong");
      from.ping("are you there");
      expect(String((await pong)[0])).toBe("are you there");
    }
  });

  it.each([
    ["the visitor", 1000, ""],
    ["the visitor", 4321, "enough"],
    ["the service", 1001, "restarting"],
    ["the service", 4000, "täglich"],
  ])("closed by %s with %i has the same code at the other end", async (who, code, reason) => {
    const { visitor, local } = await connected();
    const both = Promise.all([closed(visitor), closed(local)]);
    (who === "the visitor" ? visitor : local).close(code, reason);
    expect(await both).toEqual([
      [code, reason],
      [code, reason],
    ]);
    await tunnel.relay.waitForJson({ msg: "request", status: 101, outcome: "completed" });
  });

  it.each(["the visitor", "the service"])("cut by %s is cut at the other end", async (who) => {
    const { visitor, local } = await connected();
    const both = Promise.all([closed(visitor), closed(local)]);
    (who === "the visitor" ? visitor : local).terminate();
    expect(await both).toEqual([
      [1006, ""],
      [1006, ""],
    ]);
  });

  it("speaks the subprotocol that the service chose", async () => {
    const { visitor, local } = await connected(["notes.v1", "notes.v2"]);
    expect([visitor.protocol, local.protocol]).toEqual(["notes.v2", "notes.v2"]);
    // The service accepts none of the offered subprotocols. Its answer names none, so the visitor's library
    // fails.
    const other = dial("/", ["notes.v9"]);
    const [error] = (await once(other, "error")) as [Error];
    expect(error.message).toBe("Server sent no subprotocol");
  });

  it("is compressed between visitor and service, if they agree", async () => {
    const { visitor, local } = await connected([], { perMessageDeflate: true });
    expect([visitor.extensions, local.extensions].join()).toMatch(/^permessage-deflate.*,permessage-deflate/);
    const text = "the same again, ".repeat(65_536);
    const received = message(visitor);
    local.send(text);
    expect((await received).data.toString()).toBe(text);
    const socket = Reflect.get(visitor, "_socket") as Socket;
    // The text is a megabyte. The visitor received a few kilobytes.
    expect(socket.bytesRead).toBeLessThan(50_000);

    const plain = await connected([], { perMessageDeflate: false });
    expect(plain.local.extensions).toBe("");
  });

  it("that is refused has the service's own answer, body and all", async () => {
    const refused = dial("/private");
    const [, res] = (await once(refused, "unexpected-response")) as [unknown, IncomingMessage];
    expect(res.statusCode).toBe(401);
    expect(res.headers).toMatchObject({ "www-authenticate": "Bearer", "x-reason": "token" });
    expect((await body(res)).toString()).toBe("who are you?");
  });
});

describe("another protocol than WebSocket", () => {
  /** Called with each connection on which the service accepted an upgrade. */
  let accept: (socket: Socket) => void;
  let service: RawServer;
  let other: CommandTunnel;
  beforeAll(async () => {
    service = await startRawServer((socket) => {
      socket.once("data", () => {
        socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: chat/2\r\n\r\n");
        accept(socket);
      });
    });
    other = await startTunnel(service.port);
  });
  afterAll(async () => {
    await other.close();
    await service.close();
  });

  /** A visitor after the 101, and the service's end of the connection. */
  async function upgraded(path: string) {
    const local = new Promise<Socket>((resolve) => (accept = resolve));
    const visitor = connect({ port: other.port, host: "127.0.0.1", allowHalfOpen: true });
    closing({ close: () => visitor.destroy() });
    visitor.write(
      `GET ${path} HTTP/1.1\r\nHost: ${other.host}\r\nConnection: Upgrade\r\nUpgrade: chat/2, chat/1\r\n\r\n`,
    );
    const [head] = (await once(visitor, "data")) as [Buffer];
    expect(head.toString()).toMatch(
      /^HTTP\/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: chat\/2\r\n(.+\r\n)*\r\n$/,
    );
    return { visitor, local: await local };
  }

  it("passes too, each direction ended by itself", async () => {
    const { visitor, local } = await upgraded("/first");
    visitor.end("all that I have to say");
    expect(await read(local)).toBe("all that I have to say");
    // The visitor has ended his direction. The service has not, and takes its time.
    local.write("I have ");
    expect(String((await once(visitor, "data"))[0])).toBe("I have ");
    local.end("more");
    expect(await read(visitor)).toBe("more");
    const line = await other.relay.waitForJson({ msg: "request", path: "/first", status: 101 });
    expect(line).toMatchObject({ outcome: "completed", requestBytes: 22, bytes: 11 });
  });

  it("may be ended by the service first", async () => {
    const { visitor, local } = await upgraded("/second");
    local.end("bye");
    expect(await read(visitor)).toBe("bye");
    visitor.end("and good night");
    expect(await read(local)).toBe("and good night");
  });
});

/** All bytes until the other side has ended its direction. */
async function read(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  socket.resume();
  await once(socket, "end");
  return Buffer.concat(chunks).toString();
}
