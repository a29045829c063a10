import { headerValue, isEventStreamType } from "mcp-tunnel-protocol";
import type { ResponseHead } from "mcp-tunnel-protocol";
import { readMessages } from "../rpc.js";
import type { RpcMessage } from "../rpc.js";
import { EventSplitter } from "../sse/splitter.js";
import type { AnswerReader } from "./sending.js";

/** Bytes of the longest message of a server that is read. */
const maxMessageBytes = 256 * 1_024;

/**
 * Reads the messages of MCP in an answer: the events of a stream as they come, or one JSON body at its end.
 */
export class AnswerMessages implements AnswerReader {
  head: ResponseHead | undefined;
  readonly #onMessage: (message: RpcMessage) => void;
  #form: "events" | "json" | "unread" = "unread";
  readonly #splitter: EventSplitter;
  readonly #chunks: Buffer[] = [];
  #bytes = 0;

  constructor(onMessage: (message: RpcMessage) => void) {
    this.#onMessage = onMessage;
    this.#splitter = new EventSplitter(({ data, isComment, isCut }) => {
      if (!isComment && !isCut) this.#read(data);
    }, maxMessageBytes);
  }

  onHead(head: ResponseHead): void {
    this.head = head;
    if (headerValue(head.headers, "content-encoding") !== undefined) return;
    this.#form = isEventStreamType(headerValue(head.headers, "content-type") ?? "") ? "events" : "json";
  }

  onData(chunk: Buffer): void {
    if (this.#form === "events") this.#splitter.push(chunk);
    if (this.#form !== "json") return;
    this.#bytes += chunk.length;
    // The chunk belongs to whoever has sent it.
    if (this.#bytes <= maxMessageBytes) this.#chunks.push(Buffer.from(chunk));
    else this.#form = "unread";
  }

  /** The answer is over. */
  end(): void {
    if (this.#form === "json") this.#read(Buffer.concat(this.#chunks).toString());
  }

  #read(text: string): void {
    for (const message of readMessages(text)) this.#onMessage(message);
  }
}
