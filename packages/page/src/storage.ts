/** Uses the browser's storage. A browser may refuse it to pages, and throws. Then nothing is stored. */
export function stored<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}
