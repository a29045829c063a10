import { defineConfig } from "vitest/config";
import { CountsReporter } from "./scripts/counts-reporter.js";

export default defineConfig({
  test: {
    include: ["packages/*/test/**/*.test.ts", "bench/test/**/*.test.ts", "test/**/*.test.ts"],
    // The machine that runs them may have two cores; end-to-end tests start processes of their own.
    maxWorkers: 2,
    testTimeout: 20_000,
    // Hooks start several processes, and each may take as long as startRelayCommand waits for it.
    hookTimeout: 45_000,
    reporters: ["default", new CountsReporter()],
  },
});
