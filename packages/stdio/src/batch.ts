import { createScanner } from "jsonc-parser";
import { detached } from "mcp-tunnel-shared";
import { isMessageValue, onOneLine, type Message } from "./message.js";

/**
 * The messages of a batch: an array of messages, which revision 2025-03-26 alone has. Each keeps the text
 * that it was written in. `undefined` if the array is empty, or has anything else in it.
 *
 * @param text The JSON of the array.
 * @param values The parsed array.
 */
export function messagesOfBatch(text: string, values: readonly unknown[]): Message[] | undefined {
  if (values.length === 0 || !values.every(isMessageValue)) return undefined;
  const texts = textsOfObjects(text);
  return values.map((value, index) => ({ text: onOneLine(detached(texts[index] as string)), value }));
}

/**
 * The texts of the objects in an array. A parsed and rewritten object would lose numbers beyond doubles. The
 * work takes no recursion, so that no depth of the JSON is too deep.
 */
export function textsOfObjects(text: string): string[] {
  const scanner = createScanner(text, true);
  const texts: string[] = [];
  let depth = 0;
  let start = 0;
  for (scanner.scan(); scanner.getTokenOffset() < text.length; scanner.scan()) {
    const offset = scanner.getTokenOffset();
    // A token of one of these characters has no other: a string begins with its quote.
    const first = text[offset];
    if (first === "{" || first === "[") {
      if (depth === 1) start = offset;
      depth++;
    } else if (first === "}" || first === "]") {
      depth--;
      if (depth === 1) texts.push(text.slice(start, offset + 1));
    }
  }
  return texts;
}
