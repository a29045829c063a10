import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { setImmediate as turn } from "node:timers/promises";
import type { RawHeaders } from "mcp-tunnel-protocol";
import { describe, expect, it, onTestFinished } from "vitest";
import { type PerMessageDeflateOptions, WebSocket, WebSocketServer } from "ws";
import { SocketReader } from "../src/capture/socket.js";
import type { CapturedMessage } from "../src/captured.js";

const mib = 1_024 * 1_024;

/** The bytes of both ends of a connection, in the order in which they passed, and what the 101 had. */
interface Connection {
  readonly headers: RawHeaders;
  readonly chunks: readonly { readonly from: "visitor" | "service"; readonly data: Buffer }[];
}

/** Has a real client and a real server talk, and records the bytes between them. */
async function recorded(
  perMessageDeflate: boolean | PerMessageDeflateOptions,
  talk: (client: WebSocket, server: WebSocket) => Promise<void>,
): Promise<Connection> {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate });
  await once(server, "listening");
  const chunks: { from: "visitor" | "service"; data: Buffer }[] = [];
  const sockets: Socket[] = [];
  const middle = createServer((visitor) => {
    const service = connect((server.address() as AddressInfo).port, "127.0.0.1");
    sockets.push(visitor, service);
    visitor.on("data", (data) => chunks.push({ from: "visitor", data: Buffer.from(data) })).pipe(service);
    service.on("data", (data) => chunks.push({ from: "service", data: Buffer.from(data) })).pipe(visitor);
    for (const socket of [visitor, service]) socket.on("error", () => {});
  });
  middle.listen(0, "127.0.0.1");
  await once(middle, "listening");
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    middle.close();
    server.close();
  });
  const client = new WebSocket(`ws://127.0.0.1:${(middle.address() as AddressInfo).port}`, {
    perMessageDeflate,
  });
  const accepted = once(server, "connection");
  const [[response]] = (await Promise.all([once(client, "upgrade"), once(client, "open")])) as [
    [{ rawHeaders: RawHeaders }],
    unknown,
  ];
  const [peer] = (await accepted) as [WebSocket];
  const closed = Promise.all([once(client, "close"), once(peer, "close")]);
  await talk(client, peer);
  await closed;
  return { headers: response.rawHeaders, chunks: withoutHeads(chunks) };
}

function withoutHeads(chunks: Connection["chunks"]): Connection["chunks"] {
  return (["visitor", "service"] as const).flatMap((from) => {
    const all = Buffer.concat(chunks.filter((chunk) => chunk.from === from).map(({ data }) => data));
    return { from, data: all.subarray(all.indexOf("\r\n\r\n") + 4) };
  });
}

interface Reading {
  readonly reader: SocketReader;
  readonly messages: CapturedMessage[];
}

function reading(headers: RawHeaders = []): Reading {
  const messages: CapturedMessage[] = [];
  const reader = new SocketReader(
    headers,
    (message) => messages.push(message),
    () => 5,
  );
  onTestFinished(() => reader.close());
  return { reader, messages };
}

/** Reads a connection in pieces of at most `size` bytes, until `count` messages are there. */
async function read(
  { headers, chunks }: Connection,
  size: number,
  count: number,
): Promise<CapturedMessage[]> {
  const { reader, messages } = reading(headers);
  for (const { from, data } of chunks) {
    const before = Buffer.from(data);
    for (let at = 0; at < data.length; at += size) reader[from](data.subarray(at, at + size));
    // The bytes are on their way to the other end: nobody may have unmasked them.
    expect(data.equals(before)).toBe(true);
  }
  await until(() => messages.length >= count || reader.unread !== undefined);
  expect(reader.unread).toBeUndefined();
  return messages;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await turn();
}

function frame(
  opcode: number,
  payload: Buffer | string,
  { fin = true, mask = false, rsv1 = false } = {},
): Buffer {
  const data = Buffer.from(payload);
  const first = (fin ? 0x80 : 0) | (rsv1 ? 0x40 : 0) | opcode;
  const bit = mask ? 0x80 : 0;
  const head =
    data.length < 126
      ? Buffer.from([first, bit | data.length])
      : Buffer.from([first, bit | 127, 0, 0, 0, 0, ...u32(data.length)]);
  if (!mask) return Buffer.concat([head, data]);
  const key = Buffer.from([1, 2, 3, 4]);
  const masked = data.map((byte, i) => byte ^ (key[i % 4] ?? 0));
  return Buffer.concat([head, key, masked]);
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

const told = (messages: readonly CapturedMessage[], from: string) =>
  messages.filter((message) => message.from === from).map(({ kind, data }) => [kind, data.toString()]);

describe("messages of real clients and servers", () => {
  const takeover = { threshold: 0 };
  const none = { threshold: 0, serverNoContextTakeover: true, clientNoContextTakeover: true };
  const windows = { threshold: 0, serverMaxWindowBits: 9, clientMaxWindowBits: 10 };
  const kinds: [string, boolean | PerMessageDeflateOptions][] = [
    ["without compression", false],
    ["with compression", takeover],
    ["with compression of each message for itself", none],
    ["with compression in small windows", windows],
  ];

  it.each(kinds)("%s, cut anywhere", async (_, perMessageDeflate) => {
    const long = "many words, ".repeat(8_000);
    const connection = await recorded(perMessageDeflate, async (client, server) => {
      const heard = once(server, "pong");
      client.send("hello");
      client.send(JSON.stringify({ jsonrpc: "2.0", id: 1, method: "ping" }));
      client.send(JSON.stringify({ jsonrpc: "2.0", id: 2, method: "ping" }));
      client.send(Buffer.from([0, 1, 2, 255]));
      client.send("one, ", { fin: false });
      client.send("two, ", { fin: false });
      client.ping("between");
      client.send("three");
      server.send(long);
      server.send("");
      server.send(long);
      server.ping("are you there");
      await heard;
      client.close(1_000, "bye");
    });
    const binary = Buffer.from([0, 1, 2, 255]).toString();
    for (const size of [13, 101, 1_000, mib]) {
      const messages = await read(connection, size, 13);
      expect(told(messages, "visitor").filter(([kind]) => kind !== "ping")).toEqual([
        ["text", "hello"],
        ["text", '{"jsonrpc":"2.0","id":1,"method":"ping"}'],
        ["text", '{"jsonrpc":"2.0","id":2,"method":"ping"}'],
        ["binary", binary],
        ["text", "one, two, three"],
        ["pong", "are you there"],
        ["close", "1000 bye"],
      ]);
      expect(told(messages, "visitor")).toContainEqual(["ping", "between"]);
      const service = messages.filter(({ from, kind }) => from === "service" && kind === "text");
      expect(service.map(({ bytes, isCut }) => [bytes, isCut])).toEqual([
        [long.length, true],
        [0, false],
        [long.length, true],
      ]);
      expect(service[0]?.data.toString()).toBe(long.slice(0, 65_536));
      expect(told(messages, "service").at(-1)).toEqual(["close", "1000 bye"]);
    }
  });

  it("byte by byte", () => {
    const { reader, messages } = reading();
    const bytes = Buffer.concat([
      frame(1, "hello", { mask: true }),
      frame(2, Buffer.alloc(200), { mask: true }),
    ]);
    for (const byte of bytes) reader.visitor(Buffer.from([byte]));
    expect(messages.map(({ kind, bytes }) => [kind, bytes])).toEqual([
      ["text", 5],
      ["binary", 200],
    ]);
  });

  it("a Close frame without a code, and nothing after it", () => {
    const { reader, messages } = reading();
    reader.visitor(Buffer.concat([frame(8, "", { mask: true }), frame(1, "late", { mask: true })]));
    reader.visitor(frame(1, "later", { mask: true }));
    expect(messages).toMatchObject([{ kind: "close", bytes: 0, from: "visitor", atMs: 5 }]);
    expect(reader.unread).toBeUndefined();
  });
});

describe("bytes that are held", () => {
  it("are told, and released with the message", () => {
    const { reader, messages } = reading();
    const bytes = frame(1, "x".repeat(100_000));
    reader.service(bytes.subarray(0, 60_000));
    expect(reader.pending).toBeGreaterThan(59_000);
    expect(reader.pending).toBeLessThan(70_000);
    reader.service(bytes.subarray(60_000));
    expect(messages).toMatchObject([{ kind: "text", bytes: 100_000, isCut: true }]);
    expect(reader.pending).toBe(0);
    reader.service(frame(1, "y".repeat(50_000), { fin: false }));
    expect(reader.pending).toBeGreaterThan(49_000);
    reader.service(frame(9, "ping"));
    expect(reader.pending).toBeGreaterThan(49_000);
    reader.service(frame(0, ""));
    expect(reader.pending).toBe(0);
  });

  it("do not keep the chunk of a small message", () => {
    const { reader, messages } = reading();
    reader.service(Buffer.concat([frame(1, "small"), frame(1, "x".repeat(900_000))]));
    expect(messages[0]?.data.buffer.byteLength).toBeLessThan(100_000);
  });

  it("are bounded for a visitor who sends a frame byte by byte, or in fragments without end", async () => {
    // Each part costs more memory than its byte. A visitor sends a million of them.
    for (const fragments of [false, true]) {
      const { reader } = reading();
      reader.visitor(frame(1, "a", { fin: false, mask: true }));
      const long = frame(0, "x".repeat(900_000), { mask: true });
      let most = 0;
      for (let i = 0; i < 100_000 && reader.unread === undefined; i += 1) {
        reader.visitor(fragments ? frame(0, "a", { fin: false, mask: true }) : long.subarray(i, i + 1));
        if (i % 1_000 === 0) await turn();
        most = Math.max(most, reader.pending);
      }
      expect(reader.unread).toBe("a message of the visitor came in more than 8192 parts");
      expect(most).toBeLessThan(2 * mib);
      await until(() => reader.pending === 0);
    }
  });

  it("are bounded for a message that grows when it is inflated", async () => {
    // 10 KB become 10 MiB. The page of a user who looks at his traffic would take all of his memory.
    const connection = await recorded({ threshold: 0 }, async (client) => {
      await new Promise((sent) => client.send("x".repeat(10 * mib), sent));
      client.close();
    });
    const { reader, messages } = reading(connection.headers);
    for (const { from, data } of connection.chunks) if (from === "visitor") reader.visitor(data);
    await until(() => reader.unread !== undefined);
    expect(reader.unread).toBe("a message of the visitor is longer than 1 MiB");
    expect(messages).toEqual([]);
    await until(() => reader.pending === 0);
  });

  it("are bounded when more comes than can be inflated", async () => {
    const { reader } = reading(["Sec-WebSocket-Extensions", "permessage-deflate"]);
    const some = frame(2, Buffer.alloc(200_000), { rsv1: true });
    for (let i = 0; i < 20; i += 1) reader.service(some);
    expect(reader.unread).toBe("more came at once from the service than could be inflated");
    expect(reader.pending).toBeLessThan(3 * mib);
    reader.close();
    await until(() => reader.pending === 0);
  });
});

describe("what cannot be read", () => {
  it.each<[string, Buffer, string]>([
    ["no frames", Buffer.from("GET / HTTP/1.1\r\n"), "what the service sent cannot be read"],
    ["a masked frame of the service", frame(1, "a", { mask: true }), "MASK must be clear"],
    ["compression that was not negotiated", frame(1, "a", { rsv1: true }), "RSV1 must be clear"],
    ["a text that is not UTF-8", frame(1, Buffer.from([0xff])), "invalid UTF-8"],
    ["a message over 1 MiB", frame(1, Buffer.alloc(mib + 1)), "is longer than 1 MiB"],
    ["a length beyond all bounds", Buffer.from([0x81, 127, ...Array<number>(8).fill(255)]), "is longer"],
  ])("ends the reading: %s", async (_, bytes, why) => {
    const { reader, messages } = reading();
    reader.service(bytes);
    await until(() => reader.unread !== undefined);
    expect(reader.unread).toContain(why);
    reader.service(frame(1, "more"));
    reader.visitor(frame(1, "more", { mask: true }));
    expect(messages).toEqual([]);
    expect(reader.pending).toBe(0);
  });

  it.each([
    ["an extension that is not known", "x-own; a=1"],
    ["parameters that are not known", "permessage-deflate; x=1"],
    ["no list of extensions", "permessage-deflate; =;;"],
  ])("is not begun: %s", (_, value) => {
    const { reader, messages } = reading(["Sec-WebSocket-Extensions", value]);
    expect(reader.unread).toContain("extension");
    reader.visitor(frame(1, "a", { mask: true }));
    reader.close();
    expect(messages).toEqual([]);
  });

  it("says nothing once it is closed, even of a message that is being inflated", async () => {
    const connection = await recorded({ threshold: 0 }, async (client) => {
      client.send("hello");
      client.close();
    });
    const { reader, messages } = reading(connection.headers);
    for (const { from, data } of connection.chunks) reader[from](data);
    reader.close();
    reader.visitor(frame(1, "a", { mask: true }));
    await until(() => reader.pending === 0);
    expect(messages.filter(({ kind }) => kind === "text")).toEqual([]);
    expect(reader.unread).toBeUndefined();
  });
});
