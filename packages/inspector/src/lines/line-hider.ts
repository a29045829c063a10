import { createHider } from "../secrets/hide.js";
import type { Hider } from "../secrets/hide.js";

/** How many secrets one hider may remember, which it does with all that it hides. */
const maxRemembered = 100;

/**
 * Hides secrets in lines. There is no key, so all secrets read alike: nobody could ask for one where lines
 * are. To look for secrets takes longer than all the rest of a line, so it is left out where there are none.
 */
export class LineHider {
  #hider = newHider();

  /** A request target. Only its query has parts with names. */
  target(path: string): string {
    return path.includes("?") ? this.#current.target(path) : path;
  }

  text(text: string): string {
    return this.#current.text(text);
  }

  get #current(): Hider {
    if (this.#hider.count > maxRemembered) this.#hider = newHider();
    return this.#hider;
  }
}

function newHider(): Hider {
  return createHider({ key: undefined, privatePaths: [] });
}
