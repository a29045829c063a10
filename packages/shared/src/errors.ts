/**
 * What went wrong, in words: anything can be thrown. Attempts at several addresses fail as one error, which
 * has no words of its own.
 */
export function messageOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(messageOf).join("; ");
  return error instanceof Error ? error.message : String(error);
}

/** What went wrong with the places in the code that it came through, for a report of a bug. */
export function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
