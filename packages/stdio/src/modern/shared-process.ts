import {
  errorCodes,
  errorText,
  isNotification,
  isRequest,
  isResponse,
  light,
  type Message,
  type NotificationMessage,
  type RequestMessage,
  type ResponseMessage,
} from "../message.js";
import type { OpenPipe, Pipe, PipeEnd, PipeOwner } from "../pipe.js";
import { Calls, concernOf, type Caller } from "./calls.js";

/** What a process tells of itself. */
export interface SharedProcessOwner {
  /** The process has answered something. */
  onAnswer(): void;
  /** The process has ended. It is called before the callers are told. */
  onEnd(end: PipeEnd): void;
  /** A notification belongs to nobody who could be told. */
  onStray(message: NotificationMessage): void;
}

/** A message that waits until the process takes more. */
interface Waiting {
  readonly length: number;
  send(): void;
  fail(end: PipeEnd): void;
}

/** A process that answers the requests of all visitors. */
export class SharedProcess implements PipeOwner {
  readonly #owner: SharedProcessOwner;
  readonly #pipe: Pipe;
  readonly #calls = new Calls();
  /** In the order in which they came. */
  readonly #waiting = new Set<Waiting>();
  #waitingLength = 0;
  #isFull = false;
  #end: PipeEnd | undefined;

  constructor(open: OpenPipe, owner: SharedProcessOwner) {
    this.#owner = owner;
    this.#pipe = open(this);
  }

  /** Messages that wait to be sent, and requests that wait for an answer. */
  get size(): number {
    return this.#waiting.size + this.#calls.size;
  }

  /** How much text waits to be sent, in characters. */
  get waitingLength(): number {
    return this.#waitingLength;
  }

  /**
   * Sends a request, as soon as the process takes it.
   *
   * @returns Gives the request up: the process is told that it was cancelled, and the caller is told no more.
   */
  request(request: RequestMessage, caller: Caller): () => void {
    // A request that was sent is not kept: it may be long, and its answer may take long.
    let unsent: RequestMessage | undefined = light(request);
    let number: number | undefined;
    const waiting = {
      length: request.text.length,
      send: () => {
        if (unsent === undefined) return;
        const call = this.#calls.add(unsent, caller);
        unsent = undefined;
        number = call.number;
        this.#write(call.text);
      },
      fail: (end: PipeEnd) => caller.fail(end, false),
    };
    this.#send(waiting);
    return () => {
      if (number === undefined) this.#remove(waiting);
      else if (this.#calls.cancel(number)) this.#write(cancellation(number));
    };
  }

  /** Sends a notification as it is. Resolves when the process has taken it, or has ended. */
  notify({ text }: Message): Promise<void> {
    return new Promise((resolve) => {
      const send = (): void => {
        this.#write(text);
        resolve();
      };
      this.#send({ length: text.length, send, fail: () => resolve() });
    });
  }

  /** Ends all subscriptions, for the callers and for the process. */
  endSubscriptions(): void {
    for (const number of this.#calls.endSubscriptions()) this.#write(cancellation(number));
  }

  /** Ends the process. Resolves when it is gone. */
  end(): Promise<void> {
    return this.#pipe.end();
  }

  onMessage(message: Message): void {
    if (isResponse(message)) this.#onResponse(message);
    else if (isRequest(message)) {
      // Servers of revision 2026-07-28 make no requests: what they need to know they ask for in a result.
      this.#write(errorText(message.value.id, errorCodes.methodNotFound, "Method not found"));
    } else if (isNotification(message) && !this.#calls.notify(message) && concernOf(message) === undefined)
      this.#owner.onStray(message);
  }

  onDrain(): void {
    this.#isFull = false;
    for (const waiting of this.#waiting) {
      if (this.#isFull) break;
      this.#remove(waiting);
      waiting.send();
    }
  }

  onEnd(end: PipeEnd): void {
    this.#end = end;
    this.#owner.onEnd(end);
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    this.#waitingLength = 0;
    this.#calls.fail(end);
    for (const message of waiting) message.fail(end);
  }

  #onResponse(message: ResponseMessage): void {
    this.#owner.onAnswer();
    this.#calls.answer(message);
  }

  #send(waiting: Waiting): void {
    if (this.#end !== undefined) waiting.fail(this.#end);
    else if (this.#isFull) {
      this.#waiting.add(waiting);
      this.#waitingLength += waiting.length;
    } else waiting.send();
  }

  #remove(waiting: Waiting): void {
    if (this.#waiting.delete(waiting)) this.#waitingLength -= waiting.length;
  }

  #write(text: string): void {
    if (this.#end === undefined && !this.#pipe.send(text)) this.#isFull = true;
  }
}

function cancellation(number: number): string {
  const params = { requestId: number };
  return JSON.stringify({ jsonrpc: "2.0", method: "notifications/cancelled", params });
}
