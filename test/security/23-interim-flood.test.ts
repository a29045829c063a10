import { once } from "node:events";
import { connect as connectHttp2, type IncomingHttpHeaders } from "node:http2";
import { connect as connectTcp, createServer, type AddressInfo, type Socket } from "node:net";
import { connect } from "node:tls";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { END, frame, types } from "../../packages/protocol/test/support/wire.js";
import { closingAfterEach } from "../support/cleanup.js";
import { memoryRise, tellsMemory } from "../support/memory.js";
import { secureDomain, type SecureRelay, startSecureRelay } from "../support/secure.js";
import { RawPeer } from "./support/raw-peers.js";

/**
 * The attack: a tunnel may send interim heads (1xx) to a visitor as often as it likes, and no window holds
 * them back, neither the tunnel's nor HTTP/2's. Nothing else has that freedom. A client sends a few hundred
 * megabytes of them to visitors who read nothing. All of these bytes have to wait somewhere, and that was the
 * relay's memory.
 *
 * The defence: interim heads are optional. For each response, the relay bounds the heads that the visitor has
 * not taken, and drops the rest. The exchange goes on as if they had not been sent.
 */
const close = closingAfterEach();
const mebibyte = 1_048_576;
let secure: SecureRelay;
beforeAll(async () => {
  secure = await startSecureRelay();
});
afterAll(() => secure.close());

/** A client in the hands of the test. */
async function connectClient(name: string): Promise<RawPeer> {
  const ws = new WebSocket(`wss://127.0.0.1:${secure.port}/_tunnel/register`, { rejectUnauthorized: false });
  const peer = new RawPeer(ws);
  await once(ws, "open");
  ws.send(JSON.stringify({ token: "t", subdomain: name, protocol: [1] }));
  await once(ws, "message");
  return close(peer);
}

/** Sends the frames again and again, `bytes` in all, and waits until the relay has dealt with them. */
async function flood(client: RawPeer, frames: Buffer, bytes: number): Promise<void> {
  const times = Math.ceil(bytes / frames.length);
  for (let i = 0; i < times; i++) client.send(frames);
  const sent = BigInt(frames.length * times);
  await client.until((heard) =>
    heard.find(({ type, payload }) => type === types.ACK && payload.readBigUInt64BE(0) >= sent),
  );
}

/** About a megabyte: the frame for each of these streams in turn. */
function megabyteOf(payload: string, streams: readonly number[]): Buffer {
  const turn = Buffer.concat(streams.map((stream) => frame(types.INTERIM, stream, payload)));
  return Buffer.alloc(Math.ceil(mebibyte / turn.length) * turn.length, turn);
}

/** A gate between visitors and the relay. While it is shut it passes nothing on, so that nobody reads. */
interface Gate {
  readonly port: number;
  shut(): void;
  open(): void;
}

async function startGate(): Promise<Gate> {
  const pairs: [Socket, Socket][] = [];
  const server = createServer((visitor) => {
    const relay = connectTcp(secure.port, "127.0.0.1");
    for (const socket of [visitor, relay]) socket.on("error", () => {});
    visitor.pipe(relay).pipe(visitor);
    pairs.push([visitor, relay]);
  });
  close({
    close() {
      server.close();
      for (const socket of pairs.flat()) socket.destroy();
    },
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    shut() {
      for (const [visitor, relay] of pairs) relay.unpipe(visitor).pause();
    },
    open() {
      for (const [visitor, relay] of pairs) relay.pipe(visitor);
    },
  };
}

/** A visitor's requests, through a gate. */
interface Visitor {
  readonly gate: Gate;
  /** The status of the answer to the first request. */
  readonly status: Promise<number>;
}

async function visitHttp2(name: string, requests: number): Promise<Visitor> {
  const gate = await startGate();
  const session = connectHttp2(`https://${name}.${secureDomain}`, {
    createConnection: () =>
      connect({ host: "127.0.0.1", port: gate.port, rejectUnauthorized: false, ALPNProtocols: ["h2"] }),
  });
  session.on("error", () => {});
  close({ close: () => session.destroy() });
  await once(session, "remoteSettings");
  const streams = Array.from({ length: requests }, () => session.request({ ":path": "/" }));
  for (const stream of streams) stream.on("error", () => {}).resume();
  const response = once(streams[0] as (typeof streams)[0], "response");
  return {
    gate,
    status: response.then(([head]) => (head as IncomingHttpHeaders & { ":status": number })[":status"]),
  };
}

async function visitHttp1(name: string, requests: number): Promise<Visitor> {
  const gate = await startGate();
  const visits = Array.from({ length: requests }, () => {
    const socket = connect({ host: "127.0.0.1", port: gate.port, rejectUnauthorized: false });
    close({ close: () => socket.destroy() });
    socket.on("error", () => {});
    socket.write(`GET / HTTP/1.1\r\nHost: ${name}.${secureDomain}\r\n\r\n`);
    return socket.setEncoding("latin1");
  });
  const status = new Promise<number>((resolve) => {
    let received = "";
    visits[0]?.on("data", (text: string) => {
      received += text;
      const [, found] = /HTTP\/1.1 ([2-5]\d\d) /.exec(received) ?? [];
      if (found !== undefined) resolve(Number(found));
    });
  });
  return { gate, status };
}

const ways: [string, (name: string, requests: number) => Promise<Visitor>][] = [
  ["HTTP/2", visitHttp2],
  ["HTTP/1.1 and TLS", visitHttp1],
];

describe.skipIf(!tellsMemory).each(ways)("over %s", (way, visit) => {
  const heads: [string, string][] = [
    ["small", "103"],
    ["of 4 KB", `103\nLink\n${"x".repeat(4_000)}`],
    ["as large as they may be", `103\nLink\n${"x".repeat(262_000)}`],
  ];

  it.each(heads)("heads %s that visitors do not read cost no memory, nor the exchange", async (_, head) => {
    const name = `flood-${head.length}-${way.length}`;
    const client = await connectClient(name);
    const requests = 20;
    const visitor = await visit(name, requests);
    await client.until((frames) =>
      frames.filter(({ type }) => type === types.REQUEST).length === requests ? true : undefined,
    );
    visitor.gate.shut();
    const streams = Array.from({ length: requests }, (__, i) => i + 1);
    const [rise] = await memoryRise([secure.relay.pid], () =>
      flood(client, megabyteOf(head, streams), (head.length < 100 ? 24 : 128) * mebibyte),
    );
    expect(rise).toBeLessThan(96 * mebibyte);
    visitor.gate.open();
    for (const stream of streams) client.send(frame(types.RESPONSE | END, stream, "200"));
    expect(await visitor.status).toBe(200);
  });
});

it("a visitor that waits for a 100 gets it, however many others came before", async () => {
  const client = await connectClient("waiting");
  const socket = connect({ host: "127.0.0.1", port: secure.port, rejectUnauthorized: false });
  close({ close: () => socket.destroy() });
  let received = "";
  socket.setEncoding("latin1").on("data", (text: string) => {
    received += text;
  });
  socket.write(
    `POST / HTTP/1.1\r\nHost: waiting.${secureDomain}\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n`,
  );
  await client.next("REQUEST");
  await flood(client, megabyteOf("102", [1]), mebibyte);
  client.send(frame(types.INTERIM, 1, "100"));
  while (!received.includes("100 Continue")) await once(socket, "data");
  // The visitor does not get all of the 95,000.
  expect(received.match(/ 102 /g)?.length).toBeLessThanOrEqual(10_000);
  socket.write("ok");
  expect((await client.next("DATA")).payload.toString()).toBe("ok");
  client.answer(1, "fine");
  while (!received.endsWith("fine")) await once(socket, "data");
  expect(received).toContain("HTTP/1.1 200 OK");
});
