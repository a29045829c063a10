import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { bytesAt } from "../support/bytes.js";

/** The service of the scripted exchanges. All its answers are always the same, byte for byte. */
export async function startScriptedService(): Promise<{ port: number; close(): Promise<void> }> {
  const server = createServer((req, res) => {
    // The Date is the one field that would change from run to run.
    res.sendDate = false;
    const [, route, argument] = (req.url ?? "").split("/");
    if (route === "echo") req.pipe(res);
    else if (route === "events") {
      res.setHeader("content-type", "text/event-stream");
      let sent = 0;
      const send = (): void => {
        sent += 1;
        res.write(`id: ${sent}\ndata: ${"x".repeat(sent)}\n\n`);
        if (sent < Number(argument)) {
          setImmediate(send);
          return;
        }
        res.addTrailers({ "x-count": String(sent) });
        res.end();
      };
      res.writeHead(200, { trailer: "x-count" });
      send();
    } else {
      const body = bytesAt(0, Number(argument));
      res.writeHead(200, { "content-length": body.length, etag: '"fixed"' }).end(body);
    }
  });
  server.on("upgrade", (req, socket: Socket, head) => {
    socket.on("error", () => {});
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${req.headers.upgrade}\r\n\r\n`,
    );
    socket.write(head);
    socket.pipe(socket);
  });
  return { port: await listening(server), close: () => closed(server) };
}

async function listening(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

async function closed(server: Server): Promise<void> {
  server.close();
  server.closeAllConnections();
  await once(server, "close");
}

/** The number of bytes in one run of the script. */
export interface ScriptSizes {
  download: number;
  upload: number;
  events: number;
  upgraded: number;
}

/**
 * Runs the script against the tunnel `demo`: a download, an upload that comes back, an event stream with
 * trailers and an upgraded connection, all at once. Returns the bytes that the visitors received, in an order
 * that does not depend on time. `progress` gets the number of bytes that each visitor has received so far.
 */
export async function runScript(
  relayPort: number,
  sizes: ScriptSizes,
  progress: string[] = [],
): Promise<string[]> {
  const get = (path: string): string =>
    `GET ${path} HTTP/1.1\r\nHost: demo.localhost\r\nConnection: close\r\n\r\n`;
  const upload = bytesAt(7, sizes.upload);
  const report = (i: number, name: string) => (bytes: number) => {
    progress[i] = `${name} ${bytes}`;
  };
  const received = await Promise.all([
    exchange(relayPort, report(0, "download"), [get(`/bytes/${sizes.download}`)]),
    exchange(relayPort, report(1, "upload"), [
      `POST /echo HTTP/1.1\r\nHost: demo.localhost\r\nConnection: close\r\nContent-Length: ${upload.length}\r\n\r\n`,
      upload.subarray(0, upload.length >> 1),
      upload.subarray(upload.length >> 1),
    ]),
    exchange(relayPort, report(2, "events"), [get(`/events/${sizes.events}`)]),
    upgraded(relayPort, report(3, "upgraded"), bytesAt(3, sizes.upgraded)),
  ]);
  return received.map(normalized);
}

/**
 * Sends the pieces one after the other. Returns all bytes that came back until the relay ended the
 * connection.
 */
async function exchange(
  port: number,
  report: (bytes: number) => void,
  pieces: readonly (string | Buffer)[],
): Promise<Buffer> {
  const socket = connect({ port, host: "127.0.0.1" });
  const chunks: Buffer[] = [];
  report(0);
  socket.on("data", (chunk) => {
    chunks.push(chunk);
    report(socket.bytesRead);
  });
  // Listens now: a refusal may have come, and its connection have ended, before the last piece is sent.
  const closed = once(socket, "close");
  closed.catch(() => {});
  for (const piece of pieces) {
    socket.write(piece);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await closed;
  return Buffer.concat(chunks);
}

/** Upgrades, sends `bytes` when it may, and ends its direction when all of them have come back. */
async function upgraded(port: number, report: (bytes: number) => void, bytes: Buffer): Promise<Buffer> {
  const socket = connect({ port, host: "127.0.0.1" });
  socket.write(
    "GET /upgrade HTTP/1.1\r\nHost: demo.localhost\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n",
  );
  let received = Buffer.alloc(0);
  let sent = false;
  report(0);
  socket.on("data", (chunk: Buffer) => {
    report(socket.bytesRead);
    received = Buffer.concat([received, chunk]);
    const end = received.indexOf("\r\n\r\n");
    if (end === -1) return;
    if (!sent) socket.write(bytes);
    sent = true;
    if (received.length === end + 4 + bytes.length) socket.end();
  });
  await once(socket, "close");
  return received;
}

/** The head without its date, and the body without the borders of its chunks, which depend on time. */
function normalized(received: Buffer): string {
  const text = received.toString("latin1");
  const end = text.indexOf("\r\n\r\n") + 4;
  const head = text
    .slice(0, end)
    .replace(/^Date: .*\r\n/im, "")
    .replace(/^X-Request-Id: .*\r\n/im, "");
  const body = text.slice(end);
  return head + (/^transfer-encoding: chunked/im.test(head) ? dechunked(body) : body);
}

function dechunked(body: string): string {
  let result = "";
  for (let at = 0; ; ) {
    const lineEnd = body.indexOf("\r\n", at);
    const length = Number.parseInt(body.slice(at, lineEnd), 16);
    if (!(length >= 0)) throw new Error(`no chunk at byte ${at} of ${body.length}`);
    at = lineEnd + 2;
    // The trailers follow the last chunk.
    if (length === 0) return `${result}\n--\n${body.slice(at)}`;
    result += body.slice(at, at + length);
    at += length + 2;
  }
}
