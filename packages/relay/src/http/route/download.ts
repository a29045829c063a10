import type { DownloadAnswer } from "../answer/client-download.js";
import type { OpenExchange } from "../exchange/active-exchanges.js";
import type { ExchangeContext } from "../exchange/context.js";
import type { Guard } from "../message.js";
import { StallWatch } from "../stall-watch.js";
import { reportVisit } from "./report.js";
import type { IncomingVisit } from "./visit.js";

/** So much is handed to a connection at once: encrypted, it is in memory for each visitor again. */
const pieceBytes = 65_536;

/**
 * A long answer of the relay's own on its way, as fast as the visitor takes it. Meanwhile it counts as an
 * open exchange: it has a place among the requests of its address, and a relay that shuts down waits for it.
 */
export class Download implements OpenExchange {
  place = -1;
  readonly route = undefined;
  readonly requestBytes = 0;
  responseBytes = 0;
  readonly #context: ExchangeContext;
  readonly #visit: IncomingVisit;
  readonly #answer: DownloadAnswer;
  readonly #guard: Guard;
  readonly #stall: StallWatch;

  /** `visit` has a place among the requests of its address, if there are any to count. */
  constructor(context: ExchangeContext, visit: IncomingVisit, answer: DownloadAnswer, guard: Guard) {
    this.#context = context;
    this.#visit = visit;
    this.#answer = answer;
    this.#guard = guard;
    this.#stall = new StallWatch(
      context.options.writeTimeoutMs,
      () => this.responseBytes + visit.res.takenMark(),
      () => this.#guard(() => visit.res.cut(true)),
    );
  }

  start(): void {
    const { res } = this.#visit;
    this.#context.exchanges.add(this);
    res.on("error", ignore);
    res.watchClose(this.#onClose);
    res.writeHead(this.#answer.status, this.#answer.headers);
    this.#stall.waits();
    this.#send();
  }

  /** The relay stops. */
  cut(): void {
    this.#visit.res.cut(true);
  }

  #send(): void {
    const { res } = this.#visit;
    const { body } = this.#answer;
    if (this.#visit.method === "HEAD") {
      res.end();
      return;
    }
    for (;;) {
      if (res.destroyed) return;
      const piece = body.subarray(this.responseBytes, this.responseBytes + pieceBytes);
      this.responseBytes += piece.length;
      if (this.responseBytes === body.length) {
        res.end(piece);
        return;
      }
      if (!res.write(piece)) break;
    }
    res.once("drain", () => this.#guard(() => this.#send()));
  }

  /** The answer has been handed over, or the visitor has left. */
  readonly #onClose = (): void => {
    const { res, addressKey } = this.#visit;
    if (!this.#context.exchanges.delete(this)) return;
    this.#stall.stop();
    res.unwatchClose(this.#onClose);
    if (addressKey !== undefined) this.#context.requests.leave(addressKey);
    const outcome = res.isWhole ? "completed" : "cancelled";
    const { status } = this.#answer;
    const end = { outcome, status, bytes: this.responseBytes } as const;
    this.#guard(() => reportVisit(this.#context, this.#visit, end, false));
  };
}

const ignore = (): void => {};
