import { setTimeout as delay } from "node:timers/promises";
import type { Captured, CapturedEvent, CaptureListener, Ring } from "../captured.js";
import { Slice } from "../slices.js";
import { type News, Unread } from "./unread.js";
import { nothing } from "./visitor.js";
import type { McpView } from "./view.js";

/** What is read with. */
export type Reader = Pick<McpView, "requested" | "answered" | "event" | "over" | "gone" | "canWait">;

/** How long it is as if somebody looked after the last look, in milliseconds. */
const lingerMs = 30_000;

/**
 * Has MCP read when somebody looks. To read a call takes longer than to capture it, and what nobody has
 * looked at leaves the ring unread. What tells of a session for longer than that is read at once.
 *
 * ```
 * unattended --somebody looks--> catching up --all is read--> attended
 *     ^                                                          |
 *      \------------nobody has looked for some time-------------/
 * ```
 *
 * `catching up`: the tunnel goes on, and what comes has to wait for its turn. Nothing waits while it is
 * attended, so that what is read is there before any other listener hears of it.
 */
export class Attention implements CaptureListener {
  readonly #view: Reader;
  readonly #ring: Pick<Ring, "still">;
  readonly #unread = new Unread();
  #state: "unattended" | "catching up" | "attended" | "closed" = "unattended";
  #looking = 0;
  #caughtUp: Promise<void> = Promise.resolve();
  #linger: NodeJS.Timeout | undefined;

  constructor(view: Reader, ring: Pick<Ring, "still">) {
    this.#view = view;
    this.#ring = ring;
  }

  /** Somebody looks until he calls what this returns. All is read once {@link caughtUp} resolves. */
  look(): () => void {
    this.#looking += 1;
    clearTimeout(this.#linger);
    if (this.#state === "unattended") {
      this.#state = "catching up";
      this.#caughtUp = this.#catchUp();
    }
    let isLooking = true;
    return () => {
      if (!isLooking) return;
      isLooking = false;
      this.#looking -= 1;
      this.#lingerOn();
    };
  }

  get caughtUp(): Promise<void> {
    return this.#caughtUp;
  }

  /** Nobody looks any more. */
  close(): void {
    this.#state = "closed";
    clearTimeout(this.#linger);
  }

  requested(entry: Captured): void {
    this.#take(entry, "requested");
  }

  answered(entry: Captured): void {
    this.#take(entry, "answered");
  }

  event(entry: Captured, event: CapturedEvent): void {
    this.#take(entry, event);
  }

  over(entry: Captured): void {
    this.#take(entry, "over");
  }

  gone(entry: Captured): void {
    this.#unread.drop(entry);
    this.#view.gone(entry);
  }

  #take(entry: Captured, news: News): void {
    const isRead = this.#state === "attended" || entry.mcp === nothing;
    if (isRead || !(this.#unread.has(entry) || this.#view.canWait(entry))) {
      this.#read(entry, news);
      return;
    }
    while (this.#unread.isFull) this.#readOldest();
    this.#unread.add(entry, news);
    // No more waits than before, so that it comes to an end whatever comes.
    if (this.#state === "catching up") this.#readOldest();
  }

  /** A ring full of JSON takes a second. */
  async #catchUp(): Promise<void> {
    let slice = new Slice();
    while (this.#state === "catching up" && this.#readOldest()) {
      if (!slice.isOver) continue;
      await delay(slice.pauseMs, undefined, { ref: false });
      slice = new Slice();
    }
    if (this.#state !== "catching up") return;
    this.#state = "attended";
    this.#lingerOn();
  }

  /** False: nothing waits. */
  #readOldest(): boolean {
    const oldest = this.#unread.take();
    if (oldest === undefined) return false;
    this.#ring.still(() => this.#read(oldest.entry, oldest.news));
    return true;
  }

  #read(entry: Captured, news: News): void {
    if (typeof news === "string") this.#view[news](entry);
    else this.#view.event(entry, news);
  }

  #lingerOn(): void {
    if (this.#looking > 0 || this.#state !== "attended") return;
    clearTimeout(this.#linger);
    this.#linger = setTimeout(() => {
      this.#state = "unattended";
    }, lingerMs).unref();
  }
}
