import { unavailable } from "../http/answers.js";
import type { Unread } from "../http/unread.js";
import { isNotification, isRequest, type Message, type RequestMessage } from "../message.js";
import type { Backoff } from "../child/backoff.js";
import type { ProcessPurpose } from "../events.js";
import type { ResolvedStdioOptions } from "../options.js";
import type { OpenPipe, PipeEnd } from "../pipe.js";
import { Exchange } from "./exchange.js";
import { Gate } from "./gate.js";
import { Probe } from "./probe.js";
import { refusalResponse } from "./refusal.js";
import { SharedProcess } from "./shared-process.js";

/** Requests that may wait for an answer at the same time. More get 503. */
const maxRequests = 1_000;

/**
 * What visitors are told, among it why there is no answer (`PipeEnd.code`). They are not told what the
 * command is, or what it has said.
 */
const texts = {
  starting: "The MCP server has failed and is not started again yet",
  busy: "The MCP server has too many requests to answer",
  closed: "The MCP server is closed",
  not_found: "The MCP server could not be started",
  not_started: "The MCP server could not be started",
  exited: "The MCP server has ended before it answered. The request is not sent again",
  message_too_long: "The MCP server has sent a message that is too long, and was ended",
  ended: "The MCP server was ended before it answered",
} satisfies Record<PipeEnd["code"] | "starting" | "busy" | "closed", string>;

/**
 * A server of revision 2026-07-28: one process answers the requests of all visitors, because each stands
 * alone.
 */
export class SharedServer {
  readonly #options: ResolvedStdioOptions;
  readonly #open: (purpose: ProcessPurpose) => OpenPipe;
  readonly #backoff: Pick<Backoff, "waitMs" | "failed" | "succeeded">;
  readonly #unread: Unread;
  readonly #gate = new Gate();
  readonly #probe: Probe;
  /** All processes that were started here and are not gone. */
  readonly #processes = new Set<SharedProcess>();
  /** The one that answers. */
  #current: SharedProcess | undefined;
  #isClosed = false;

  constructor(
    options: ResolvedStdioOptions,
    open: (purpose: ProcessPurpose) => OpenPipe,
    backoff: Pick<Backoff, "waitMs" | "failed" | "succeeded">,
    unread: Unread,
  ) {
    this.#options = options;
    this.#open = open;
    this.#backoff = backoff;
    this.#unread = unread;
    this.#probe = new Probe(options, backoff, {
      start: () => this.#start("probe"),
      onModern: (process, answer) => {
        this.#gate.learn("server/discover", answer);
        this.#current = process;
      },
    });
  }

  /**
   * Whether the server speaks revision 2026-07-28. It is asked once. False is said for the time being if it
   * does not answer within `probeTimeoutMs`, or could not be started.
   */
  probe(): Promise<boolean> {
    return this.#isClosed ? Promise.resolve(false) : this.#probe.isModern();
  }

  /** How long until a server is started again that could not be started, or has failed, in milliseconds. */
  get waitMs(): number {
    return this.#current === undefined ? this.#backoff.waitMs : 0;
  }

  /** Answers a POST whose message {@link looksModern}. */
  async post(request: Request, message: Message): Promise<Response> {
    const refusal = await this.#gate.check(request, message);
    if (refusal !== undefined) return refusalResponse(refusal, message);
    if (isNotification(message)) return this.#notify(message);
    if (!isRequest(message)) throw new TypeError("A response cannot pass the gate");
    const { id } = message.value;
    if (this.#isClosed) return unavailable(texts.closed, this.#options.maxRestartDelayMs, id);
    if (this.waitMs > 0) return unavailable(texts.starting, this.waitMs, id);
    if (request.signal.aborted) return new Response(null, { status: 499 });
    this.#current ??= this.#start("shared");
    if (!this.#hasRoom(this.#current, message)) return unavailable(texts.busy, 1_000, id);
    return this.#exchange(this.#current, request, message);
  }

  /** Ends the streams on which nobody waits for an answer. */
  drain(): void {
    for (const process of this.#processes) process.endSubscriptions();
  }

  /** Ends the processes. Requests that wait are told so. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#probe.close();
    await Promise.all([...this.#processes].map((process) => process.end()));
  }

  #exchange(process: SharedProcess, request: Request, message: RequestMessage): Promise<Response> {
    const { id, method } = message.value;
    const exchange = new Exchange(request, id, this.#options.keepAliveMs, this.#unread, () => giveUp());
    const giveUp = process.request(message, {
      notify: (text) => exchange.notify(text),
      answer: (text, answer) => {
        this.#gate.learn(method, answer);
        exchange.answer(text, answer);
      },
      end: () => exchange.end(),
      fail: ({ code }, wasSent) => exchange.fail(texts[code], wasSent ? undefined : this.#backoff.waitMs),
    });
    return exchange.response;
  }

  /**
   * A notification that names a request is not passed on: a visitor leaves to cancel a request (MCP
   * 2026-07-28, Streamable HTTP), and the id may be another visitor's as well. No process is started for one.
   */
  async #notify(message: Message): Promise<Response> {
    const process = this.#current;
    const isPassed = message.value["method"] !== "notifications/cancelled";
    if (isPassed && process !== undefined) {
      if (!this.#hasRoom(process, message)) return unavailable(texts.busy, 1_000);
      await process.notify(message);
    }
    return new Response(null, { status: 202 });
  }

  #hasRoom(process: SharedProcess, { text }: Message): boolean {
    const isLong =
      process.waitingLength > 0 && process.waitingLength + text.length > this.#options.maxReceivingBytes;
    return process.size < maxRequests && !isLong;
  }

  #start(purpose: ProcessPurpose): SharedProcess {
    let hasStrayed = false;
    const process: SharedProcess = new SharedProcess(this.#open(purpose), {
      onAnswer: () => this.#backoff.succeeded(),
      onEnd: ({ code }) => {
        this.#processes.delete(process);
        if (this.#current !== process) return;
        this.#current = undefined;
        if (code !== "ended") this.#backoff.failed();
      },
      onStray: ({ value }) => {
        if (!hasStrayed) this.#tellOfStray(value.method);
        hasStrayed = true;
      },
    });
    this.#processes.add(process);
    return process;
  }

  #tellOfStray(method: string): void {
    const message =
      `The server has sent ${method} without saying which request it belongs to, ` +
      "while it was working on none or on several. Nobody got it. Further ones are not reported.";
    this.#options.onEvent({ type: "notice", message });
  }
}
