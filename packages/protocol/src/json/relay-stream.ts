import { randomUUID } from "node:crypto";
import { StreamReset, type ResetCode } from "../errors.js";
import { isBodyless } from "../headers.js";
import type { RequestHead, ResponseHead, StreamHandler, TunnelStream } from "../tunnel.js";
import { requestHeadersToWire } from "./headers.js";
import { stalledReader, type StreamIntake } from "./intake.js";
import { base64Bytes, decodeBase64, writeRequest, type Reply } from "./messages.js";

/** The part of a session that its streams use. */
export interface RelayStreamOwner {
  readonly maxResponseBody: number;
  send(message: string): void;
  /** Tells the client that no visitor waits for this answer any more. */
  cancel(wireId: string): void;
  /** The stream is finished. */
  remove(stream: RelayStream): void;
  /**
   * Counts collected bytes; a negative number gives bytes back. Returns false when the session holds too
   * many.
   */
  collect(bytes: number): boolean;
  /**
   * Whether a body of this many bytes may go to the link. The link breaks when the client lets too much pile
   * up.
   */
  mayQueue(bytes: number): boolean;
}

/**
 * The relay's side of an exchange. The stream collects the request until it is complete, because the wire
 * carries it as one message. It passes the response on as it comes.
 *
 *   collecting --end--> waiting --head--> streaming --last chunk--> finished
 *        \__________________\__(whole response, error, reset)___________/
 */
export class RelayStream implements TunnelStream {
  readonly id: number;
  /** The id on the wire: a UUID, as in the original. */
  readonly wireId: string = randomUUID();
  #state: "collecting" | "waiting" | "streaming" | "finished" = "collecting";
  #body: Buffer[] = [];
  #bodyBytes = 0;
  readonly #head: RequestHead;
  readonly #handler: StreamHandler;
  readonly #owner: RelayStreamOwner;
  readonly #intake: StreamIntake;

  constructor(
    id: number,
    head: RequestHead,
    handler: StreamHandler,
    owner: RelayStreamOwner,
    intake: StreamIntake,
  ) {
    this.id = id;
    this.#head = head;
    this.#handler = handler;
    this.#owner = owner;
    this.#intake = intake;
  }

  get #isFinished(): boolean {
    return this.#state === "finished";
  }

  /**
   * Always returns true: nothing can leave before the request is complete, so a writer would wait for ever.
   */
  write(chunk: Buffer): boolean {
    if (this.#state !== "collecting") return true;
    this.#body.push(chunk);
    this.#bodyBytes += chunk.length;
    if (!this.#owner.collect(chunk.length)) {
      this.cut("overloaded", "The tunnel holds too many request bodies that are not whole yet");
    }
    return true;
  }

  /** Sends the request. Trailers are dropped: the wire has no place for them. */
  end(): void {
    if (this.#state !== "collecting") return;
    const { method, path } = this.#head;
    const headers = requestHeadersToWire(this.#head.headers, method.length + 1 + path.length);
    if (typeof headers === "string") {
      this.cut("bad_message", `The request cannot travel: ${headers}`);
      return;
    }
    if (this.#bodyBytes > 0 && !this.#owner.mayQueue(this.#bodyBytes)) {
      this.cut("overloaded", "Too much waits to be sent to the client");
      return;
    }
    this.#state = "waiting";
    const body = Buffer.concat(this.#body);
    this.#dropCollected();
    this.#owner.send(writeRequest(this.wireId, this.#head, headers, body));
  }

  reset(_code: ResetCode, _message?: string): void {
    // After the end of the response too: the handler will not consume what it still holds.
    this.#intake.release();
    if (this.#state === "finished") return;
    const sent = this.#state !== "collecting";
    this.#finish();
    if (sent) this.#owner.cancel(this.wireId);
  }

  consumed(bytes: number): void {
    this.#intake.consumed(bytes);
  }

  /** Handles a message of the client about this stream. */
  receive(reply: Reply): void {
    switch (reply.type) {
      case "whole":
        if (this.#state === "waiting") this.#receiveWhole(reply.head, reply.body);
        else this.#refuse("a whole response in the midst of another");
        return;
      case "head":
        if (this.#state === "waiting") this.#receiveHead(reply.head);
        else this.#refuse("a second response_head");
        return;
      case "chunk":
        if (this.#state === "streaming") this.#receiveData(reply.data, reply.last);
        else this.#refuse("response_chunk before response_head");
        return;
      case "error": {
        // An original client sends this only before the head. After the head the response can only be cut
        // short.
        const code = this.#state === "waiting" ? "upstream_unreachable" : "upstream_failed";
        this.#finish();
        this.#intake.release();
        this.#handler.onReset(new StreamReset(code, `The client gave up on the response: ${reply.message}`));
        return;
      }
      case "malformed":
        this.#refuse(reply.problem);
    }
  }

  /** Ends the stream from this side and tells the handler; `code` says why. */
  cut(code: ResetCode, message: string): void {
    if (this.#state === "finished") return;
    this.reset(code);
    this.#handler.onReset(new StreamReset(code, message));
  }

  /**
   * Too much is held, most of it by this stream. If the stream has ended, the bytes that still wait for the
   * visitor are given up.
   */
  stalled(): void {
    this.reset("overloaded");
    this.#handler.onReset(new StreamReset("overloaded", stalledReader));
  }

  /** The handler threw. */
  fault(): void {
    this.reset("internal");
    this.#handler.onReset(new StreamReset("internal", "internal error"));
  }

  #refuse(problem: string): void {
    this.cut("bad_message", `The client's response is not usable: ${problem}`);
  }

  #receiveWhole(head: ResponseHead, body: string): void {
    if (base64Bytes(body) > this.#owner.maxResponseBody) {
      this.cut("body_too_large", `The response body is over ${this.#owner.maxResponseBody} bytes`);
      return;
    }
    const data = decodeBase64(body);
    if (data === undefined) {
      this.#refuse("body is not base64");
      return;
    }
    const bodiless = data.length === 0 || isBodyless(this.#head.method, head.status);
    if (!bodiless) head.headers.push("Content-Length", String(data.length));
    this.#state = "streaming";
    this.#handler.onHead?.(head, bodiless);
    if (bodiless) this.#receiveEnd();
    else this.#receiveData(data, true);
  }

  #receiveHead(head: ResponseHead): void {
    this.#state = "streaming";
    const bodiless = isBodyless(this.#head.method, head.status);
    this.#handler.onHead?.(head, bodiless);
    // The last chunk comes later, and its stream is gone.
    if (bodiless) this.#receiveEnd();
  }

  #receiveData(data: Buffer, last: boolean): void {
    // The handler may reset the stream in any of its callbacks.
    if (this.#state === "finished") return;
    if (last) this.#intake.last();
    if (data.length > 0) {
      this.#intake.received(data.length);
      // These bytes may have been too many, and the stream was cut.
      if (this.#isFinished) return;
      this.#handler.onData(data, last);
    }
    if (last) this.#receiveEnd();
  }

  #receiveEnd(): void {
    if (this.#state === "finished") return;
    this.#finish();
    this.#handler.onEnd([]);
  }

  #finish(): void {
    this.#dropCollected();
    this.#state = "finished";
    this.#owner.remove(this);
  }

  #dropCollected(): void {
    this.#owner.collect(-this.#bodyBytes);
    this.#body = [];
    this.#bodyBytes = 0;
  }
}
