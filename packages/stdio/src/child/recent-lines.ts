/** Lines and characters of stderr that the event of a failed server has. */
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

  get all(): readonly string[] {
    return [...this.#lines];
  }
}
