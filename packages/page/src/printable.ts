// Controls (C0, DEL, C1), soft hyphen, marks of direction, invisible spaces and joiners, line and paragraph
// separators, fillers, interlinear annotations, tags, and halves of surrogate pairs.
const unseen =
  // oxlint-disable-next-line no-misleading-character-class -- each is meant alone
  /[\u0000-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\u{e0000}-\u{e007f}\ud800-\udfff]/gu;

/** A text without characters that cannot be seen. `oneLine`: ends of lines and tabs are escapes too. */
export function printable(text: string, oneLine = false): string {
  return text.replace(unseen, (character, at: number) => {
    const code = character.codePointAt(0)!;
    if (!oneLine && (code === 9 || code === 10)) return character;
    if (!oneLine && code === 13 && text[at + 1] === "\n") return "";
    const short = code === 9 ? "\\t" : code === 10 ? "\\n" : code === 13 ? "\\r" : undefined;
    if (short !== undefined) return short;
    const hex = code.toString(16);
    return hex.length > 4 ? `\\u{${hex}}` : `\\u${hex.padStart(4, "0")}`;
  });
}
