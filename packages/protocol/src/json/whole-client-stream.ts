import type { ResetCode } from "../errors.js";
import type { ResponseHead } from "../tunnel.js";
import { ClientStream, relayTimeoutMs } from "./client-stream.js";
import { writeWhole } from "./messages.js";

/** Largest 0.1 body, in bytes: the default limit of an original relay, and less than its WebSocket takes. */
const maxWholeBytes = 10 * 1024 * 1024;

/** 0.1: the response is collected and leaves as one message. */
export class WholeClientStream extends ClientStream {
  #head: ResponseHead | undefined;
  #body: Buffer[] = [];
  #bodyBytes = 0;

  override sendHead(head: ResponseHead, end = false): void {
    if (this.state !== "waiting") return;
    this.#head = head;
    this.state = "streaming";
    if (end) this.end();
  }

  override write(chunk: Buffer): boolean {
    if (this.state !== "streaming") return true;
    this.#body.push(chunk);
    this.#bodyBytes += chunk.length;
    if (this.#bodyBytes > maxWholeBytes) {
      this.cut(
        "body_too_large",
        `The response is over ${maxWholeBytes} bytes, and a 0.1 relay takes it whole`,
      );
      return true;
    }
    // A complete response goes to the link at once. So the writer waits for room on the link before more
    // responses become complete.
    return !this.hold(chunk.length) || this.send();
  }

  override end(): void {
    if (this.state === "finished") return;
    if (this.#head === undefined) {
      this.cut("internal", "The response ended before it had a head");
      return;
    }
    const headers = this.headersToWire(this.#head);
    if (headers === undefined) return;
    this.send(writeWhole(this.wireId, this.#head.status, headers, Buffer.concat(this.#body)));
    this.finish();
  }

  protected override sendFailure(code: ResetCode): void {
    const text = code === "body_too_large" ? "tunnel response body too large" : "upstream error";
    this.send(writeWhole(this.wireId, 502, {}, Buffer.from(text)));
  }

  protected override expire(): void {
    this.cut("upstream_timeout", `No whole response in ${relayTimeoutMs} ms, when a 0.1 relay gives up`);
  }

  protected override finish(): void {
    this.#body = [];
    super.finish();
  }
}
