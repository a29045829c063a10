/**
 * The frame layout once more, from PROTOCOL.md and without any of `src/v1`, so that a mistake there cannot
 * hide behind itself.
 */

export const types = {
  ACK: 1,
  REQUEST: 2,
  INTERIM: 3,
  RESPONSE: 4,
  DATA: 5,
  END: 6,
  RESET: 7,
  CREDIT: 8,
  BLOCKED: 9,
  GOAWAY: 10,
  REFUSED: 11,
} as const;

export const END = 0x80;
export const UPGRADE = 0x40;

export interface WireFrame {
  type: number;
  flags: number;
  stream: number;
  payload: Buffer;
}

/** A frame's bytes. `type` includes the flags; `length` may lie. */
export function frame(type: number, stream: number, payload: Buffer | string = "", length?: number): Buffer {
  const body = typeof payload === "string" ? Buffer.from(payload, "latin1") : payload;
  const header = Buffer.alloc(8);
  header.writeUInt8(type, 0);
  header.writeUIntBE(length ?? body.length, 1, 3);
  header.writeUInt32BE(stream, 4);
  return Buffer.concat([header, body]);
}

export function ack(offset: number): Buffer {
  const payload = Buffer.alloc(8);
  payload.writeBigUInt64BE(BigInt(offset));
  return frame(types.ACK, 0, payload);
}

export function credit(stream: number, bytes: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(bytes);
  return frame(types.CREDIT, stream, payload);
}

export function reset(stream: number, code: number, message = ""): Buffer {
  const payload = Buffer.alloc(2);
  payload.writeUInt16BE(code);
  return frame(types.RESET, stream, Buffer.concat([payload, Buffer.from(message)]));
}

/** All whole frames in these bytes. */
export function parse(bytes: Buffer): WireFrame[] {
  const frames: WireFrame[] = [];
  let at = 0;
  while (bytes.length - at >= 8) {
    const first = bytes.readUInt8(at);
    const length = bytes.readUIntBE(at + 1, 3);
    if (bytes.length - at - 8 < length) break;
    frames.push({
      type: first & 0x1f,
      flags: first & 0xe0,
      stream: bytes.readUInt32BE(at + 4),
      payload: bytes.subarray(at + 8, at + 8 + length),
    });
    at += 8 + length;
  }
  return frames;
}

const names = new Map(Object.entries(types).map(([name, type]) => [type as number, name]));

/** Frames in words: `DATA+END 7 "text"`; long payloads by their length. */
export function describe(frames: WireFrame[]): string[] {
  return frames.map(({ type, flags, stream, payload }) => {
    const end = (flags & END) === 0 ? "" : "+END";
    const upgrade = (flags & UPGRADE) === 0 ? "" : "+UPGRADE";
    const text = payload.length > 40 ? `${payload.length} bytes` : JSON.stringify(payload.toString("latin1"));
    return `${names.get(type) ?? type}${end}${upgrade} ${stream} ${text}`;
  });
}
