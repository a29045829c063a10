import type { Readable } from "node:stream";

/** A text without a line end is broken off here, so that it does not fill the memory. */
const maxLineLength = 1_048_576;

/**
 * Calls `write` with each line of `stream`, with its line end. Workers write to the primary and not to its
 * output: a pipe takes 4 KiB in one piece, so lines of several writers could lie within one another. Resolves
 * when the stream is over, also with a line that a worker did not end.
 */
export function eachLine(stream: Readable, write: (line: string) => void): Promise<void> {
  let begun = "";
  stream.setEncoding("utf8");
  stream.on("data", (chunk: string) => {
    let start = 0;
    for (let end = chunk.indexOf("\n"); end !== -1; end = chunk.indexOf("\n", start)) {
      write(begun + chunk.slice(start, end + 1));
      begun = "";
      start = end + 1;
    }
    begun += chunk.slice(start);
    if (begun.length < maxLineLength) return;
    write(`${begun}\n`);
    begun = "";
  });
  return new Promise((resolve) => {
    stream.once("close", () => {
      if (begun !== "") write(`${begun}\n`);
      resolve();
    });
  });
}
