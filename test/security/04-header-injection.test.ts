import { createRelay } from "mcp-tunnel";
import { startTunnelClient, type TunnelClient } from "mcp-tunnel-client";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fuzzTimeoutMs, runs } from "../../packages/protocol/test/support/fuzz.js";
import { frame, types } from "../../packages/protocol/test/support/wire.js";
import { type RawServer, startRawServer } from "../support/raw-server.js";
import { missingProgram } from "../support/requires.js";
import { type Nginx, startNginx } from "./support/nginx.js";
import { connectRawClient, type RawPeer } from "./support/raw-peers.js";
import { RawVisitor, statuses } from "./support/raw-visitor.js";
import { readVectors, type ResponseVector } from "./support/vectors.js";

/**
 * The attack: a tunnel's client answers with fields that hold line ends, framing of its own or no HTTP at
 * all. If the relay wrote them out unchanged, they would end the response and begin another one. The
 * visitor's browser, or a cache in front, takes that one for the answer to the next request ("response
 * splitting").
 *
 * The defence: the relay checks status, names and values before a byte leaves. The reason phrase is the
 * relay's own. It drops framing and hop-by-hop fields. A body that is not as long as announced costs the
 * connection.
 */
let port: number;
let stop: () => Promise<void>;
let honest: RawPeer;
beforeAll(async () => {
  const relay = createRelay({ domain: "tunnel.test", host: "127.0.0.1", port: 0 });
  ({ port } = await relay.listen());
  honest = await connectRawClient(port, "honest");
  stop = () => relay.close(0);
});
afterAll(() => stop());

const name = (i: number): string => `app${i}`;
let tunnels = 0;

/** Makes a tunnel for one hostile answer, and a visitor who waits for that answer. */
async function ask(
  at = port,
): Promise<{ hostile: RawPeer; visitor: RawVisitor; stream: number; host: string }> {
  const host = `${name(tunnels++)}.tunnel.test`;
  const hostile = await connectRawClient(port, host.split(".", 1)[0] as string);
  const visitor = new RawVisitor({ port: at });
  visitor.send(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
  const { stream } = await hostile.next("REQUEST");
  return { hostile, visitor, stream, host };
}

function responseFrames(stream: number, vector: Pick<ResponseVector, "status" | "headers">): Buffer {
  const head = [String(vector.status), ...vector.headers].join("\n");
  return Buffer.concat([
    frame(types.RESPONSE, stream, Buffer.from(head, "latin1")),
    frame(types.DATA | 0x80, stream, "ok"),
  ]);
}

/**
 * Splits the received text as a strict reader does.
 * @throws Error for anything that is not a response of HTTP/1.1.
 */
function strictHead(received: string): { status: number; fields: string[]; rest: string } {
  const end = received.indexOf("\r\n\r\n");
  const [first, ...lines] = received.slice(0, end).split("\r\n");
  const status = /^HTTP\/1\.1 (\d{3}) [\x20-\x7e]*$/.exec(first ?? "")?.[1];
  if (end === -1 || status === undefined) throw new Error(`not a response: ${JSON.stringify(received)}`);
  for (const line of lines) {
    if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+: [\t\x20-\x7e\x80-\xff]*$/.test(line)) {
      throw new Error(`not a field: ${JSON.stringify(line)}`);
    }
  }
  return { status: Number(status), fields: lines, rest: received.slice(end + 4) };
}

async function visitHonest(): Promise<string> {
  const before = honest.frames.length;
  const visitor = new RawVisitor({ port });
  visitor.send("GET / HTTP/1.1\r\nHost: honest.tunnel.test\r\n\r\n");
  honest.answer((await honest.next("REQUEST", before)).stream, "honest");
  const received = await visitor.until((text) => text.endsWith("honest"));
  visitor.close();
  return received;
}

/**
 * A visitor comes to the relay itself, or to nginx in front of it. nginx keeps its connections for the
 * visitors after him.
 */
const ways = [
  ["at the relay", false],
  ["behind nginx", true],
] as const;

describe.each(ways)("answers of a hostile client, %s", (_, isProxied) => {
  const { responses } = readVectors("heads");
  let nginx: Nginx | undefined;
  const skipped = isProxied && missingProgram("nginx");
  beforeAll(async () => {
    if (isProxied && !skipped) nginx = await startNginx(port);
  });
  afterAll(() => nginx?.close());

  it.skipIf(skipped).each(responses)("$name: $expect ($origin)", async (vector) => {
    const { hostile, visitor, stream, host } = await ask(nginx?.port);
    hostile.send(responseFrames(stream, vector));
    if (vector.expect === "violation") expect((await hostile.closed).code).toBe(1002);
    const text = await visitor.until((received) => isWhole(received, vector.body ?? "ok"));
    if (vector.expect === "cut") {
      // The relay closes before anything that looks like a whole response. nginx may have an error of its own
      // for that.
      const received = nginx === undefined || text === "" ? await visitor.all() : text;
      expect(received).not.toMatch(/ok$/);
      return;
    }
    const { status, fields } = strictHead(text);
    switch (vector.expect) {
      case "pass":
        expect(status).toBe(vector.status);
        if (vector.never !== undefined) expect(text).not.toContain(vector.never);
        break;
      case "refuse":
        expect(status).toBe(502);
        expect(fields).toContain("X-Tunnel-Error: invalid_response");
        break;
      case "violation":
        expect(status).toBe(502);
    }
    // The next request on the same connection gets its own answer.
    if (!visitor.socket.closed && vector.expect !== "violation") {
      const before = hostile.frames.length;
      const at = visitor.received.length;
      visitor.send(`GET /next HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
      hostile.answer((await hostile.next("REQUEST", before)).stream, "next");
      const next = await visitor.until((received) => received.endsWith("next"));
      expect(strictHead(next.slice(at)).rest).toBe("next");
    }
    visitor.close();
    hostile.close();
    expect(strictHead(await visitHonest())).toMatchObject({ status: 200, rest: "honest" });
  });

  /** Whether the whole first response has come. */
  function isWhole(received: string, body: string): boolean {
    const end = received.indexOf("\r\n\r\n");
    if (end === -1) return false;
    const rest = received.slice(end + 4);
    const length = /\r\nContent-Length: (\d+)/i.exec(received.slice(0, end))?.[1];
    if (length !== undefined && !/^HTTP\/1\.1 (?:204|304)/.test(received))
      return rest.length >= Number(length);
    return body === "" ? rest === "" : rest.includes(body) && rest.endsWith("0\r\n\r\n");
  }
});

/** The local service may be hostile as well. The client reads its answers and keeps the connection. */
describe("answers of a hostile service", () => {
  const ok = "HTTP/1.1 200 OK\r\n";
  let answer = "";
  let service: RawServer;
  let client: TunnelClient;
  beforeAll(async () => {
    service = await startRawServer((socket) => {
      socket.on("data", (chunk) => {
        const asked = chunk.includes("GET /canary") ? `${ok}Content-Length: 6\r\n\r\ncanary` : answer;
        socket.write(asked, "latin1");
      });
    });
    const relayUrl = `http://127.0.0.1:${port}`;
    client = await startTunnelClient({
      port: service.port,
      relayUrl,
      subdomain: "service",
      shutdownGraceMs: 0,
    });
  });
  afterAll(async () => {
    await client.close();
    await service.close();
  });

  async function visit(path: string, done: (received: string) => boolean): Promise<string> {
    const visitor = new RawVisitor({ port });
    visitor.send(`GET ${path} HTTP/1.1\r\nHost: service.tunnel.test\r\n\r\n`);
    const received = await visitor.until(done);
    visitor.close();
    return received;
  }

  const { responses, answers } = readVectors("heads");
  const poison = `${ok}Content-Length: 8\r\n\r\npoisoned`;

  /** The visitor's response to an answer that the service writes unchanged. Undefined if there is none. */
  async function answered(bytes: string): Promise<{ status: number; text: string } | undefined> {
    answer = bytes;
    // A cut body ends with its connection.
    const text = await visit("/", (received) => received.includes("\r\n\r\n"));
    expect(statuses(text).length).toBeLessThanOrEqual(1);
    expect(text).not.toContain("poisoned");
    const next = strictHead(await visit("/canary", (received) => received.endsWith("canary")));
    expect([next.status, next.rest]).toEqual([200, "canary"]);
    if (text === "") return undefined;
    const { status, fields } = strictHead(text);
    expect(fields.join("\n")).not.toContain("Injected");
    return { status, text };
  }

  it.each(answers)(
    "$name: one clear answer or none, and the next visitor his own ($origin)",
    async (vector) => {
      await answered(vector.bytes.replace("{poison}", poison).replace("{long}", "a".repeat(70_000)));
    },
  );

  it.each(responses.map((vector) => ({ ...vector, comes: vector.service ?? vector.expect })))(
    "a head: $name: $comes ($origin)",
    async (vector) => {
      const got = await answered(`${rendered(vector)}${poison}`);
      if (vector.comes === "pass") {
        expect(got?.status).toBe(vector.status);
        if (vector.never !== undefined) expect(got?.text).not.toContain(vector.never);
      } else expect(got?.status).toBe(502);
    },
  );

  /** The response as a service writes it that knows no rules. */
  function rendered({ status, headers }: ResponseVector): string {
    let head = `HTTP/1.1 ${status} Whatever\r\n`;
    for (let i = 0; i < headers.length; i += 2) head += `${headers[i]}: ${headers[i + 1]}\r\n`;
    if (/^transfer-encoding:/im.test(head)) return `${head}\r\n2\r\nok\r\n0\r\n\r\n`;
    return `${head}${/^content-length ?:/im.test(head) ? "" : "Content-Length: 2\r\n"}\r\nok`;
  }
});

describe("any answer at all", () => {
  // Printable characters, and characters that end lines, names and strings.
  const text = fc
    .array(
      fc.oneof(
        { weight: 8, arbitrary: fc.integer({ min: 0x20, max: 0x7e }) },
        { weight: 1, arbitrary: fc.constantFrom(0x0d, 0, 0x09, 0x0b, 0x0c, 0x7f, 0x85, 0xa0, 0xff) },
      ),
      { maxLength: 20 },
    )
    .map((codes) => String.fromCharCode(...codes));
  const fieldName = fc.oneof(
    text,
    fc.constantFrom(
      "Content-Length",
      "content-length",
      "Transfer-Encoding",
      "Connection",
      "Set-Cookie",
      "Upgrade",
    ),
  );
  const value = fc.oneof(
    text,
    fc.constantFrom("chunked", "2", "0", "close", "websocket", "-1", "1\rX-Injected: 1"),
  );
  const headers = fc.array(fc.tuple(fieldName, value), { maxLength: 8 }).map((fields) => fields.flat());
  const status = fc.oneof(fc.integer({ min: 200, max: 999 }), fc.constant(200));

  it(
    "gives the visitor one well-formed response, or none, and the next visitor his own",
    async () => {
      await fc.assert(
        fc.asyncProperty(status, headers, async (code, fields) => {
          const { hostile, visitor, stream } = await ask();
          hostile.send(responseFrames(stream, { status: code, headers: fields }));
          // The answer to the next request on the tunnel shows that the relay has dealt with this one.
          const before = hostile.frames.length;
          const next = new RawVisitor({ port });
          next.send(`GET / HTTP/1.1\r\nHost: ${name(tunnels - 1)}.tunnel.test\r\n\r\n`);
          hostile.answer((await hostile.next("REQUEST", before)).stream, "next");
          expect(strictHead(await next.until((received) => received.endsWith("next"))).rest).toBe("next");
          const received = await visitor.until((sofar) => statuses(sofar).length > 0);
          if (received === "") {
            // No answer: the body was not as long as announced, and the head had not left yet.
            expect(fields.findIndex((field) => field.toLowerCase() === "content-length") % 2).toBe(0);
          } else {
            expect([code, 502]).toContain(strictHead(received).status);
            expect(statuses(received)).toHaveLength(1);
          }
          for (const peer of [visitor, next, hostile]) peer.close();
        }),
        runs(60),
      );
      expect(strictHead(await visitHonest()).status).toBe(200);
    },
    fuzzTimeoutMs,
  );
});
