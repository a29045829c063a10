import { printable } from "../printable.js";

/**
 * Breaks a text between words, into lines of at most `width` characters. A word that is longer than a line,
 * such as a URL to copy, stays whole. The text is escaped, because strangers may have chosen parts of it.
 */
export function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of printable(text).split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
