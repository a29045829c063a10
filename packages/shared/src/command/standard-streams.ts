/**
 * Ends the process when its standard output cannot be written: with status 0 when the reader has left, as `|
 * head` does before the end of a list or of the help, and with 1 and a word on the standard error otherwise.
 * Lines of a `LineOutput` do not pass here.
 */
export function endWithReader(): void {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(0);
    process.stderr.write(`error: cannot write to the standard output: ${error.message}\n`);
    process.exit(1);
  });
  // There is nobody to tell, and no reason to end.
  process.stderr.on("error", () => {});
}
