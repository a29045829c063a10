import { printable } from "../printable.js";

/** What a terminal shows two columns wide: the characters of East Asia, and pictures. */
const wide =
  /[\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}\p{scx=Hangul}\p{Emoji_Presentation}\uff01-\uff60]/u;

/** How many columns of a terminal a text takes. It has no characters that the terminal obeys. */
export function columnsOf(text: string): number {
  if (/^[\x20-\x7e]*$/.test(text)) return text.length;
  return charactersOf(text).reduce((sum, character) => sum + (wide.test(character) ? 2 : 1), 0);
}

/** The characters of a text, as people count them. */
export function charactersOf(text: string): string[] {
  // Made when it is needed: it takes longer than the start of a command has.
  const graphemes = new Intl.Segmenter(undefined, { granularity: "grapheme" });
  return Array.from(graphemes.segment(text), ({ segment }) => segment);
}

/** Columns as wide as their widest cell. Cells are escaped, because strangers may have chosen them. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const cells = [head, ...rows.map((row) => row.map(printable))];
  const widths = head.map((_, column) => Math.max(...cells.map((row) => columnsOf(row[column] ?? ""))));
  return cells.map((row) =>
    row
      .map((cell, column) => cell + " ".repeat((widths[column] as number) - columnsOf(cell)))
      .join("  ")
      .trimEnd(),
  );
}
