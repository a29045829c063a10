import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders } from "node:http";
import {
  type AddressInfo,
  connect,
  createServer as createTcpServer,
  type Server,
  type Socket,
} from "node:net";
import { connect as connectTls, createServer as createTlsServer } from "node:tls";
import { describe, expect, it, vi } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { createSelfSigned } from "../../../test/support/certificates.js";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { helloFields, helloOf, peerPath } from "../src/peers/fields.js";
import { Proofs, type Terms } from "../src/peers/proofs.js";
import { nodeAt, request, secret, TestRelay, type TestRelayOptions } from "./peers-rig.js";

const closing = closingAfterEach();

async function relay(id: string, options?: TestRelayOptions): Promise<TestRelay> {
  return closing(new TestRelay(id, options)).listen();
}

function portOf(address: string): number {
  return Number(address.split(":")[1]);
}

/** Listens on a free port of loopback. */
async function listening(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  closing({ close: () => new Promise((resolve) => server.close(resolve)) });
  return (server.address() as AddressInfo).port;
}

/** A stranger's connection to the peer port of a relay. */
async function stranger(to: TestRelay): Promise<Socket> {
  const socket = closing(opened(connect(portOf(to.address), "127.0.0.1")));
  await once(socket, "connect");
  return socket;
}

function opened(socket: Socket): Socket & { close(): void } {
  socket.on("error", () => {});
  return Object.assign(socket, { close: () => void socket.destroy() });
}

/** All that a connection brings until it is closed, or has failed. */
function answerOn(socket: Socket): Promise<string> {
  let text = "";
  socket.on("data", (chunk) => (text += chunk.toString("latin1")));
  return new Promise((resolve) => socket.once("close", () => resolve(text)));
}

/** A WebSocket to the peer port, with the fields of a call that may be changed. */
function call(
  to: TestRelay,
  fields: Record<string, string> = {},
  kind: "streams" | "splice" = "streams",
): WebSocket {
  const ws = new WebSocket(`ws://127.0.0.1:${portOf(to.address)}${peerPath}`, {
    headers: { ...helloFields(helloOf("stranger", to.id, kind)), ...fields },
    perMessageDeflate: false,
  });
  ws.on("error", () => {});
  closing({ close: () => ws.terminate() });
  return ws;
}

/** The head with which a call is refused. */
async function refusalOf(
  ws: WebSocket,
): Promise<{ status: number | undefined; headers: IncomingHttpHeaders }> {
  const [, response] = await once(ws, "unexpected-response");
  response.destroy();
  return { status: response.statusCode, headers: response.headers };
}

/** What the two ends of a call have said in clear. */
async function termsOf(ws: WebSocket, to: TestRelay): Promise<Terms> {
  const sent = (ws as unknown as { _req: { getHeader(name: string): string } })._req;
  const [response] = await once(ws, "upgrade");
  return {
    version: 1,
    kind: sent.getHeader("x-tunnel-peer-kind"),
    from: sent.getHeader("x-tunnel-peer-from"),
    to: to.id,
    offeredVersions: sent.getHeader("x-tunnel-peer-versions"),
    dialerFeatures: sent.getHeader("x-tunnel-peer-features"),
    acceptorFeatures: response.headers["x-tunnel-peer-features"],
    dialerNonce: sent.getHeader("x-tunnel-peer-nonce"),
    acceptorNonce: response.headers["x-tunnel-peer-nonce"],
    binding: "",
  };
}

/** The code and the reason with which a WebSocket was closed, or 1006 after an error. */
function closeOf(ws: WebSocket): Promise<string> {
  return new Promise((resolve) => ws.once("close", (code, reason) => resolve(`${code} ${String(reason)}`)));
}

describe("a relay without the secret", () => {
  it("gets no link, whichever of the two dials, and both say why", async () => {
    const a = await relay("a");
    const b = await relay("b", { secret: "another secret of the test that is long enough" });
    a.links.setNodes([b.info]);
    b.links.setNodes([a.info]);
    const why = /the two relays do not have the same cluster secret/;
    for (const { log } of [a, b]) {
      await log.line(new RegExp(`no link to another relay.*${why.source}`));
      await log.line(new RegExp(`refused.*the handshake has failed.*it said: ${why.source}`));
    }
    expect(a.links.get("b")?.session).toBeUndefined();
  });

  it("is refused if it proves nothing, or something else", async () => {
    let spliced = 0;
    const a = await relay("a", { handler: { onSplice: () => ((spliced += 1), "known") } });
    const hello = JSON.stringify({ session: "a.1", secret: "s", address: "192.0.2.1", isAtDomain: true });
    for (const message of [
      () => hello,
      () => `${randomBytes(32).toString("base64url")}\n${hello}`,
      // The right proof, for another text and of another end.
      (proofs: Proofs) => `${proofs.of("dialer", "{}")}\n${hello}`,
      (proofs: Proofs) => proofs.sign("answer", hello),
      (proofs: Proofs) => proofs.sign("acceptor", hello),
    ]) {
      const ws = call(a, {}, "splice");
      const proofs = new Proofs(Buffer.from(secret), await termsOf(ws, a));
      ws.send(message(proofs));
      expect(await closeOf(ws)).toBe("1008 the proof is wrong");
    }
    expect(spliced).toBe(0);
    // With its proof, the same message is taken.
    const ws = call(a, {}, "splice");
    const proofs = new Proofs(Buffer.from(secret), await termsOf(ws, a));
    ws.send(proofs.sign("dialer", hello));
    const [answer] = await once(ws, "message");
    expect(proofs.open(String(answer), "answer")).toBe('{"splice":"known"}');
    expect(spliced).toBe(1);
  });

  it("cannot change what the other two say in clear", async () => {
    const a = await relay("a");
    for (const changed of [
      { from: "x" },
      { kind: "splice" },
      { offeredVersions: "1, 2" },
      { dialerFeatures: "" },
      { acceptorFeatures: "" },
      { dialerNonce: "x" },
      { binding: "x" },
    ]) {
      const ws = call(a);
      const said = await termsOf(ws, a);
      ws.send(new Proofs(Buffer.from(secret), { ...said, ...changed }).sign("dialer", "{}"));
      expect(await closeOf(ws)).toBe("1008 the proof is wrong");
    }
  });

  it("cannot play a handshake again that it has recorded", async () => {
    const b = await relay("b");
    const recorded: Buffer[] = [];
    const between = createTcpServer((near) => {
      const far = opened(connect(portOf(b.address), "127.0.0.1"));
      opened(near);
      near.on("data", (chunk) => recorded.push(chunk)).pipe(far);
      far.pipe(near);
    });
    const port = await listening(between);
    const a = await relay("a");
    a.links.setNodes([nodeAt("b", `127.0.0.1:${port}`)]);
    expect((await request(await a.linked("b"), Buffer.from("x"))).status).toBe(200);
    await a.close();
    const sessions = b.log.matching(/has begun a session/).length;
    const socket = await stranger(b);
    socket.write(Buffer.concat(recorded));
    await answerOn(socket);
    await b.log.line(/refused.*the proof is wrong/);
    expect(b.log.matching(/has begun a session/)).toHaveLength(sessions);
  });

  it("cannot answer a relay with the relay's own proofs", async () => {
    const a = await relay("a");
    // At the address of "b" somebody calls "a" with the nonce that "a" has sent, and hands its answer back.
    const server = createServer();
    const answers = new WebSocketServer({ noServer: true });
    const tried: string[] = [];
    server.on("upgrade", (req, socket, head) => {
      const nonce = req.headers["x-tunnel-peer-nonce"] as string;
      const mirror = call(a, { "X-Tunnel-Peer-From": "b", "X-Tunnel-Peer-Nonce": nonce });
      mirror.once("upgrade", ({ headers }) => {
        answers.once("headers", (lines: string[]) => {
          for (const [name, value] of Object.entries(headers)) {
            if (name.startsWith("x-tunnel-peer-")) lines.push(`${name}: ${String(value)}`);
          }
        });
        answers.handleUpgrade(req, socket, head, (ws) =>
          ws.on("message", (text) => tried.push(String(text))),
        );
      });
    });
    const port = await listening(server);
    a.links.setNodes([nodeAt("b", `127.0.0.1:${port}`)]);
    await a.log.line(/no link to another relay.*the two relays do not have the same cluster secret/);
    // It has learned nothing: a relay proves itself, and asks for something, only to one that has the secret.
    expect(tried).toEqual([]);
    await a.close();
  });

  it("cannot stand in between two relays with TLS, even with a certificate that both trust", async () => {
    const pair = await createSelfSigned("relays.example");
    const tls = { ...pair, ca: pair.cert };
    const b = await relay("b", { tls });
    const between = createTlsServer(pair, (near) => {
      const far = connectTls({ port: portOf(b.address), host: "127.0.0.1", rejectUnauthorized: false });
      for (const socket of [near, far]) opened(socket);
      near.pipe(far).pipe(near);
      near.once("close", () => far.destroy());
    });
    const port = await listening(between);
    const a = await relay("a", { tls });
    a.links.setNodes([nodeAt("b", `127.0.0.1:${port}`)]);
    await a.log.line(/no link to another relay.*somebody is between them/);
    a.links.setNodes([b.info]);
    expect((await request(await a.linked("b"), Buffer.from("x"))).status).toBe(200);
    await a.close();
  });
});

describe("a call that cannot be taken", () => {
  it.each([
    ["a web page", { Origin: "https://page.example" }, 403],
    ["for another relay", { "X-Tunnel-Peer-To": "other" }, 421],
    ["of the relay itself", { "X-Tunnel-Peer-From": "a" }, 421],
    ["without a nonce", { "X-Tunnel-Peer-Nonce": "" }, 400],
    ["of an id that is none", { "X-Tunnel-Peer-From": "a.b" }, 400],
    ["with a list that is too long", { "X-Tunnel-Peer-Features": "x, ".repeat(100) }, 400],
    ["of another version", { "X-Tunnel-Peer-Versions": "2, 3" }, 426],
    ["for a kind of later versions", { "X-Tunnel-Peer-Kind": "later" }, 501],
  ])("is refused before anything is proved: %s", async (_what, fields, status) => {
    const a = await relay("a");
    const refusal = await refusalOf(call(a, fields));
    expect(refusal.status).toBe(status);
    expect(refusal.headers["x-tunnel-peer-proof"]).toBeUndefined();
    if (status === 426) expect(refusal.headers["x-tunnel-peer-versions"]).toBe("1");
    await a.log.line(/connection to the peer port refused/);
  });

  it("is taken if it announces more than this relay knows", async () => {
    const a = await relay("a");
    const ws = call(a, { "X-Tunnel-Peer-Versions": "7, 1", "X-Tunnel-Peer-Features": "later, splice" });
    const proofs = new Proofs(Buffer.from(secret), await termsOf(ws, a));
    ws.send(proofs.sign("dialer", JSON.stringify({ window: 65_536, later: { is: "ignored" } })));
    const [answer] = await once(ws, "message");
    expect(JSON.parse(proofs.open(String(answer), "answer") as string)).toMatchObject({ window: 1_048_576 });
  });

  it("is refused if its request is of no known form", async () => {
    const a = await relay("a");
    for (const json of ["", "null", "[]", '{"window":1}', '{"window":65536,"resume":{"session":1}}']) {
      const ws = call(a);
      const proofs = new Proofs(Buffer.from(secret), await termsOf(ws, a));
      ws.send(proofs.sign("dialer", json));
      expect(await closeOf(ws)).toBe("1002 no known form of a request");
    }
  });

  it("does not go on with the session of another relay", async () => {
    const [a, b] = [await relay("a"), await relay("b")];
    a.links.setNodes([b.info]);
    await a.linked("b");
    const first = call(b, { "X-Tunnel-Peer-From": "c" });
    const proofs = new Proofs(Buffer.from(secret), await termsOf(first, b));
    first.send(proofs.sign("dialer", JSON.stringify({ window: 65_536 })));
    const [answer] = await once(first, "message");
    const { session } = JSON.parse(proofs.open(String(answer), "answer") as string);
    const resume = JSON.stringify({ window: 65_536, resume: { session, received: 0 } });
    // "d" has the secret and the id, and gets a session of its own.
    const other = call(b, { "X-Tunnel-Peer-From": "d" });
    const others = new Proofs(Buffer.from(secret), await termsOf(other, b));
    other.send(others.sign("dialer", resume));
    const [given] = await once(other, "message");
    expect(JSON.parse(others.open(String(given), "answer") as string)).not.toHaveProperty("resumed");
    // "c" goes on, and its first link is cut.
    const gone = closeOf(first);
    const again = call(b, { "X-Tunnel-Peer-From": "c" });
    const own = new Proofs(Buffer.from(secret), await termsOf(again, b));
    again.send(own.sign("dialer", resume));
    const [resumed] = await once(again, "message");
    expect(JSON.parse(own.open(String(resumed), "answer") as string)).toMatchObject({
      session,
      resumed: { received: 0 },
    });
    expect(await gone).toMatch(/^1006/);
    // An offset that was never sent ends this link, and nothing else.
    const wrong = call(b, { "X-Tunnel-Peer-From": "c" });
    const wrongs = new Proofs(Buffer.from(secret), await termsOf(wrong, b));
    wrong.send(wrongs.sign("dialer", resume.replace('"received":0', '"received":99')));
    expect(await closeOf(wrong)).toMatch(/^1002 acknowledged offset 99/);
    expect(again.readyState).toBe(WebSocket.OPEN);
  });
});

describe("strangers at the peer port", () => {
  it.each([
    ["random bytes", randomBytes(4_096)],
    ["a handshake of TLS", Buffer.from("160301020001000100", "hex")],
    ["a page's request", "GET / HTTP/1.1\r\nHost: x\r\n\r\n"],
    ["a body", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nabc"],
    ["a body that waits", "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n"],
    ["what nobody expects", "POST / HTTP/1.1\r\nHost: x\r\nExpect: more\r\nContent-Length: 9\r\n\r\n"],
    ["a proxy's request", "CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n"],
    [
      "an upgrade to something else",
      `GET ${peerPath} HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n`,
    ],
    ["many requests", "GET / HTTP/1.1\r\nHost: x\r\n\r\n".repeat(100)],
    ["a head without an end", `GET / HTTP/1.1\r\nX: ${"x".repeat(9_000)}`],
  ])("are sent away with %s", async (_what, bytes) => {
    const a = await relay("a");
    const socket = await stranger(a);
    const answer = answerOn(socket);
    socket.write(bytes);
    expect(await answer).toMatch(
      /^(HTTP\/1.1 4\d\d [^\r]+\r\nConnection: close\r\nContent-Length: 0\r\n\r\n)?$/,
    );
    await a.log.line(/connection to the peer port refused/);
    a.links.setNodes([(await relay("b")).info]);
    await a.linked("b");
  });

  it("are cut off with a handshake that is too long, or no text", async () => {
    const a = await relay("a");
    const long = call(a);
    await once(long, "open");
    long.send("x".repeat(1_000_000));
    expect(await closeOf(long)).toBe("1008 the handshake has failed");
    const fragments = call(a);
    await once(fragments, "open");
    for (let i = 0; i < 1_000; i += 1) fragments.send("x".repeat(1_000), { fin: false });
    expect(await closeOf(fragments)).toBe("1008 the handshake has failed");
    const binary = call(a);
    await once(binary, "open");
    binary.send(Buffer.alloc(10));
    expect(await closeOf(binary)).toBe("1008 the handshake has failed");
  });

  it("fill no memory after they were refused", async () => {
    const a = await relay("a", { handshakeTimeoutMs: 60_000 });
    const refused = call(a);
    await once(refused, "open");
    const socket = (refused as unknown as { _socket: Socket })._socket;
    // This one hears nothing that it is told.
    socket.removeAllListeners("data").removeAllListeners("end");
    socket.allowHalfOpen = true;
    const gone = new Promise((resolve) => socket.once("close", resolve));
    let sent = 0;
    // One long message, as large as a link may carry.
    const head = Buffer.from([0x82, 0xff, 0, 0, 0, 0, 0, 0xff, 0, 0, 0, 0, 0, 0]);
    const more = (): void => {
      if (socket.destroyed || sent > 15_000_000) return;
      sent += 65_536;
      socket.write(Buffer.alloc(65_536), () => setImmediate(more));
    };
    socket.on("error", () => {});
    socket.write(head, more);
    await gone;
    // What the system's buffers take beside the mebibyte that a relay reads.
    expect(sent).toBeLessThan(12_000_000);
  });

  it("have no time", async () => {
    const a = await relay("a", { handshakeTimeoutMs: 300 });
    const silent = await stranger(a);
    const slow = await stranger(a);
    const timer = setInterval(() => slow.write("x"), 20);
    closing({ close: () => clearInterval(timer) });
    slow.write("GET / HTTP/1.1\r\nX: ");
    const upgraded = call(a);
    await Promise.all([answerOn(silent), answerOn(slow), closeOf(upgraded)]);
    await a.log.line(/refused.*no handshake in time/);
  });

  it("do not keep relays out, however many there are", async () => {
    const [a, b] = [await relay("a"), await relay("b")];
    const port = portOf(b.address);
    let open = 0;
    const sockets = Array.from({ length: 3_000 }, () => {
      const socket = connect(port, "127.0.0.1", () => {
        open += 1;
        socket.write(`GET ${peerPath} HTTP/1.1\r\nHost: x\r\n`);
      });
      socket.on("error", () => {});
      socket.once("close", () => (open -= 1));
      return socket;
    });
    closing({ close: () => sockets.forEach((socket) => socket.destroy()) });
    await Promise.all(sockets.map((socket) => once(socket, "connect")));
    a.links.setNodes([b.info]);
    expect((await request(await a.linked("b"), Buffer.from("x"))).status).toBe(200);
    await b.log.line(/too many connections without a handshake/);
    await vi.waitUntil(() => open <= 1_024);
    // A line a second, and not one for each.
    expect(b.log.matching(/too many connections/).length).toBeLessThan(20);
  });
});
