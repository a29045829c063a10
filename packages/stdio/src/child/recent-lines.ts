/** Lines and characters of stderr that a message about a failed server has. */
const maxLines = 20;
const maxCharacters = 4_096;

/** The last lines of a server's stderr. They mostly say why it has ended. */
export class RecentLines {
  readonly #lines: string[] = [];
  #characters = 0;

  add(line: string): void {
    if (line.trim() === "") return;
    const kept = line.slice(0, maxCharacters);
    this.#lines.push(kept);
    this.#characters += kept.length;
    while (this.#lines.length > maxLines || this.#characters > maxCharacters) {
      this.#characters -= this.#lines.shift()?.length ?? 0;
    }
  }

  /** `message`, and the lines below it. */
  after(message: string): string {
    if (this.#lines.length === 0) return `${message}. It wrote nothing to stderr.`;
    return [`${message}. The last lines of its stderr:`, ...this.#lines.map((line) => `  ${line}`)].join(
      "\n",
    );
  }
}
