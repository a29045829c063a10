import { createScanner } from "jsonc-parser";

/**
 * The elements of an array of objects, each as the text that it was written in: a parsed and rewritten object
 * would lose numbers beyond doubles. `text` has to be sound JSON. The work takes no recursion, so that no
 * depth of the JSON is too deep.
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
