import { once } from "node:events";
import { createServer, type AddressInfo, connect, type Socket } from "node:net";
import { parse, type WireFrame } from "../../packages/protocol/test/support/wire.js";
import type { JsonLine } from "../support/commands.js";

/** What one end has said over one link. */
export interface Said {
  /** The head of its half of the handshake. */
  readonly head: string;
  /** Its messages before the session, in order. */
  readonly texts: readonly JsonLine[];
  /** Its frames of the session, in order. */
  readonly frames: readonly WireFrame[];
}

/** A TCP proxy between a client and its relay that passes everything on and keeps it. */
export interface Recorder {
  readonly port: number;
  /** The connections so far that have become links, in order. */
  links(): { readonly client: Said; readonly relay: Said }[];
  /** Breaks the connections that are open now. */
  cut(): void;
  close(): Promise<void>;
}

/** Starts a recorder on a free port of loopback in front of the relay that listens at `relayPort`. */
export async function startRecorder(relayPort: number): Promise<Recorder> {
  const kept: { client: Buffer[]; relay: Buffer[] }[] = [];
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const relay = connect({ port: relayPort, host: "127.0.0.1", allowHalfOpen: true });
    const connection = { client: [] as Buffer[], relay: [] as Buffer[] };
    kept.push(connection);
    const pass = (from: Socket, to: Socket, pieces: Buffer[]): void => {
      sockets.add(from);
      from.setNoDelay(true);
      from.on("data", (piece: Buffer) => pieces.push(piece));
      from.on("error", () => {});
      from.on("close", () => {
        sockets.delete(from);
        to.destroy();
      });
      from.pipe(to);
    };
    pass(client, relay, connection.client);
    pass(relay, client, connection.relay);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    links: () =>
      kept
        .map(({ client, relay }) => ({ client: Buffer.concat(client), relay: Buffer.concat(relay) }))
        .filter(({ relay }) => relay.toString("latin1", 0, 13) === "HTTP/1.1 101 ")
        .map(({ client, relay }) => ({ client: said(client), relay: said(relay) })),
    cut,
    async close() {
      cut();
      server.close();
      await once(server, "close");
    },
  };
}

/** Reads what one end has sent: a head of HTTP/1.1, then a WebSocket (RFC 6455 section 5.2). */
function said(bytes: Buffer): Said {
  const end = bytes.indexOf("\r\n\r\n");
  const messages = [...webSocketMessages(bytes.subarray(end + 4))];
  const texts = messages.filter(({ opcode }) => opcode === 0x1);
  const binary = messages.filter(({ opcode }) => opcode === 0x2);
  return {
    head: bytes.toString("latin1", 0, end),
    texts: texts.map(({ payload }) => JSON.parse(payload.toString()) as JsonLine),
    frames: parse(Buffer.concat(binary.map(({ payload }) => payload))),
  };
}

/** All whole messages in these bytes. Neither end sends one in fragments. */
function* webSocketMessages(bytes: Buffer): Generator<{ opcode: number; payload: Buffer }> {
  for (let at = 0; bytes.length - at >= 2; ) {
    const first = bytes.readUInt8(at);
    const second = bytes.readUInt8(at + 1);
    const isMasked = (second & 0x80) !== 0;
    const short = second & 0x7f;
    const lengthAt = at + 2;
    const maskAt = lengthAt + (short === 126 ? 2 : short === 127 ? 8 : 0);
    const start = maskAt + (isMasked ? 4 : 0);
    if (bytes.length < start) return;
    let length = short;
    if (short === 126) length = bytes.readUInt16BE(lengthAt);
    else if (short === 127) length = Number(bytes.readBigUInt64BE(lengthAt));
    if (bytes.length < start + length) return;
    if ((first & 0x80) === 0) throw new Error("a message in fragments");
    const mask = bytes.subarray(maskAt, start);
    const payload = Buffer.from(bytes.subarray(start, start + length));
    if (isMasked) for (const [i, byte] of payload.entries()) payload[i] = byte ^ (mask[i % 4] as number);
    yield { opcode: first & 0x0f, payload };
    at = start + length;
  }
}
