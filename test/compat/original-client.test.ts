import { createHash } from "node:crypto";
import { EventEmitter, once } from "node:events";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bytesAt } from "../support/bytes.js";
import { closingAfterEach } from "../support/cleanup.js";
import { type RelayCommand, startRelayCommand } from "../support/commands.js";
import {
  OriginalClientRefused,
  type OriginalClientOptions,
  type OriginalReply,
  type OriginalRequest,
  startOriginalClient,
} from "../support/original-client.js";
import { createVisitor, rawExchange } from "../support/visitor.js";

// Clients of the original, which do not know this project, against the relay command.

const versions = ["0.1", "0.2"] as const;
const closing = closingAfterEach();

/** The relay of all tests that need no options. Each test leaves it as it was. */
let common: RelayCommand;
beforeAll(async () => {
  common = await startRelayCommand();
});
afterAll(() => common.close());

/** A relay for the tunnel `app`: the common relay, or one of the test's own if it takes options. */
async function startRelay(args: readonly string[] = []) {
  const relay = args.length === 0 ? common : closing(await startRelayCommand(args));
  const visitor = closing(createVisitor(relay.port));
  const connect = async (options: Partial<OriginalClientOptions> & { version: "0.1" | "0.2" }) =>
    closing(
      await startOriginalClient({ relayPort: relay.port, token: "secret", subdomain: "app", ...options }),
    );
  return { relay, visitor, connect };
}

describe.each(versions)("an original client %s on the relay command", (version) => {
  it("is acknowledged in the original's words and no others", async () => {
    const { relay, connect } = await startRelay();
    const client = await connect({ version });
    expect(client.received).toEqual([{ subdomain: "app", url: `http://app.localhost:${relay.port}` }]);
  });

  it("is told https://<subdomain>.<domain> unless the operator says otherwise", async () => {
    const { connect } = await startRelay(["--public-url", "https://{subdomain}.{domain}"]);
    expect((await connect({ version })).url).toBe("https://app.localhost");
  });

  it("gets its name from its token when it asks for none", async () => {
    const { relay } = await startRelay();
    const client = closing(await startOriginalClient({ version, relayPort: relay.port, token: "my token" }));
    const expected = createHash("sha256").update("my token").digest("hex").slice(0, 12);
    expect(client.subdomain).toBe(expected);
  });

  it("gets requests as it knows them and answers visitors", async () => {
    const { visitor, connect } = await startRelay();
    const requests: OriginalRequest[] = [];
    await connect({
      version,
      onRequest: (reply) => {
        requests.push(reply.request);
        reply.answer(201, { "x-from": "client", connection: "x-from-2", "x-from-2": "dropped" }, reply.body);
      },
    });
    const body = Buffer.from([0, 1, 254, 255]);
    const headers = {
      ...{ "X-Visitor": ["1", "2"], cookie: "a=1", te: "trailers", "content-type": "a/b" },
      ...{ "x-request-id": "of;the=visitor", "x-tunnel-visitor": "10.0.0.1", x_tunnel_visitor: "10.0.0.1" },
    };
    const answer = await visitor.visit("app", "/p%20q?x=%2F", { method: "POST", headers, body });
    expect(answer.statusCode).toBe(201);
    expect(answer.headers["x-from"]).toBe("client");
    expect(answer.headers["x-from-2"]).toBeUndefined();
    expect(Buffer.from(await answer.body.arrayBuffer())).toEqual(body);

    const [request] = requests as [OriginalRequest];
    const lower = Object.fromEntries(Object.entries(request.headers).map(([k, v]) => [k.toLowerCase(), v]));
    expect(request).toMatchObject({ method: "POST", path: "/p%20q?x=%2F", body: body.toString("base64") });
    expect(lower).toMatchObject({
      "x-visitor": "1, 2",
      cookie: "a=1",
      "content-type": "a/b",
      "x-forwarded-proto": "http",
      "x-forwarded-for": "127.0.0.1",
      "x-request-id": "of;the=visitor",
      "x-tunnel-visitor": "127.0.0.1",
    });
    expect(JSON.stringify(lower)).not.toContain("10.0.0.1");
    for (const name of ["te", "connection", "transfer-encoding", "content-length", "keep-alive"]) {
      expect(lower).not.toHaveProperty(name);
    }
  });

  it("carries 5 MiB of request and 10 MiB of response", async () => {
    const { visitor, connect } = await startRelay();
    const response = bytesAt(0, 10 * 1024 * 1024);
    const request = bytesAt(0, 5 * 1024 * 1024);
    let arrived: Buffer | undefined;
    await connect({
      version,
      onRequest: (reply) => {
        arrived = reply.body;
        reply.answer(200, {}, response);
      },
    });
    const answer = await visitor.visit("app", "/", { method: "PUT", body: request });
    expect(Buffer.from(await answer.body.arrayBuffer()).equals(response)).toBe(true);
    expect(arrived?.equals(request)).toBe(true);
    // A whole body has a length. A stream of pieces has none.
    expect(answer.headers["content-length"]).toBe(version === "0.1" ? String(response.length) : undefined);
  });

  it("refuses a request over the limit with 413, and the next one works", async () => {
    const { visitor, connect } = await startRelay(["--max-request-body", "1000"]);
    await connect({ version });
    const over = await visitor.text("app", "/", { method: "POST", body: Buffer.alloc(1001) });
    expect(over.status).toBe(413);
    expect((await visitor.text("app", "/", { method: "POST", body: Buffer.alloc(1000) })).status).toBe(200);
  });

  it("passes on every Set-Cookie that its map can hold", async () => {
    const { visitor, connect } = await startRelay();
    const cookies = { "set-cookie": "a=1; Path=/", "Set-Cookie": "b=2", "sEt-cookie": "c=3, with comma" };
    await connect({ version, onRequest: (reply) => reply.answer(200, cookies, "x") });
    const answer = await visitor.visit("app", "/");
    await answer.body.dump();
    expect(answer.headers["set-cookie"]).toEqual(["a=1; Path=/", "b=2", "c=3, with comma"]);
  });

  it("has no body for HEAD, 204 and 304, and keeps the connection in step", async () => {
    const { relay, connect } = await startRelay();
    await connect({
      version,
      onRequest: (reply) => {
        const status = Number(reply.request.path.slice(1));
        reply.answer(status, {}, status === 200 ? "body" : "");
      },
    });
    const ask = (method: string, path: string, rest = "") =>
      `${method} ${path} HTTP/1.1\r\nHost: app.localhost\r\n${rest}\r\n`;
    const said = await rawExchange(
      relay.port,
      ask("HEAD", "/200") +
        ask("GET", "/204") +
        ask("GET", "/304") +
        ask("GET", "/200", "Connection: close\r\n"),
    );
    expect([...said.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status)).toEqual(
      "200 204 304 200".split(" "),
    );
    expect(said.split("body")).toHaveLength(2);
    expect(said.slice(0, said.lastIndexOf("HTTP/1.1"))).not.toMatch(/transfer-encoding/i);
  });

  it("is asked an upgrade as an ordinary request", async () => {
    const { relay, connect } = await startRelay();
    const requests: OriginalRequest[] = [];
    await connect({
      version,
      onRequest: (reply) => {
        requests.push(reply.request);
        reply.answer(426, {}, "no");
      },
    });
    const said = await rawExchange(
      relay.port,
      "GET /ws HTTP/1.1\r\nHost: app.localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
    );
    expect(said).toMatch(/^HTTP\/1\.1 426 /);
    expect(Object.keys(requests[0]?.headers ?? {}).map((name) => name.toLowerCase())).not.toContain(
      "upgrade",
    );
  });

  it("has what it says wrong skipped, or answered 502 at once when it is about a request", async () => {
    const { visitor, connect } = await startRelay();
    const client = await connect({
      version,
      onRequest: (reply) => {
        const { id } = reply.request;
        if (reply.request.path === "/good") reply.answer(200, {}, "good");
        else client.say(JSON.stringify({ id, status: "200", headers: {}, body: null }));
      },
    });
    for (const text of [
      "",
      "{",
      "null",
      '{"id":1}',
      '{"id":"?","status":200,"headers":{}}',
      "[".repeat(50_000),
    ]) {
      client.say(text);
    }
    expect((await visitor.text("app", "/bad")).status).toBe(502);
    expect(await visitor.text("app", "/good")).toEqual({ status: 200, text: "good" });
  });

  it("leaves its visitors 502 when it drops the connection, before and during an answer", async () => {
    const { visitor, connect } = await startRelay();
    const events = new EventEmitter();
    const client = await connect({ version, onRequest: () => events.emit("asked") });
    const asked = once(events, "asked");
    const waiting = visitor.text("app", "/");
    await asked;
    await client.close();
    expect(await waiting).toEqual({ status: 502, text: "tunnel dropped request" });
    expect(await visitor.text("app", "/")).toEqual({ status: 502, text: "tunnel not found" });
  });

  it("gets 504 for its visitor when it does not answer", async () => {
    const { visitor, connect } = await startRelay(["--response-timeout", "1"]);
    const client = await connect({ version, onRequest: () => {} });
    const cancelled = version === "0.2" ? client.nextCancel() : undefined;
    expect(await visitor.text("app", "/")).toEqual({ status: 504, text: "tunnel timeout" });
    if (cancelled !== undefined) {
      expect(await cancelled).toBe((client.received.at(-1) as { id: string }).id);
    }
  });

  it("is evicted by its successor, which keeps serving, ten times in a row", async () => {
    const { visitor, connect } = await startRelay();
    let last = await connect({ version });
    for (let i = 1; i <= 10; i++) {
      const next = await connect({ version, onRequest: (reply) => reply.answer(200, {}, `client ${i}`) });
      expect(await last.closed).toEqual({
        code: 4002,
        reason: "evicted: another client registered with the same tunnel",
      });
      expect(await visitor.text("app", "/")).toEqual({ status: 200, text: `client ${i}` });
      last = next;
    }
  });

  it("is refused with 4001 for an unknown token", async () => {
    const { connect } = await startRelay(["--static-token", "good:app"]);
    await expect(connect({ version, token: "bad" })).rejects.toEqual(
      new OriginalClientRefused(4001, "invalid token"),
    );
  });

  it("gets the only name of its token, or picks from an offer", async () => {
    const { connect } = await startRelay(
      "--static-token one:mine --static-token many:dev-*,other".split(" "),
    );
    expect((await connect({ version, token: "one", subdomain: "wished" })).subdomain).toBe("mine");
    expect((await connect({ version, token: "many", subdomain: "dev-1" })).subdomain).toBe("dev-1");
    const offers: string[][] = [];
    const pick = (name: string) => (offered: string[]) => {
      offers.push(offered);
      return name;
    };
    const picked = await connect({ version, token: "many", subdomain: "wished", pick: pick("dev-2") });
    expect(picked.subdomain).toBe("dev-2");
    await expect(
      connect({ version, token: "many", subdomain: "wished", pick: pick("foreign") }),
    ).rejects.toEqual(new OriginalClientRefused(4001, "subdomain 'foreign' not authorized for this token"));
    expect(offers).toEqual([
      ["dev-*", "other"],
      ["dev-*", "other"],
    ]);
  });
});

describe("an original client 0.1 on the relay command", () => {
  it("gets 502 for a whole body over the limit, and the next request works", async () => {
    const { visitor, connect } = await startRelay(["--max-response-body", "100000"]);
    await connect({
      version: "0.1",
      onRequest: (reply) => reply.whole(200, {}, Buffer.alloc(Number(reply.request.path.slice(1)))),
    });
    expect(await visitor.text("app", "/100001")).toEqual({
      status: 502,
      text: "tunnel response body too large",
    });
    expect((await visitor.text("app", "/100000")).status).toBe(200);
  });

  it("passes on its own 502 when its local service is down", async () => {
    const { visitor, connect } = await startRelay();
    await connect({ version: "0.1", onRequest: (reply) => reply.whole(502, {}, "upstream error") });
    expect(await visitor.text("app", "/")).toEqual({ status: 502, text: "upstream error" });
  });
});

describe("an original client 0.2 on the relay command", () => {
  /** A client for whose requests the test writes the answers. */
  async function startManual(args: readonly string[] = []) {
    const { visitor, connect } = await startRelay(args);
    const replies: OriginalReply[] = [];
    const waiting: ((reply: OriginalReply) => void)[] = [];
    const client = await connect({
      version: "0.2",
      onRequest: (reply) => {
        const resolve = waiting.shift();
        if (resolve === undefined) replies.push(reply);
        else resolve(reply);
      },
    });
    const nextReply = async (): Promise<OriginalReply> =>
      replies.shift() ?? new Promise((resolve) => waiting.push(resolve));
    return { visitor, client, nextReply };
  }

  it("has its head and each chunk passed on at once", async () => {
    const { visitor, nextReply } = await startManual();
    const answering = visitor.visit("app", "/");
    const reply = await nextReply();
    reply.head(200, { "content-type": "text/event-stream" });
    const answer = await answering;
    expect(answer.headers["content-type"]).toBe("text/event-stream");
    const pieces = answer.body[Symbol.asyncIterator]();
    for (const text of ["data: 1\n\n", "data: 2\n\n"]) {
      reply.chunk(text);
      expect(String((await pieces.next()).value)).toBe(text);
    }
    reply.chunk("", true);
    expect((await pieces.next()).done).toBe(true);
  });

  it("is told when a visitor leaves, before the head and after", async () => {
    const { visitor, client, nextReply } = await startManual();
    for (const withHead of [false, true]) {
      const leaving = new AbortController();
      const answering = visitor.visit("app", "/", { signal: leaving.signal });
      const reply = await nextReply();
      if (withHead) {
        reply.head(200);
        reply.chunk("begun");
        await once((await answering).body, "readable");
        (await answering).body.on("error", () => {});
      }
      const cancel = client.nextCancel();
      leaving.abort();
      if (!withHead) await expect(answering).rejects.toThrow();
      expect(await cancel).toBe(reply.request.id);
      // The original client still sends its last piece. The relay accepts that.
      reply.chunk("", true);
    }
    const next = visitor.text("app", "/");
    (await nextReply()).answer(200, {}, "still here");
    expect(await next).toEqual({ status: 200, text: "still here" });
  });

  it("gets 502 for a response_error, and a cut answer for one after the head", async () => {
    const { visitor, nextReply } = await startManual();
    const refused = visitor.text("app", "/");
    (await nextReply()).error("upstream error: connection refused");
    expect(await refused).toEqual({ status: 502, text: "upstream error" });

    const cut = visitor.visit("app", "/");
    const reply = await nextReply();
    reply.head(200);
    reply.chunk("half");
    const answer = await cut;
    const body = answer.body.text();
    reply.error("broke off");
    await expect(body).rejects.toThrow();
  });

  it("has a body over the limit cut, which never looks complete", async () => {
    const { visitor, client, nextReply } = await startManual(["--max-response-body", "100000"]);
    const answering = visitor.visit("app", "/");
    const reply = await nextReply();
    const cancel = client.nextCancel();
    reply.head(200);
    for (let i = 0; i < 3; i++) reply.chunk(Buffer.alloc(40_000));
    await expect(answering.then((answer) => answer.body.arrayBuffer())).rejects.toThrow();
    expect(await cancel).toBe(reply.request.id);
  });

  it("serves on after many slow answers whose last pieces were still on their way when they ended", async () => {
    const { visitor, nextReply } = await startManual(["--max-response-body", "100000000"]);
    // Together over 16 MiB. At that amount, slow visitors would make the relay stop reading the whole link.
    for (let i = 0; i < 6; i++) {
      const answering = visitor.visit("app", "/");
      (await nextReply()).answer(200, {}, Buffer.alloc(8_000_000));
      expect((await (await answering).body.arrayBuffer()).byteLength).toBe(8_000_000);
    }
  });
});
