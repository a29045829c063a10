import { Duplex } from "node:stream";
import type { Socket } from "node:net";
import { maxTimerMs } from "mcp-tunnel-protocol";

/** Bytes that a side holds before the other side has to wait, as with Node's sockets since version 22. */
const highWaterBytes = 65_536;

type Callback = (error?: Error | null) => void;

/**
 * Makes a connection within this process. To its user each side is like a TCP socket. `isEncrypted`: the
 * server is to take it for a connection with TLS.
 */
export function connectionPair(isEncrypted: boolean): { readonly client: Socket; readonly server: Socket } {
  const client = new InProcessSocket(isEncrypted);
  const server = new InProcessSocket(isEncrypted);
  client.connectTo(server);
  server.connectTo(client);
  // Each side has what HTTP libraries use of a Socket. It has nothing that only an operating system's socket
  // has.
  return { client: client as unknown as Socket, server: server as unknown as Socket };
}

/**
 * One side of a connection. Bytes arrive in a later turn, as through a kernel, because libraries do not
 * expect an answer from within their own call. Bytes are copied on their way, as a kernel would do: the
 * writer may use its memory again, and the reader may change the bytes that it got.
 */
class InProcessSocket extends Duplex {
  /** True, as with `tls.TLSSocket`, if the visitor came with TLS. Frameworks take the scheme from it. */
  readonly encrypted: true | undefined;
  /**
   * The address of a forwarder on this machine, so that a service's settings for proxies and for loopback
   * hold.
   */
  readonly remoteAddress = "127.0.0.1";
  readonly remoteFamily = "IPv4";
  readonly remotePort = 0;
  readonly localAddress = "127.0.0.1";
  readonly localFamily = "IPv4";
  readonly localPort = 0;
  readonly connecting = false;
  bytesRead = 0;
  bytesWritten = 0;
  /** The time of `setTimeout`, in milliseconds; undefined if there is none. */
  timeout: number | undefined;
  #timer: NodeJS.Timeout | undefined;
  #peer: InProcessSocket | undefined;
  /** Tells the other side that there is room again for its bytes. */
  #onRoom: Callback | undefined;
  /** The other side has been told that this side has ended or reset the connection. */
  #hasEnded = false;

  constructor(isEncrypted: boolean) {
    // Each direction ends by itself, as with the sockets of an HTTP server.
    super({ highWaterMark: highWaterBytes, decodeStrings: false, allowHalfOpen: true });
    this.encrypted = isEncrypted ? true : undefined;
  }

  connectTo(peer: InProcessSocket): void {
    this.#peer = peer;
  }

  // ---- what sockets have beside streams

  setTimeout(ms: number, listener?: () => void): this {
    if (this.destroyed) return this;
    clearTimeout(this.#timer);
    this.timeout = ms;
    const delayMs = Math.min(ms, maxTimerMs);
    this.#timer = ms > 0 ? setTimeout(() => this.emit("timeout"), delayMs).unref() : undefined;
    if (listener !== undefined) {
      if (ms > 0) this.once("timeout", listener);
      else this.off("timeout", listener);
    }
    return this;
  }

  address(): { address: string; family: string; port: number } {
    return { address: this.localAddress, family: this.localFamily, port: this.localPort };
  }

  get pending(): boolean {
    return false;
  }

  get readyState(): string {
    if (this.readable) return this.writable ? "open" : "readOnly";
    return this.writable ? "writeOnly" : "closed";
  }

  setNoDelay(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  /** Ends this side, and destroys it once all written bytes have left. */
  destroySoon(): void {
    if (this.writable) this.end();
    if (this.writableFinished) this.destroy();
    else this.once("finish", () => this.destroy());
  }

  resetAndDestroy(): this {
    if (!this.destroyed) this.#reset();
    return this.destroy();
  }

  // ---- the connection

  override _write(chunk: string | Buffer, encoding: BufferEncoding, callback: Callback): void {
    this.#send(bytesOf(chunk, encoding), callback);
  }

  override _writev(
    chunks: readonly { readonly chunk: string | Buffer; readonly encoding: BufferEncoding }[],
    callback: Callback,
  ): void {
    this.#send(Buffer.concat(chunks.map(({ chunk, encoding }) => bytesOf(chunk, encoding))), callback);
  }

  #send(bytes: Buffer, callback: Callback): void {
    this.#timer?.refresh();
    this.bytesWritten += bytes.length;
    process.nextTick(deliver, this.#peer, bytes, callback);
  }

  /** Bytes of the other side. */
  receive(bytes: Buffer, callback: Callback): void {
    if (this.destroyed) {
      callback(ioError("EPIPE", "write EPIPE"));
      return;
    }
    this.#timer?.refresh();
    this.bytesRead += bytes.length;
    if (this.push(bytes)) callback();
    // Its user took offence at the bytes, within the push.
    else if (this.destroyed) callback(ioError("EPIPE", "write EPIPE"));
    else this.#onRoom = callback;
  }

  override _read(): void {
    const onRoom = this.#onRoom;
    this.#onRoom = undefined;
    onRoom?.();
  }

  override _final(callback: Callback): void {
    this.#end();
    callback();
  }

  /**
   * As with TCP, a side that closes without having read everything resets the connection. Otherwise it ends
   * the connection.
   */
  override _destroy(error: Error | null, callback: Callback): void {
    clearTimeout(this.#timer);
    const onRoom = this.#onRoom;
    this.#onRoom = undefined;
    const isUnread = this.readableLength > 0 || onRoom !== undefined;
    if (isUnread) this.#reset();
    else this.#end();
    onRoom?.(ioError("EPIPE", "write EPIPE"));
    callback(error);
  }

  #end(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    process.nextTick(endReading, this.#peer);
  }

  #reset(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    process.nextTick(reset, this.#peer);
  }
}

/** Copies a chunk. */
function bytesOf(chunk: string | Buffer, encoding: BufferEncoding): Buffer {
  return typeof chunk === "string" ? Buffer.from(chunk, encoding) : Buffer.from(chunk);
}

function deliver(to: InProcessSocket, bytes: Buffer, callback: Callback): void {
  to.receive(bytes, callback);
}

function endReading(side: InProcessSocket): void {
  if (!side.destroyed) side.push(null);
}

function reset(side: InProcessSocket): void {
  side.destroy(ioError("ECONNRESET", "read ECONNRESET"));
}

function ioError(code: string, message: string): Error {
  return Object.assign(new Error(message), { code, syscall: message.split(" ", 1)[0] });
}
