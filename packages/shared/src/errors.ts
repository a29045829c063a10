/**
 * What went wrong, in words: anything can be thrown. Attempts at several addresses fail as one error, which
 * has no words of its own.
 */
export function messageOf(error: unknown): string {
  return inWords(error, (known) =>
    known instanceof AggregateError ? known.errors.map(messageOf).join("; ") : known.message,
  );
}

/** What went wrong with the places in the code that it came through, for a report of a bug. */
export function stackOf(error: unknown): string {
  return inWords(error, ({ stack, message }) => stack ?? message);
}

/** A program that embeds this one may throw what cannot even be looked at. A report of it never throws. */
function inWords(error: unknown, wordsOf: (known: Error) => string): string {
  try {
    return String(error instanceof Error ? wordsOf(error) : error);
  } catch {
    return "what was thrown cannot be put into words";
  }
}
