import type { VisitorResponse } from "../message.js";
import { watchTaken } from "./respond.js";

/**
 * Where the relay sends a few events with pauses between them, at the domain itself. `mcp-tunnel doctor`
 * reads them through the proxies in front of the relay: whichever gathers answers brings them all at once.
 * The events say nothing, and cost a timer.
 */
export const streamProbePath = "/_tunnel/stream";

/** How many events there are. */
export const probeEvents = 5;
/** The pause before each event but the first, in milliseconds. */
export const probePauseMs = 200;
/** How many visitors of the relay may read events at a time. */
const maxProbes = 32;

/** The answers with events that are going on. */
export class StreamProbes {
  #open = 0;

  /** Whether there is room for another one. */
  get hasRoom(): boolean {
    return this.#open < maxProbes;
  }

  /**
   * Answers with the events. `taker` runs what comes later, and says how long the visitor may take nothing.
   * `ended` gets the bytes of the body, and whether the visitor got all of it.
   */
  answer(
    res: VisitorResponse,
    taker: Parameters<typeof watchTaken>[1],
    ended: (bytes: number, isWhole: boolean) => void,
  ): void {
    this.#open += 1;
    let sent = 0;
    let bytes = 0;
    let isOver = false;
    const send = (): void => {
      sent += 1;
      const event = Buffer.from(`data: ${sent}\n\n`);
      bytes += event.length;
      if (sent === probeEvents) {
        clearInterval(timer);
        res.end(event);
        watchTaken(res, taker);
      } else res.write(event);
    };
    const timer = setInterval(() => taker.guard(send), probePauseMs);
    res.watchClose(() => {
      if (isOver) return;
      isOver = true;
      clearInterval(timer);
      this.#open -= 1;
      ended(bytes, res.isWhole);
    });
    res.writeHead(200, ["Content-Type", "text/event-stream", "Cache-Control", "no-store"]);
    send();
  }
}
