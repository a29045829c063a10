/**
 * Runs the user's code. Anything that it throws becomes an uncaught exception of its own, and breaks nothing
 * here.
 */
export function runAside(action: () => unknown): void {
  try {
    action();
  } catch (error) {
    process.nextTick(() => {
      throw error;
    });
  }
}
