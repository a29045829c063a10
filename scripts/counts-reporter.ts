import type { Reporter, TestModule, SerializedError } from "vitest/node";

/**
 * Ends a run with one plain line, `N passed, N failed`, for readers of logs. A file that could not be loaded
 * and an error outside of any test count as failed. Under CI a skipped test fails the run: every program that
 * a test needs is installed there, so a skip means that something was not tested.
 */
export class CountsReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly SerializedError[]): void {
    let passed = 0;
    let failed = errors.length;
    const skipped: string[] = [];
    for (const module of modules) {
      failed += module.errors().length;
      for (const suite of module.children.allSuites()) failed += suite.errors().length;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state === "passed") passed += 1;
        else if (state === "failed") failed += 1;
        else skipped.push(`${module.relativeModuleId}: ${test.fullName}`);
      }
    }
    if (skipped.length > 0) {
      console.log(`${skipped.length} skipped:`);
      for (const name of skipped) console.log(`  ${name}`);
      if (process.env["CI"] !== undefined) {
        console.log("A skipped test counts as failed under CI.");
        failed += skipped.length;
        process.exitCode = 1;
      }
    }
    console.log(`${passed} passed, ${failed} failed`);
  }
}
