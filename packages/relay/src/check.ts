import { listOf, text, wholeNumber } from "mcp-tunnel-protocol";

/**
 * Shapes of the relay's options, besides those that both ends share (option-shapes.ts of the protocol
 * package).
 */

/** The path of a file. A text of several lines is refused: it is the contents, given by mistake. */
export const filePath = text().refine(
  (path) => /^[^\r\n]+$/.test(path),
  "the path of a file, not what is in it",
);
export const texts = listOf(text(), "an array of strings");
export const portNumber = wholeNumber(0, 65_535);
export const fileNumber = wholeNumber(0, 0x7fffffff);
