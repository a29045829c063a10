/** Most texts are plain, and this test is quicker than one of Unicode's properties. */
const plain = /^[\x20-\x7e]*$/;
const plainLines = /^[\n\x20-\x7e]*$/;

/**
 * Characters that a terminal obeys or that nobody sees: controls (C0, C1), marks that turn the direction of
 * text, joiners, tags, variation selectors, fillers, every space and line end except U+0020, characters that
 * Unicode has not assigned, and unpaired surrogates. The pattern takes one character at a time: a long run of
 * them would not fit on the stack.
 */
const unseen = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]|(?! )\p{Zs}/gu;
/** The same characters except the line feed. */
const unseenInLine = /(?!\n)[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]|(?! )\p{Zs}/gu;

/**
 * One line of text for a terminal or a log: each character that is obeyed or not seen becomes an escape,
 * `\u001b`. Texts of visitors, services and the other end could move the cursor, forge a line, or read as
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
 * `value` as JSON that a terminal can show. Characters that are obeyed or not seen become escapes, so a
 * program that parses the JSON gets the same strings. `indent`: spaces for each level; without it all is on
 * one line.
 */
export function printableJson(value: unknown, indent?: number): string {
  // In JSON these characters stand in strings only, except the line feeds of the layout.
  return printableLines(JSON.stringify(value, undefined, indent));
}

/**
 * The escapes of all bytes, of which HTTP's text consists: to write each one anew takes four times as long.
 */
const byteEscapes = Array.from({ length: 256 }, (_, code) => escapeOf(code));

/** Escapes by code unit, as JSON does: a character beyond U+FFFF becomes two escapes. */
function escape(character: string): string {
  const code = character.charCodeAt(0);
  const first = byteEscapes[code] ?? escapeOf(code);
  return character.length === 1 ? first : first + escapeOf(character.charCodeAt(1));
}

function escapeOf(code: number): string {
  return `\\u${code.toString(16).padStart(4, "0")}`;
}
