import { Buffer } from "node:buffer";
import { light, type Message } from "../message.js";

/** Messages of a server that wait for the visitor's GET stream, within bounds. */
export class MessageQueue {
  readonly #maxMessages: number;
  readonly #maxBytes: number;
  readonly #onDropped: (message: Message) => void;
  readonly #messages = new Set<{ readonly message: Message; readonly bytes: number }>();
  #bytes = 0;

  /** `onDropped`: a message had to make room for a newer one, or is too long itself. */
  constructor(maxMessages: number, maxBytes: number, onDropped: (message: Message) => void) {
    this.#maxMessages = maxMessages;
    this.#maxBytes = maxBytes;
    this.#onDropped = onDropped;
  }

  push(message: Message): void {
    const bytes = Buffer.byteLength(message.text);
    // The bounds are those of the text.
    this.#messages.add({ message: light(message), bytes });
    this.#bytes += bytes;
    for (const oldest of this.#messages) {
      if (this.#messages.size <= this.#maxMessages && this.#bytes <= this.#maxBytes) return;
      this.#messages.delete(oldest);
      this.#bytes -= oldest.bytes;
      this.#onDropped(oldest.message);
    }
  }

  /** Takes all messages out, the oldest first. */
  takeAll(): Message[] {
    const messages = Array.from(this.#messages, ({ message }) => message);
    this.#messages.clear();
    this.#bytes = 0;
    return messages;
  }
}
