import type { Line } from "./field.js";

/** The request that turns a connection into a WebSocket on which a client may register. */
export const handshake = [
  "GET /_tunnel/register HTTP/1.1",
  "Host: localhost",
  "Connection: Upgrade",
  "Upgrade: websocket",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
  "",
  "",
].join("\r\n");

/** The kinds of WebSocket frames, final and not. */
export const kinds = { text: 0x81, binary: 0x82, ping: 0x89, textBegins: 0x01, continues: 0x00 } as const;

/** A WebSocket frame of a client, masked with zeros. `length` may lie. */
export function message(kind: number, payload: Buffer | string, length?: number): Buffer {
  const bytes = Buffer.from(payload);
  const header = Buffer.alloc(14);
  header[0] = kind;
  header[1] = 0x80 | 127;
  header.writeBigUInt64BE(BigInt(length ?? bytes.length), 2);
  return Buffer.concat([header, bytes]);
}

/** A frame of the tunnel's protocol, in a message of its own. */
export function frame(type: number, stream: number, payload: Buffer | string = ""): Buffer {
  return message(kinds.binary, bareFrame(type, stream, payload));
}

/** The same frame without the message around it. */
export function bareFrame(type: number, stream: number, payload: Buffer | string = ""): Buffer {
  const bytes = Buffer.from(payload);
  const header = Buffer.alloc(8);
  header.writeUInt8(type, 0);
  header.writeUIntBE(bytes.length, 1, 3);
  header.writeUInt32BE(stream, 4);
  return Buffer.concat([header, bytes]);
}

/** Takes the frames of the tunnel's protocol out of the messages of a peer. */
export class FrameReader {
  #rest: Buffer = Buffer.alloc(0);

  /** The frames that these bytes complete. */
  *read(bytes: Buffer): Generator<{ type: number; stream: number; payload: Buffer }> {
    this.#rest = Buffer.concat([this.#rest, bytes]);
    while (this.#rest.length >= 8) {
      const end = 8 + this.#rest.readUIntBE(1, 3);
      if (this.#rest.length < end) return;
      const whole = this.#rest;
      this.#rest = whole.subarray(end);
      yield {
        type: whole.readUInt8(0) & 0x1f,
        stream: whole.readUInt32BE(4),
        payload: whole.subarray(8, end),
      };
    }
  }
}

/** Registers a client that holds `name`, on the wire that `protocol` names. */
export async function register(line: Line, name: string, protocol?: number[]): Promise<void> {
  line.say(handshake);
  if (!(await line.head()).includes(" 101 ")) {
    line.socket.destroy();
    return;
  }
  line.say(message(kinds.text, JSON.stringify({ token: `token of ${name}`, subdomain: name, protocol })));
  // The relay's acknowledgement, or the end of the connection if the relay refused.
  await new Promise<void>((resolve) => {
    line.socket.once("data", () => resolve());
    void line.closed.then(resolve);
  });
}
