/** How long a line may wait for others, in milliseconds, and how many characters may wait. */
const gatherMs = 50;
const gatherLength = 65_536;

/**
 * Gathers lines and hands them on together. pino's own stream could gather them too, but counts the bytes of all that it
 * holds again for each line: that, and a write for each, took a tenth of a busy relay's time.
 */
export class LineGatherer {
  #lines = "";
  #timer: NodeJS.Timeout | undefined;
  readonly #handOn: (lines: string) => void;

  constructor(handOn: (lines: string) => void) {
    this.#handOn = handOn;
  }

  /** Takes a line with its end. */
  write(line: string): void {
    this.#lines += line;
    if (this.#lines.length >= gatherLength) this.flush();
    else this.#timer ??= setTimeout(this.flush, gatherMs);
  }

  /** Hands on what is there. */
  readonly flush = (): void => {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const lines = this.#lines;
    this.#lines = "";
    if (lines !== "") this.#handOn(lines);
  };
}
