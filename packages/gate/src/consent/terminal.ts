import { randomInt } from "node:crypto";
import { type Waiting, WaitingRoom } from "./waiting-room.js";

/**
 * Numbers that pages show and that the owner types. Few are valid at a time: a typing error of the owner's
 * hits the number of a stranger who waits too with a probability below one in ten thousand.
 */
export class Numbers {
  readonly #waiting = new WaitingRoom<Waiting>(100, 4);

  /** The number of a request, of six digits. It stays the same while the request waits. */
  draw(waiting: Waiting): { readonly number: string; readonly isNew: boolean } {
    const shown = this.of(waiting.request);
    if (shown !== undefined) return { number: shown, isNew: false };
    let number = randomNumber();
    while (this.#waiting.get(number) !== undefined) number = randomNumber();
    this.#waiting.add(number, waiting);
    return { number, isNew: true };
  }

  /** The number that the page of a request shows. Undefined if it was never drawn, or is over. */
  of(request: string): string | undefined {
    return this.#waiting.keyOf(request);
  }

  /** The request with the number that the owner has typed. A number is good for one request, once. */
  take(typed: string): string | undefined {
    return this.#waiting.take(typed.replaceAll(/[\s-]/g, ""))?.request;
  }
}

function randomNumber(): string {
  return String(randomInt(1_000_000)).padStart(6, "0");
}
