/**
 * Runs the user's code. Anything that it throws becomes an uncaught exception of its own, and breaks nothing
 * here.
 */
export function runAside(action: () => unknown): void {
  try {
    action();
  } catch (error) {
    throwAside(error);
  }
}

/** Makes what the user's code has thrown an uncaught exception of its own. */
export function throwAside(error: unknown): void {
  process.nextTick(() => {
    throw error;
  });
}
