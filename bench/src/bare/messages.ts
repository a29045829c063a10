import type { Socket } from "node:net";

const headBytes = 8;

/** A message: its length in four bytes, an id in four, and the payload. */
export function encodeMessage(id: number, payload: Buffer): Buffer {
  const message = Buffer.allocUnsafe(headBytes + payload.length);
  message.writeUInt32BE(payload.length, 0);
  message.writeUInt32BE(id, 4);
  payload.copy(message, headBytes);
  return message;
}

/** Calls back with each message that arrives on a socket. */
export function onMessages(socket: Socket, handle: (id: number, payload: Buffer) => void): void {
  let rest: Buffer | undefined;
  socket.on("data", (chunk: Buffer) => {
    const bytes = rest === undefined ? chunk : Buffer.concat([rest, chunk]);
    let at = 0;
    while (bytes.length - at >= headBytes) {
      const end = at + headBytes + bytes.readUInt32BE(at);
      if (end > bytes.length) break;
      handle(bytes.readUInt32BE(at + 4), bytes.subarray(at + headBytes, end));
      at = end;
    }
    rest = at === bytes.length ? undefined : bytes.subarray(at);
  });
}
