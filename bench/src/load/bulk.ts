// Large bodies both ways over plain sockets. An HTTP client library would spend more on them than the proxies
// do, and wrk reads 8 KiB at a time.
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import type { Endpoint } from "../endpoint.js";

/** A system whose uploads stand still for this long has failed. */
const stallMs = 10_000;

/** One buffer for all reads of a connection: the bytes are counted and forgotten. */
const readBufferBytes = 262_144;

/** Runs `connections` downloads, each again and again, until `stop` is called. */
export class Downloads {
  /** Body bytes that have arrived. */
  bytes = 0;
  readonly #workers: DownloadWorker[] = [];
  /** Resolves when `wanted` bytes have arrived. */
  readonly complete: Promise<void>;
  readonly failed: Promise<never>;

  constructor(endpoint: Endpoint, path: string, connections: number, wanted = Number.POSITIVE_INFINITY) {
    let resolve: () => void = () => {};
    this.complete = new Promise((done) => (resolve = done));
    for (let i = 0; i < connections; i++) {
      this.#workers.push(
        new DownloadWorker(endpoint, path, (bytes) => {
          this.bytes += bytes;
          if (this.bytes >= wanted) resolve();
        }),
      );
    }
    this.failed = Promise.race(this.#workers.map((worker) => worker.failed));
    this.failed.catch(() => {});
  }

  stop(): void {
    for (const worker of this.#workers) worker.stop();
  }
}

class DownloadWorker {
  readonly failed: Promise<never>;
  readonly #socket: Socket;
  readonly #request: string;
  readonly #onBytes: (bytes: number) => void;
  #reject: (error: Error) => void = () => {};
  /** The head so far, while one is being read. */
  #head = "";
  #missing = 0;
  #stopped = false;

  constructor(endpoint: Endpoint, path: string, onBytes: (bytes: number) => void) {
    this.#onBytes = onBytes;
    this.#request = `GET ${path} HTTP/1.1\r\nHost: ${endpoint.host}\r\n\r\n`;
    this.failed = new Promise((_resolve, reject) => (this.#reject = reject));
    this.#socket = connect({
      port: endpoint.port,
      host: "127.0.0.1",
      onread: {
        buffer: Buffer.allocUnsafe(readBufferBytes),
        callback: (bytes, buffer) => {
          this.#onRead(buffer.subarray(0, bytes) as Buffer);
          return true;
        },
      },
    });
    this.#socket.write(this.#request);
    this.#socket.on("error", (error) => this.#fail(error));
    this.#socket.on("close", () => this.#fail(new Error("the connection was closed in mid-download")));
  }

  #fail(error: Error): void {
    if (!this.#stopped) this.#reject(error);
  }

  stop(): void {
    this.#stopped = true;
    this.#socket.destroy();
  }

  #onRead(chunk: Buffer): void {
    let body = chunk.length;
    if (this.#missing === 0) {
      const before = this.#head.length;
      this.#head += chunk.toString("latin1");
      const end = this.#head.indexOf("\r\n\r\n");
      if (end < 0) return;
      this.#missing = lengthOf(this.#head.slice(0, end));
      body -= end + 4 - before;
      this.#head = "";
    }
    this.#missing -= body;
    this.#onBytes(body);
    if (this.#missing === 0) this.#socket.write(this.#request);
  }
}

/** @throws Error unless the head is that of a 200 with a Content-Length. */
function lengthOf(head: string): number {
  const length = /^content-length: *(\d+)$/im.exec(head)?.[1];
  if (!head.startsWith("HTTP/1.1 200") || length === undefined) throw new Error(`no plain 200:\n${head}`);
  return Number(length);
}

/** Bytes per second of body that `connections` uploads send, each again and again for about `seconds`. */
export async function upload(
  endpoint: Endpoint,
  path: string,
  bodyBytes: number,
  connections: number,
  seconds: number,
): Promise<{ bytes: number; bytesPerSecond: number }> {
  const body = Buffer.alloc(bodyBytes, "x");
  const workers = Array.from({ length: connections }, () =>
    uploadWorker(endpoint, path, body, seconds * 1_000),
  );
  const results = await Promise.all(workers);
  return {
    bytes: results.reduce((sum, result) => sum + result.bytes, 0),
    bytesPerSecond: results.reduce((sum, result) => sum + (result.bytes * 1_000) / result.elapsedMs, 0),
  };
}

async function uploadWorker(
  endpoint: Endpoint,
  path: string,
  body: Buffer,
  limitMs: number,
): Promise<{ bytes: number; elapsedMs: number }> {
  const socket = connect(endpoint.port, "127.0.0.1");
  await once(socket, "connect");
  socket.setTimeout(stallMs, () => socket.destroy(new Error(`nothing moved for ${stallMs / 1_000} s`)));
  const head = `POST ${path} HTTP/1.1\r\nHost: ${endpoint.host}\r\nContent-Length: ${body.length}\r\n\r\n`;
  const startedAt = performance.now();
  let bytes = 0;
  let elapsedMs = 0;
  try {
    do {
      socket.write(head);
      socket.write(body);
      await answered(socket);
      bytes += body.length;
      elapsedMs = performance.now() - startedAt;
    } while (elapsedMs < limitMs);
  } finally {
    socket.destroy();
  }
  return { bytes, elapsedMs };
}

/** Resolves when a whole answer has arrived: a head and a short body. */
function answered(socket: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    let text = "";
    const done = (error?: Error): void => {
      socket.off("data", onData).off("error", done).off("close", onClose);
      if (error === undefined) resolve();
      else reject(error);
    };
    const onClose = (): void => done(new Error("the connection was closed in mid-upload"));
    const onData = (chunk: Buffer): void => {
      text += chunk.toString("latin1");
      const end = text.indexOf("\r\n\r\n");
      if (end < 0) return;
      try {
        if (text.length >= end + 4 + lengthOf(text.slice(0, end))) done();
      } catch (error) {
        done(error as Error);
      }
    };
    socket.on("data", onData).on("error", done).on("close", onClose);
  });
}
