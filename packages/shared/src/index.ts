/**
 * What both ends share and what is no part of their protocol. It imports nothing.
 *
 * - `printable.ts`: what strangers say, made fit for a terminal and for a log
 * - `size.ts`: numbers of bytes as people write them
 * - `text.ts`: work on text that takes no longer than the text is long
 */
export { printable, printableJson, printableLines } from "./printable.js";
export { formatBytes, parseBytes } from "./size.js";
export { oneLine, withoutQuery, withoutTrailing } from "./text.js";
