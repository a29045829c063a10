import { Duplex } from "node:stream";
import fc from "fast-check";
import { Client } from "undici";
import type { Dispatcher } from "undici";
import { describe, expect, it } from "vitest";
import { runs } from "../../protocol/test/support/fuzz.js";
import { scanHead } from "../src/service/http/response-head.js";
import { splitHead } from "../src/service/http/split-head.js";

/** What undici makes of an answer. */
interface Answer {
  status?: number;
  fields?: string[];
  body: string;
  ending: string;
  /** It would send another request over the connection. */
  isKept?: boolean;
}

const strings = (raw: readonly Buffer[]): string[] => raw.map((bytes) => bytes.toString("latin1"));

/** Answers a request of undici's with these bytes, and closes the connection if undici waits for more. */
async function answered(bytes: Buffer): Promise<Answer> {
  const socket = new Duplex({
    read() {},
    write(_chunk, _encoding, callback) {
      callback();
      socket.push(bytes);
      setImmediate(() => {
        answer.isKept = !socket.destroyed;
        socket.push(null);
      });
    },
  });
  socket.on("error", () => {});
  const closed = new Promise((resolve) => socket.on("close", resolve));
  const client = new Client("http://localhost", {
    connect: (_options, callback) => process.nextTick(callback, null, socket),
    keepAliveTimeoutThreshold: 500,
  });
  const answer: Answer = { body: "", ending: "" };
  await new Promise<void>((resolve) => {
    const handler: Dispatcher.DispatchHandler = {
      onConnect() {},
      onHeaders(status, rawHeaders) {
        answer.status = status;
        answer.fields = strings(rawHeaders);
        return true;
      },
      onData(chunk) {
        answer.body += chunk.toString("latin1");
        return true;
      },
      onComplete(trailers) {
        answer.ending = `complete ${(trailers ?? []).map(String).join()}`;
        resolve();
      },
      onError(error) {
        answer.ending = error.message;
        resolve();
      },
    };
    client.dispatch({ method: "GET", path: "/", headers: [] }, handler);
  });
  await closed;
  await client.destroy();
  return answer;
}

/** Undefined: a head that is not split. */
async function both(text: string): Promise<{ plain: Answer; split: Answer; kept: string } | undefined> {
  const end = scanHead(Buffer.from(text, "latin1"));
  if (end <= 0) return undefined;
  const plain = await answered(Buffer.from(text, "latin1"));
  const { fields, rest } = splitHead(Buffer.from(text, "latin1"), end);
  const split = await answered(Buffer.from(rest));
  const kept = rest.toString("latin1", 0, rest.indexOf("\r\n\r\n"));
  return { plain, split: { ...split, fields }, kept };
}

const fieldLine = fc.tuple(
  fc.constantFrom(
    ...["Content-Length: 5", "content-length:5", "Transfer-Encoding: chunked", "TRANSFER-ENCODING:chunked"],
    ...["Connection: close", "connection: keep-alive", "Connection:Keep-Alive, Upgrade", "Connection:"],
    ...["Proxy-Connection: close", "Proxy-Connection: keep-alive", "Keep-Alive: timeout=5", "Upgrade: h2c"],
    ...["Keep-Alive: timeout=0", "keep-alive:  max=3, timeout=1", "Trailer: X-A", "X-A: \xe4\t b", "X-A:"],
    ...["Set-Cookie: a=b", "set-cookie: c=d", "Date: Mon, 30 Nov 2026 12:00:00 GMT", "_: :", "x:\t \t1"],
  ),
  fc.constantFrom("", "", "", " ", "\t"),
);
const clean = fc
  .tuple(
    fc.constantFrom(
      "HTTP/1.1 200 OK",
      "HTTP/1.1 200",
      "HTTP/1.0 404 Not: Found",
      "HTTP/1.1 304 ",
      "HTTP/1.1 999 \xff",
    ),
    fc.array(fieldLine, { maxLength: 6 }),
    fc.constantFrom(
      "hello",
      "5\r\nhello\r\n0\r\n\r\n",
      "5\r\nhello\r\n0\r\nX-B: 1\r\n\r\n",
      "hell",
      "hello!",
      "",
    ),
  )
  .map(
    ([line, lines, body]) => `${[line, ...lines.map((parts) => parts.join(""))].join("\r\n")}\r\n\r\n${body}`,
  );

describe("a head of which undici gets only a part", () => {
  it("has the fields, and the answer the end, that undici finds in the whole head", async () => {
    let count = 0;
    await fc.assert(
      fc.asyncProperty(clean, async (text) => {
        const answers = await both(text);
        fc.pre(answers !== undefined);
        count += 1;
        expect(answers.split, JSON.stringify(text)).toEqual(answers.plain);
      }),
      runs(300),
    );
    expect(count).toBeGreaterThan(100);
  });

  it("leaves undici what it needs and no more", async () => {
    const fields =
      "Server: a\r\nContent-Length: 2\r\nKeep-Alive: timeout=5\r\nConnection: keep-alive\r\nETag: b\r\n";
    const answers = await both(`HTTP/1.1 200 OK\r\n${fields}\r\nok`);
    expect(answers?.kept).toBe("HTTP/1.1 200\r\nContent-Length: 2\r\nKeep-Alive: timeout=5");
    expect(answers?.split.body).toBe("ok");
    // HTTP/1.0 closes the connection without it.
    const older = await both(`HTTP/1.0 200 OK\r\n${fields}\r\nok`);
    expect(older?.kept).toMatch(/Connection: keep-alive$/);
    expect(older?.plain.isKept).toBe(true);
  });
});
