/** Counts what it is told of starts. No start is allowed for half a second after one that failed. */
export class FakeBackoff {
  waitMs = 0;
  failures = 0;
  successes = 0;

  failed(): void {
    this.failures++;
    this.waitMs = 500;
  }

  succeeded(): void {
    this.successes++;
    this.waitMs = 0;
  }
}
