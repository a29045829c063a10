import { Duplex } from "node:stream";
import type { Socket } from "node:net";
import { maxTimerMs } from "mcp-tunnel-protocol";

/** What a side holds before the other has to wait, in bytes: that of Node's sockets since version 22. */
const highWaterBytes = 65_536;

type Callback = (error?: Error | null) => void;

/**
 * Makes a connection within this process, of which each side is to its user what a TCP socket would be.
 * `isEncrypted`: the server is to take it for one with TLS.
 */
export function connectionPair(isEncrypted: boolean): { readonly client: Socket; readonly server: Socket } {
  const client = new InProcessSocket(isEncrypted);
  const server = new InProcessSocket(isEncrypted);
  client.connectTo(server);
  server.connectTo(client);
  // What HTTP libraries use of a Socket is there; what it has of an operating system's is not.
  return { client: client as unknown as Socket, server: server as unknown as Socket };
}

/**
 * One side. What is written arrives in a later turn, as it does through a kernel: libraries do not expect an
 * answer from within their own call. It is copied on its way, as a kernel would do: the writer may use its
 * memory again, and the reader change what it got.
 */
class InProcessSocket extends Duplex {
  /** True, as `tls.TLSSocket` has it, where the visitor came with TLS; frameworks take the scheme from it. */
  readonly encrypted: true | undefined;
  /** Where a forwarder on this machine would be: what a service says of proxies and of loopback holds. */
  readonly remoteAddress = "127.0.0.1";
  readonly remoteFamily = "IPv4";
  readonly remotePort = 0;
  readonly localAddress = "127.0.0.1";
  readonly localFamily = "IPv4";
  readonly localPort = 0;
  readonly connecting = false;
  bytesRead = 0;
  bytesWritten = 0;
  /** Of `setTimeout`, in milliseconds; undefined: none. */
  timeout: number | undefined;
  #timer: NodeJS.Timeout | undefined;
  #peer: InProcessSocket | undefined;
  /** Tells the other side that there is room again for what it writes. */
  #onRoom: Callback | undefined;
  /** The other side has all that this one will ever say, and knows it. */
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

  /** Ends, and is gone once all that was written has left. */
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

  /** As with TCP: who closes without having read everything resets the connection, who has, ends it. */
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

/** A copy. */
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
