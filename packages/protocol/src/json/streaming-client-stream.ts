import type { ResetCode } from "../errors.js";
import type { ResponseHead } from "../tunnel.js";
import { ClientStream, relayTimeoutMs } from "./client-stream.js";
import { writeChunk, writeError, writeHead } from "./messages.js";

/** Largest piece of a 0.2 body in one message, in bytes before base64: as in the original. */
const maxChunkBytes = 64 * 1024;
/** How long a response may take from its head to its end to leave in one write, in milliseconds. */
const gatherMs = 100;
/** The longest response that leaves in one write, in bytes of its messages. */
const maxGatheredBytes = 1024 * 1024;
/** The same limit while the session may hold no more back. */
const leastGatheredBytes = 16 * 1024;

/** Texts that an original relay shows the visitor, after `upstream error: `. */
const failureTexts: Record<ResetCode, string> = {
  no_error: "there is no answer",
  cancelled: "the request was given up",
  upstream_unreachable: "the local service cannot be reached",
  upstream_failed: "the local service broke off its answer",
  upstream_timeout: "the local service has not answered in time",
  body_too_large: "the answer is too large",
  bad_message: "the request or its answer cannot be passed on",
  refused: "the client takes no new requests",
  overloaded: "the client has too much to do",
  internal: "the client failed",
  session_lost: "the client has lost its connection",
};

/**
 * 0.2: a response is a head, chunks, and a last chunk. The original relay forgets to end its answer, unless
 * it reads the last chunk together with the head (JSON-WIRE.md, "Bodies"). So a response is held back for a
 * moment, and leaves in one write if it is complete by then.
 */
export class StreamingClientStream extends ClientStream {
  /** Messages that wait for the end of the response; undefined once it goes piece by piece. */
  #gathered: string[] | undefined = [];
  #gatheredBytes = 0;
  #gatherTimer: NodeJS.Timeout | undefined;

  override sendHead(head: ResponseHead, end = false): void {
    if (this.state !== "waiting") return;
    const headers = this.headersToWire(head);
    if (headers === undefined) return;
    this.stopTimer();
    this.state = "streaming";
    this.#gatherTimer = this.after(gatherMs, () => this.#release());
    this.#put(writeHead(this.wireId, head.status, headers));
    if (end) this.end();
  }

  override write(chunk: Buffer): boolean {
    if (this.state !== "streaming") return true;
    let more = true;
    for (let at = 0; at < chunk.length; at += maxChunkBytes) {
      more = this.#put(writeChunk(this.wireId, chunk.subarray(at, at + maxChunkBytes), false));
    }
    return more;
  }

  override end(): void {
    if (this.state === "finished") return;
    if (this.state === "waiting") {
      this.cut("internal", "The response ended before it had a head");
      return;
    }
    this.#putLast(writeChunk(this.wireId, Buffer.alloc(0), true));
    this.finish();
  }

  /** Also after the head: the original relay then breaks its answer off, which is what should happen. */
  protected override sendFailure(code: ResetCode): void {
    this.#putLast(writeError(this.wireId, failureTexts[code]));
  }

  protected override expire(): void {
    this.cut("upstream_timeout", `No head of a response in ${relayTimeoutMs} ms, when a 0.2 relay gives up`);
  }

  protected override finish(): void {
    clearTimeout(this.#gatherTimer);
    this.#gathered = undefined;
    super.finish();
  }

  #put(message: string): boolean {
    if (this.#gathered === undefined) return this.send(message);
    this.#gathered.push(message);
    this.#gatheredBytes += message.length;
    const most = this.mayHoldBack() ? maxGatheredBytes : leastGatheredBytes;
    const mayWait = this.keep(message.length) && this.#gatheredBytes <= most;
    return mayWait || this.#release();
  }

  #putLast(message: string): void {
    if (this.#gathered === undefined) this.send(message);
    else {
      this.#gathered.push(message);
      this.#release();
    }
  }

  /** Sends the gathered messages. Later ones leave as they come. */
  #release(): boolean {
    const gathered = this.#gathered ?? [];
    this.#gathered = undefined;
    clearTimeout(this.#gatherTimer);
    this.keep(-this.#gatheredBytes);
    return this.send(...gathered);
  }
}
