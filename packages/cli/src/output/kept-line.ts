import type { LineOutput } from "mcp-tunnel-shared/command";
import type { Screen } from "./output.js";

/** Goes to the start of the line, and erases it. */
const erase = "\r\u001b[2K";

/**
 * The line that stays below all others on a terminal. Each other line takes its place, and it is drawn anew
 * below. It is drawn by the same writes as those, so that a terminal which is paused (Ctrl-S) keeps the
 * order.
 */
export class KeptLine implements Screen {
  readonly #lines: Pick<LineOutput, "write" | "isBehind">;
  readonly #columns: () => number;
  readonly #texts = new Map<object, string>();
  /** What is on the screen, or on its way there. */
  #drawn = "";

  constructor(lines: Pick<LineOutput, "write" | "isBehind">, columns: () => number) {
    this.#lines = lines;
    this.#columns = columns;
  }

  keep(owner: object, text: string | undefined): void {
    this.#texts.delete(owner);
    if (text !== undefined) this.#texts.set(owner, text);
    const wanted = this.#wanted();
    if (wanted === this.#drawn) return;
    // While a terminal is paused, each second would leave a text to draw later.
    if (wanted !== "" && this.#lines.isBehind) return;
    this.#lines.write(1, `${this.#drawn === "" ? "" : erase}${wanted}`);
    this.#drawn = wanted;
  }

  /** A line to write, with what keeps it above. */
  above(line: string): string {
    const before = this.#drawn === "" ? "" : erase;
    this.#drawn = this.#wanted();
    return `${before}${line}\n${this.#drawn}`;
  }

  copy(text: string): void {
    // OSC 52 of xterm: `c` is the clipboard. It works through ssh, because the terminal itself does it.
    this.#lines.write(1, `\u001b]52;c;${Buffer.from(text).toString("base64")}\u0007`);
  }

  /** Nothing stays on the screen: what is written next is a shell's. */
  end(): void {
    this.#texts.clear();
    if (this.#drawn !== "") this.#lines.write(1, erase);
    this.#drawn = "";
  }

  /** The newest of the texts, as it fits. A text that wraps could not be erased. */
  #wanted(): string {
    const text = [...this.#texts.values()].at(-1) ?? "";
    return text.slice(0, this.#columns() - 1);
  }
}
