/** Terminals are seldom narrower, and what is pasted from a line that wraps may have breaks in it. */
const columns = 80;

/**
 * A URL or a name as a word of a command that is pasted into a shell. The relay may have chosen it, and a
 * shell must not run what could be hidden in it.
 *
 * On Windows nobody knows which shell it will be, and no quotes keep all characters from both: cmd has no
 * single quotes, and PowerShell reads `$` and the backtick within double ones. So a character that one of
 * them would obey there is written as URLs write it (RFC 3986 section 2.1).
 */
export function shellWord(text: string, platform: NodeJS.Platform = process.platform): string {
  if (platform !== "win32") {
    return /^[\w./:%~-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
  }
  const word = text.replaceAll(/%(?![\dA-F]{2})|[^\w./:%~?&=+,;@()[\]*#'-]/giu, percentEncoded);
  return /^[\w./:%~-]+$/.test(word) ? word : `"${word}"`;
}

function percentEncoded(character: string): string {
  return [...Buffer.from(character)]
    .map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`)
    .join("");
}

/**
 * A command as lines to paste. Its parts are not broken. The second part stands beside the first if there is
 * room, and each further one has a line of its own.
 *
 * On Windows the command is one line: cmd and PowerShell have different signs for a line that goes on.
 */
export function commandLines(
  [start, second, ...rest]: readonly [string, string, ...string[]],
  platform: NodeJS.Platform = process.platform,
): string[] {
  if (platform === "win32") return [[start, second, ...rest].join(" ")];
  const end = rest.length === 0 ? "" : " \\";
  const isShort = `${start} ${second}${end}`.length <= columns;
  const lines = isShort ? [`${start} ${second}`, ...rest] : [start, second, ...rest];
  return lines.map((line, i) => (i === lines.length - 1 ? line : `${line} \\`));
}
