/** What most texts are, and told more quickly than what Unicode says of characters. */
const plain = /^[\x20-\x7e]*$/;
const plainLines = /^[\n\x20-\x7e]*$/;

/**
 * What is obeyed or not seen: controls (C0, C1), what turns the direction of text, joiners, tags, variation
 * selectors, fillers and every space and line end but U+0020; also what Unicode has not assigned, or not
 * paired. One character at a time: a long run of them would not fit on the stack.
 */
const unseen = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]|(?! )\p{Zs}/gu;
/** The same but for the line feed. */
const unseenInLine = /(?!\n)[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]|(?! )\p{Zs}/gu;

/**
 * One line of text for a terminal or a log: each character that is obeyed or not seen becomes an escape,
 * `\u001b`. What visitors, services and the other end say may move the cursor, forge a line, or read as
 * something else.
 */
export function printable(text: string): string {
  return plain.test(text) ? text : text.replace(unseen, escape);
}

/** The same for a text of several lines, which keeps its line feeds. */
export function printableLines(text: string): string {
  return plainLines.test(text) ? text : text.replace(unseenInLine, escape);
}

/**
 * `value` as JSON, whose strings are the same for whoever parses it and nothing that a terminal obeys for
 * whoever reads along. `indent`: spaces for each level; without it all is on one line.
 */
export function printableJson(value: unknown, indent?: number): string {
  // Whatever is unseen stands in a string there, but for the line feeds of the layout.
  return printableLines(JSON.stringify(value, undefined, indent));
}

/** Those of the bytes, of which HTTP's text consists: to write each one anew takes four times as long. */
const byteEscapes = Array.from({ length: 256 }, (_, code) => escapeOf(code));

/** Escapes by code unit, as JSON does: what is beyond U+FFFF is two of them. */
function escape(character: string): string {
  const code = character.charCodeAt(0);
  const first = byteEscapes[code] ?? escapeOf(code);
  return character.length === 1 ? first : first + escapeOf(character.charCodeAt(1));
}

function escapeOf(code: number): string {
  return `\\u${code.toString(16).padStart(4, "0")}`;
}
