/**
 * Removes every `character` from the end of `text`. A regular expression such as `/\/+$/` looks for the end
 * anew at each such character, so its time grows with the square of their number.
 */
export function withoutTrailing(text: string, character: string): string {
  let end = text.length;
  while (end > 0 && text[end - 1] === character) end -= 1;
  return text.slice(0, end);
}

/** A request target in origin form, `path`, without its query, which may hold secrets. */
export function withoutQuery(path: string): string {
  const query = path.indexOf("?");
  return query === -1 ? path : path.slice(0, query);
}

/**
 * The lines of `text` as one line, without blank lines and without indentation. `separator` stands between
 * them.
 */
export function oneLine(text: string, separator = " "): string {
  const lines = text.split("\n").map((line) => line.trim());
  return lines.filter((line) => line !== "").join(separator);
}

/**
 * A part of a text, on its own. V8 keeps the whole text as long as a part that was cut out of it: an id would
 * hold 32 MiB of message.
 */
export function detached(part: string): string {
  return Buffer.from(part).toString();
}
