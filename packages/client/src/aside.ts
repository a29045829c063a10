/**
 * Runs the user's code, and returns what it returns. Anything that it throws becomes an uncaught exception of
 * its own, and breaks nothing here.
 */
export function runAside<Result>(action: () => Result): Result | undefined {
  try {
    return action();
  } catch (error) {
    process.nextTick(() => {
      throw error;
    });
    return undefined;
  }
}
