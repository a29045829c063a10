/**
 * The bytes of an HTTP/2 visitor who asks `count` times for `path` of `host` and does nothing else (RFC 9113
 * section 3.4).
 */
export function http2Requests(host: string, path: string, count: number): Buffer {
  const block = Buffer.concat([
    field(":method", "GET"),
    field(":scheme", "https"),
    field(":authority", host),
    field(":path", path),
  ]);
  // END_STREAM and END_HEADERS; a visitor's streams have odd numbers.
  const requests = Array.from({ length: count }, (_, i) => frame(0x01, 0x05, 2 * i + 1, block));
  const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  return Buffer.concat([preface, frame(0x04, 0, 0, Buffer.alloc(0)), ...requests]);
}

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(9);
  header.writeUIntBE(payload.length, 0, 3);
  header.writeUInt8(type, 3);
  header.writeUInt8(flags, 4);
  header.writeUInt32BE(stream, 5);
  return Buffer.concat([header, payload]);
}

/** A field without compression (RFC 7541 section 6.2.2). Its lengths are below 127. */
function field(name: string, value: string): Buffer {
  return Buffer.from(
    `\0${String.fromCharCode(name.length)}${name}${String.fromCharCode(value.length)}${value}`,
  );
}
