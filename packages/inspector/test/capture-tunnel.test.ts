import { once } from "node:events";
import { type AddressInfo, connect } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { Recorder } from "../src/capture/recorder.js";
import type { Captured, CaptureListener } from "../src/captured.js";
import { maxBodyBytes } from "../src/limits.js";
import { bytesAt } from "../../../test/support/bytes.js";
import { type InProcessTunnel, startInProcess } from "../../../test/support/in-process.js";
import { startUpstream, type Upstream } from "../../../test/support/upstream.js";
import { rawExchange } from "../../../test/support/visitor.js";

/** Resolves once the entry is over. */
class Overs implements CaptureListener {
  readonly #waiting: ((entry: Captured) => void)[] = [];

  next(): Promise<Captured> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  over(entry: Captured): void {
    this.#waiting.shift()?.(entry);
  }
}

let upstream: Upstream;
let observed: InProcessTunnel;
let plain: InProcessTunnel;
const overs = new Overs();
const recorder = new Recorder({ maxBytes: 67_108_864, maxExchanges: 2_000 }, [overs]);

beforeAll(async () => {
  upstream = await startUpstream();
  const upstreamPort = upstream.port;
  observed = await startInProcess({ upstreamPort, client: { observeExchange: recorder.observe } });
  plain = await startInProcess({ upstreamPort });
});

afterAll(async () => {
  await observed.close();
  await plain.close();
  await upstream.close();
});

/** A whole answer, without fields that differ from one time to the next, and without the cuts into chunks. */
async function rawAnswer(port: number, request: string): Promise<string> {
  const answer = await rawExchange(port, request);
  // After interim heads.
  const headEnd = answer.search(/\r\n\r\n(?!HTTP)/) + 4;
  const head = answer.slice(0, headEnd).replace(/^(date|x-request-id): .*\r\n/gim, "");
  let rest = answer.slice(headEnd);
  if (!/^transfer-encoding: chunked/im.test(head)) return head + rest;
  let body = "";
  for (let size = -1; size !== 0; ) {
    size = Number.parseInt(rest, 16);
    const start = rest.indexOf("\r\n") + 2;
    body += rest.slice(start, start + size);
    rest = rest.slice(start + size + (size === 0 ? 0 : 2));
  }
  return `${head}${body}\n${rest}`;
}

const get = (path: string, method = "GET", more = ""): string =>
  `${method} ${path} HTTP/1.1\r\nHost: demo.localhost\r\nConnection: close\r\n${more}\r\n`;

describe("through a relay and a client", () => {
  it.each([
    ["a body of a few bytes", get("/status/200")],
    ["a status without a body", get("/status/204")],
    ["an answer to HEAD", get("/bytes/1000", "HEAD")],
    ["a long body", get("/bytes/1000000")],
    ["a long body in chunks", get("/bytes/1000000?chunked")],
    ["an event stream", get("/sse?count=100")],
    ["trailers", get("/trailers", "GET", "TE: trailers\r\n")],
    ["an interim head", get("/hints")],
    ["repeated fields", get("/cookies")],
    ["a compressed body", get("/gzip")],
    ["a body that is sent back", `${get("/echo", "POST", "Content-Length: 5\r\n")}hello`],
    ["an error of the tunnel", get("/reset")],
  ])("is the same byte for byte, observed or not: %s", async (_what, request) => {
    const over = overs.next();
    const answer = await rawAnswer(observed.relayPort, request);
    expect(answer).toBe(await rawAnswer(plain.relayPort, request));
    expect((await over).over).toBeDefined();
  });

  it("a request and its answer are captured with their bodies", async () => {
    const over = overs.next();
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "ping" });
    const headers = { "content-type": "application/json" };
    const answer = await observed.visit("/headers?a=b", { method: "POST", headers, body });
    const text = await answer.body.text();
    const entry = await over;
    expect(entry.head).toMatchObject({ method: "POST", path: "/headers?a=b" });
    expect(entry.requestBody.bufferOf().toString()).toBe(body);
    expect(entry.response).toMatchObject({ status: 200 });
    expect(entry.responseBody.bufferOf().toString()).toBe(text);
    expect(entry.over).toMatchObject({
      status: 200,
      requestBytes: body.length,
      responseBytes: text.length,
      error: undefined,
    });
    const { requestEndMs, headMs, firstByteMs } = entry;
    expect(requestEndMs).toBeGreaterThanOrEqual(0);
    expect(headMs).toBeGreaterThanOrEqual(requestEndMs!);
    expect(firstByteMs).toBeGreaterThanOrEqual(headMs!);
    expect(entry.over!.durationMs).toBeGreaterThanOrEqual(firstByteMs!);
  });

  it("of a long body, the first bytes are captured and the others counted", async () => {
    const over = overs.next();
    await (await observed.visit("/bytes/1000000?chunked")).body.dump({ limit: 2_000_000 });
    const { responseBody } = await over;
    expect(responseBody).toMatchObject({ bytes: 1_000_000, kept: maxBodyBytes, missed: false });
    expect(responseBody.bufferOf().equals(bytesAt(0, maxBodyBytes))).toBe(true);
  });

  it("an answer to HEAD, one that is cut, and one with an error of the tunnel are captured as they were", async () => {
    let over = overs.next();
    await rawExchange(observed.relayPort, get("/bytes/1000", "HEAD"));
    expect(await over).toMatchObject({ response: { status: 200 }, responseBody: { bytes: 0 } });
    over = overs.next();
    await rawExchange(observed.relayPort, get("/cut/70000"));
    const cut = await over;
    expect(cut.over?.error).toBeDefined();
    expect(cut.responseBody.bufferOf().equals(bytesAt(0, cut.responseBody.bytes))).toBe(true);
    over = overs.next();
    await rawExchange(observed.relayPort, get("/reset"));
    expect(await over).toMatchObject({ response: undefined, over: { status: 502 } });
  });

  it("trailers and interim heads are captured", async () => {
    let over = overs.next();
    await rawExchange(observed.relayPort, get("/trailers", "GET", "TE: trailers\r\n"));
    expect((await over).responseTrailers).toEqual(["X-Checksum", "abc", "X-Late", "yes"]);
    over = overs.next();
    await rawExchange(observed.relayPort, get("/hints"));
    const { interim } = await over;
    expect(interim).toMatchObject([{ head: { status: 103 } }]);
  });

  it("an event stream is captured while it is open, and after the visitor has left", async () => {
    const over = overs.next();
    const answer = await observed.visit("/sse");
    upstream.emit("one");
    const first = await once(answer.body, "data");
    expect(String(first[0])).toBe("data: one\n\n");
    const entry = [...recorder.ring.entries()].at(-1)!;
    expect(entry.events?.kept).toMatchObject([{ data: "one", bytes: 11 }]);
    answer.body.on("error", () => {}).destroy();
    expect(await over).toBe(entry);
    expect(entry.over?.error?.code).toBe("cancelled");
    expect(entry.events?.kept).toHaveLength(1);
  });

  it("a WebSocket is captured as its messages, compressed or not", async () => {
    const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: { threshold: 0 } });
    server.on("connection", (socket) =>
      socket.on("message", (data, binary) => socket.send(data, { binary })),
    );
    await once(server, "listening");
    const tunnel = await startInProcess({
      upstreamPort: (server.address() as AddressInfo).port,
      client: { observeExchange: recorder.observe },
    });
    for (const perMessageDeflate of [true, false]) {
      const over = overs.next();
      const socket = new WebSocket(`ws://127.0.0.1:${tunnel.relayPort}/websocket`, {
        headers: { host: "demo.localhost" },
        perMessageDeflate,
      });
      await once(socket, "open");
      expect(socket.extensions).toBe(perMessageDeflate ? "permessage-deflate" : "");
      for (const text of ["one", "two ".repeat(1_000)]) {
        const answered = once(socket, "message");
        socket.send(text);
        expect(String((await answered)[0])).toBe(text);
      }
      socket.close(1_000, "done");
      await once(socket, "close");
      const entry = await over;
      expect(entry.socket).toMatchObject({ unread: undefined, dropped: 0 });
      const from = (side: string): string[] =>
        entry
          .socket!.kept.filter((message) => message.from === side)
          .map(({ kind, data }) => `${kind} ${data}`);
      const messages = ["text one", `text ${"two ".repeat(1_000)}`, "close 1000 done"];
      expect(from("visitor")).toEqual(messages);
      expect(from("service")).toEqual(messages);
    }
    await tunnel.close();
    server.close();
    await once(server, "close");
  });

  it("another upgraded connection is only counted", async () => {
    const over = overs.next();
    const socket = connect(observed.relayPort, "127.0.0.1");
    socket.write("GET /up HTTP/1.1\r\nHost: demo.localhost\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n");
    await once(socket, "data");
    socket.write("hello");
    expect(String((await once(socket, "data"))[0])).toBe("hello");
    socket.end();
    await once(socket.resume(), "close");
    const entry = await over;
    expect(entry).toMatchObject({ response: { status: 101 }, socket: undefined, events: undefined });
    expect(entry.requestBody).toMatchObject({ bytes: 5, kept: 0 });
    expect(entry.responseBody).toMatchObject({ bytes: 5, kept: 0 });
  });
});
