/**
 * Ends the process when its standard output cannot be written. The status is 0 when the reader has left, as
 * `| head` does before the end of a list or of the help. Otherwise the status is 1, with a message on the
 * standard error. Lines of a `LineOutput` do not pass here.
 */
export function endWithReader(): void {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (isReaderGone(error)) process.exit(0);
    process.stderr.write(`error: cannot write to the standard output: ${error.message}\n`);
    process.exit(1);
  });
  // No stream is left for a message, and this is no reason to end.
  process.stderr.on("error", () => {});
}

/**
 * Whether a write has failed because nobody reads any more. Windows reports a pipe whose other end is closed
 * as EPIPE or as EOF.
 */
export function isReaderGone({ code }: NodeJS.ErrnoException): boolean {
  return code === "EPIPE" || code === "EOF";
}
