import type { Socket } from "node:net";
import { describe, expect, it } from "vitest";
import { bytesAt } from "../support/bytes.js";
import { closingAfterEach } from "../support/cleanup.js";
import { runClient } from "../support/commands.js";
import { startOriginalRelay, type OriginalRelayOptions } from "../support/original-relay.js";
import { startRawServer } from "../support/raw-server.js";
import { startUpstream } from "../support/upstream.js";

// The client command against relays of the original, which do not know this project.

const versions = ["0.1", "0.2"] as const;
const closing = closingAfterEach();

async function start(
  options: OriginalRelayOptions,
  args: readonly string[] = ["--token", "secret", "--subdomain", "app"],
  target?: number,
) {
  const upstream = closing(await startUpstream());
  const relay = closing(await startOriginalRelay(options));
  const relayUrl = `http://127.0.0.1:${relay.port}`;
  const client = closing(
    runClient([String(target ?? upstream.port), "--relay", relayUrl, "--json", ...args]),
  );
  return { upstream, relay, client };
}

/** Starts both and waits until the client is connected. */
async function connect(...parameters: Parameters<typeof start>) {
  const started = await start(...parameters);
  const { client, relay } = started;
  const ended = client.exited.then(() => Promise.reject(new Error(`the client ended:\n${client.output}`)));
  const tunnel = await Promise.race([relay.nextTunnel(), ended]);
  // From here on, the test itself deals with the end of the client.
  ended.catch(() => {});
  return { ...started, tunnel };
}

describe.each(versions)("the client command on an original relay %s", (version) => {
  it("registers in words that the original reads, and prints the public URL", async () => {
    const { client, tunnel } = await connect({ version });
    expect(tunnel.registration).toMatchObject({ token: "secret", subdomain: "app" });
    expect(await client.waitForJson({ event: "connected" })).toMatchObject({
      url: "https://app.tunnel.example",
      subdomain: "app",
    });
  });

  it("asks the local service as the visitor asked, and answers in words that the original reads", async () => {
    const { upstream, tunnel } = await connect({ version });
    const { status, headers, body } = await tunnel.request({
      method: "POST",
      path: "/headers/p%20q?x=%2F",
      headers: { host: "app.tunnel.example", "x-visitor": "1", accept: "a, b" },
      body: "hello",
    }).answer;
    expect(status).toBe(200);
    expect(headers).toContainEqual(["content-type", "application/json"]);
    const seen = JSON.parse(body.toString()) as {
      method: string;
      path: string;
      body: string;
      rawHeaders: string[];
    };
    expect(seen).toMatchObject({ method: "POST", path: "/headers/p%20q?x=%2F", body: "hello" });
    const pairs = seen.rawHeaders.map((part, i) => (i % 2 === 0 ? part.toLowerCase() : part));
    const fields = Object.fromEntries(
      Array.from({ length: pairs.length / 2 }, (_, i) => pairs.slice(2 * i, 2 * i + 2) as [string, string]),
    );
    expect(fields).toMatchObject({
      host: `localhost:${upstream.port}`,
      "x-visitor": "1",
      accept: "a, b",
      "content-length": "5",
    });
    expect(tunnel.skipped).toEqual([]);
  });

  it("does not let a visitor write where he is into a field that only a relay of this project writes", async () => {
    const { tunnel } = await connect({ version });
    const spoofed = { "X-Tunnel-Visitor": "10.0.0.1", "x_tunnel.visitor": "10.0.0.1", "X-Tunnels": "kept" };
    const { body } = await tunnel.request({ path: "/headers", headers: spoofed }).answer;
    const seen = body.toString();
    expect(seen).toContain('"X-Tunnels","kept"');
    expect(seen).not.toContain("10.0.0.1");
  });

  it("shows in the inspector what passed, and sends it again", async () => {
    const { client, tunnel } = await connect({ version }, [
      ...["--token", "secret", "--subdomain", "app", "--inspect", "127.0.0.1:0"],
    ]);
    const { url } = await client.waitForJson({ event: "inspector" });
    const { origin, hash } = new URL(String(url));
    const ask = async (path: string, init: RequestInit = {}): Promise<Record<string, unknown>> => {
      const headers = {
        authorization: `Bearer ${hash.slice(1)}`,
        "content-type": "application/json",
        origin,
      };
      const answer = await fetch(`${origin}/api/${path}`, { ...init, headers });
      return (await answer.json()) as Record<string, unknown>;
    };
    const call = { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "add" } };
    await tunnel.request({
      method: "POST",
      path: "/echo?key=s3cret",
      headers: {
        "content-type": "application/json",
        "x-tunnel-visitor": "10.0.0.1",
        "x-tunnel-user": "root",
      },
      body: JSON.stringify(call),
    }).answer;
    const seen = await ask("exchanges/1");
    expect(seen).toMatchObject({
      state: "done",
      path: expect.stringMatching(/^\/echo\?key=\[hidden:\w{8}\]$/) as string,
      status: 200,
      mcp: { method: "tools/call", name: "add" },
      request: { body: { text: JSON.stringify(call) } },
      response: { body: { text: JSON.stringify(call) } },
    });
    // The visitor has written these.
    expect(seen).not.toHaveProperty("visitor");
    expect(seen).not.toHaveProperty("user");
    await tunnel.request({ path: "/sse?count=3" }).answer;
    const events = { body: { form: "events", events: Array.from({ length: 3 }, () => ({})) } };
    expect(await ask("exchanges/2")).toMatchObject({ kind: "stream", response: events });
    const said = tunnel.received.length;
    const { id } = await ask("exchanges/2/replay", { method: "POST", body: "{}" });
    await client.waitForJson({ event: "replay", id, status: 200 });
    // The answer to a replay is for the inspector alone.
    expect(tunnel.received).toHaveLength(said);
  });

  it("keeps every Set-Cookie", async () => {
    const { tunnel } = await connect({ version });
    const { headers } = await tunnel.request({ path: "/cookies" }).answer;
    expect(headers.filter(([name]) => name === "set-cookie").map(([, value]) => value)).toEqual([
      "a=1; Path=/",
      "b=2; HttpOnly",
      "c=3, with comma; Secure",
    ]);
    expect(tunnel.skipped).toEqual([]);
  });

  it("carries bodies byte for byte, many at a time", async () => {
    const { tunnel } = await connect({ version });
    const sizes = [0, 1, 65_535, 65_536, 65_537, 3_000_000, 9_000_000];
    const answers = await Promise.all(sizes.map((size) => tunnel.request({ path: `/bytes/${size}` }).answer));
    for (const [i, size] of sizes.entries()) {
      expect(answers[i]?.body.equals(bytesAt(0, size))).toBe(true);
      expect(answers[i]?.broken).toBe(false);
    }
    const body = bytesAt(7, 5_000_000);
    const echoed = await tunnel.request({ method: "POST", path: "/echo", body }).answer;
    expect(echoed.body.equals(body)).toBe(true);
  });

  it("passes on HEAD, 204, 304 and a redirect as they are", async () => {
    const { tunnel } = await connect({ version });
    const ask = async (method: string, path: string) => {
      const { status, body, headers } = await tunnel.request({ method, path }).answer;
      return { status, body: body.toString(), location: headers.find(([name]) => name === "location")?.[1] };
    };
    expect(await ask("HEAD", "/headers")).toMatchObject({ status: 200, body: "" });
    expect(await ask("GET", "/status/204")).toMatchObject({ status: 204, body: "" });
    expect(await ask("GET", "/status/304")).toMatchObject({ status: 304, body: "" });
    expect(await ask("GET", "/redirect?to=http://elsewhere.example/")).toMatchObject({
      status: 302,
      location: "http://elsewhere.example/",
    });
  });

  // The original relay shows visitors the client's message.
  it.each<[string, ((socket: Socket) => void) | "down", string, string]>([
    ["is down", "down", "the local service cannot be reached", "connection refused at"],
    [
      "hangs up",
      (socket) => socket.end(),
      "the local service broke off its answer",
      "broke off the exchange",
    ],
    [
      "answers in another protocol",
      (socket) => socket.end("SSH-2.0-OpenSSH_9.2\r\n"),
      "the request or its answer cannot be passed on",
      "not valid HTTP",
    ],
  ])("answers 502 when the local service %s, and tells addresses to the developer alone", async (...row) => {
    const [, answer, told, shown] = row;
    const service = closing(
      await startRawServer((socket) => {
        if (answer !== "down") socket.once("data", () => answer(socket));
      }),
    );
    if (answer === "down") await service.close();
    const { client, tunnel } = await connect({ version }, undefined, service.port);
    const { status, body } = await tunnel.request({ method: "POST" }).answer;
    expect([status, body.toString()]).toEqual([
      502,
      version === "0.1" ? "upstream error" : `upstream error: ${told}`,
    ]);
    const said = JSON.stringify(tunnel.received);
    for (const secret of [String(service.port), "localhost", "127.0.0.1"]) expect(said).not.toContain(secret);
    const { message } = await client.waitForJson({ event: "error" });
    expect(message).toContain(shown);
    expect(message).toContain(`:${service.port}`);
  });

  it("never lets a response that broke off look complete", async () => {
    const { tunnel } = await connect({ version });
    for (const path of ["/cut/100000", "/cut/100000?chunked", "/short/100000"]) {
      const answer = await tunnel.request({ path }).answer;
      if (version === "0.2") expect(answer).toMatchObject({ status: 200, broken: true });
      else expect(answer).toMatchObject({ status: 502, body: Buffer.from("upstream error") });
    }
    expect((await tunnel.request({ path: "/status/200" }).answer).status).toBe(200);
  });

  it("stays up whatever the relay says, and asks for nothing outside the local service", async () => {
    const { upstream, tunnel } = await connect({ version });
    const id = "an-id";
    for (const text of [
      "",
      "{",
      "null",
      "[]",
      '"x"',
      "[".repeat(50_000),
      JSON.stringify({ id }),
      JSON.stringify({ kind: "request", id }),
      JSON.stringify({ kind: "cancel", id: "nobody" }),
      JSON.stringify({ kind: "request", id, method: "GET", path: "/", headers: { a: 1 }, body: null }),
      JSON.stringify({
        kind: "request",
        id,
        method: "GET",
        path: "/",
        headers: { "a b": "\r\nX: y" },
        body: null,
      }),
      JSON.stringify({
        kind: "request",
        id,
        method: "GET /x HTTP/1.1\r\n",
        path: "/",
        headers: {},
        body: null,
      }),
      JSON.stringify({ kind: "request", id, method: "GET", path: "http://elsewhere.example/", headers: {} }),
      JSON.stringify({ kind: "request", id, method: "GET", path: "@elsewhere.example/", headers: {} }),
      JSON.stringify({ id, method: "CONNECT", path: "elsewhere.example:80", headers: {}, body: null }),
    ]) {
      tunnel.say(text);
    }
    const answer = await tunnel.request({ path: "/status/200" }).answer;
    expect(answer.body.toString()).toBe("status 200\n");
    expect(upstream.requests.map(({ path }) => path)).toEqual(["/status/200"]);
  });

  it("picks the only name of an offer by itself", async () => {
    const { client, tunnel } = await connect({ version, offer: ["only"] }, ["--token", "secret"]);
    expect(tunnel.subdomain).toBe("only");
    expect(await client.waitForJson({ event: "connected" })).toMatchObject({ subdomain: "only" });
  });

  it("names the choices of an offer that needs a person, when there is none", async () => {
    const { client } = await start({ version, offer: ["dev-*", "other"] }, ["--token", "secret"]);
    expect((await client.exited).code).not.toBe(0);
    expect(client.output).toContain("dev-*");
    expect(client.output).toContain("other");
  });

  it("ends with the relay's reason when it is refused", async () => {
    const { client } = await start({ version, refuse: "invalid token" });
    const { code } = await client.exited;
    expect(code).toBeGreaterThan(0);
    expect(client.output).toContain("invalid token");
  });

  it("comes back when the relay cannot reach its auth provider for a while, which is no refusal", async () => {
    const { client, relay, tunnel } = await connect({ version });
    relay.refuse = "auth provider unavailable";
    tunnel.drop();
    await client.waitFor("attempt that is put off", () =>
      client.json.find(
        ({ event, message }) => event === "reconnecting" && /4001: auth/.test(String(message)),
      ),
    );
    relay.refuse = undefined;
    const again = await relay.nextTunnel();
    expect((await again.request({ path: "/status/200" }).answer).status).toBe(200);
    // Any other reason is final, also for a client that returns.
    relay.refuse = "invalid token";
    again.drop();
    expect((await client.exited).code).toBe(3);
  });

  it("ends with the relay's reason when the provider is down at the start", async () => {
    const { client } = await start({ version, refuse: "auth provider unavailable" });
    expect((await client.exited).code).toBe(3);
    expect(client.output).toContain("auth provider unavailable");
  });

  it("ends, and does not fight back, when it is evicted", async () => {
    const { client, tunnel } = await connect({ version });
    await client.waitForJson({ event: "connected" });
    tunnel.evict();
    await client.waitForJson({ event: "evicted" });
    expect((await client.exited).code).toBeGreaterThan(0);
  });

  it("comes back when the connection is lost, and serves", async () => {
    const { client, relay, tunnel } = await connect({ version });
    await client.waitForJson({ event: "connected" });
    tunnel.drop();
    await client.waitForJson({ event: "disconnected" });
    const again = await relay.nextTunnel();
    expect(again.subdomain).toBe("app");
    expect((await again.request({ path: "/status/200" }).answer).status).toBe(200);
  });

  it("finishes what is open and says goodbye when it is stopped", async () => {
    const { client, upstream, tunnel } = await connect({ version });
    const arrived = upstream.nextRequest();
    const { answer } = tunnel.request({ path: "/slow?ms=300" });
    await arrived;
    client.child.kill("SIGINT");
    expect((await answer).body.toString()).toBe("slow\n");
    expect((await tunnel.closed).code).toBe(1000);
    expect((await client.exited).code).toBe(0);
  });
});

describe("the client command on an original relay 0.1", () => {
  it("answers 502 for a body that the relay would not take whole", async () => {
    const { tunnel } = await connect({ version: "0.1" });
    const answer = await tunnel.request({ path: "/bytes/10485761" }).answer;
    expect(answer).toMatchObject({ status: 502, body: Buffer.from("tunnel response body too large") });
    expect((await tunnel.request({ path: "/bytes/10485760" }).answer).body.length).toBe(10_485_760);
  });
});

describe("the client command on an original relay 0.2", () => {
  it("sends an answer that comes at once in one write, since the relay may never end it otherwise", async () => {
    const service = closing(
      await startRawServer((socket) => {
        socket.on("data", (request) => {
          const isEvents = request.toString().startsWith("GET /events");
          const fields = isEvents
            ? "Content-Type: text/event-stream\r\nTransfer-Encoding: chunked"
            : "Content-Length: 5";
          const body = isEvents ? "9\r\ndata: 1\n\n\r\n0\r\n\r\n" : "hello";
          socket.write(`HTTP/1.1 200 OK\r\n${fields}\r\n\r\n${body}`);
        });
      }),
    );
    const { tunnel } = await connect({ version: "0.2" }, undefined, service.port);
    for (const path of ["/plain", "/events"]) {
      const answers = Array.from({ length: 10 }, () => tunnel.request({ path }).answer);
      for (const { status, leftOpen } of await Promise.all(answers)) {
        expect([path, status, leftOpen]).toEqual([path, 200, false]);
      }
    }
  });

  it("passes on head and events as they come", async () => {
    const { upstream, tunnel } = await connect({ version: "0.2" });
    const exchange = tunnel.request({ path: "/sse" });
    const { headers } = await exchange.head;
    expect(headers).toContainEqual(["content-type", "text/event-stream"]);
    for (const event of ["one", "two"]) {
      upstream.emit(event);
      expect(String(await exchange.nextChunk())).toBe(`data: ${event}\n\n`);
    }
    // The stream has no end of its own, and a client that is stopped would wait for it.
    exchange.cancel();
  });

  it("stops the local request when the visitor leaves, before the head and after", async () => {
    const { upstream, tunnel } = await connect({ version: "0.2" });
    for (const path of ["/hang", "/sse"]) {
      const arrived = upstream.nextRequest();
      const exchange = tunnel.request({ path });
      await arrived;
      if (path === "/sse") await exchange.head;
      const aborted = upstream.nextAbort();
      exchange.cancel();
      expect((await aborted).path).toBe(path);
    }
  });
});
