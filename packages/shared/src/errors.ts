/**
 * The message of an error, or of anything else that was thrown. Failed attempts at several addresses come as
 * one `AggregateError`, which has no message of its own.
 */
export function messageOf(error: unknown): string {
  return inWords(error, (known) =>
    known instanceof AggregateError ? known.errors.map(messageOf).join("; ") : known.message,
  );
}

/** The message and the stack of an error, for a report of a bug. */
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
