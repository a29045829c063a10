import { configDefaults, defineConfig } from "vitest/config";
import { CountsReporter } from "./scripts/counts-reporter.js";

/** Takes a minute for npm alone, and has a command of its own: `npm run test:image`. */
const image = "test/packaging/image.test.ts";

export default defineConfig(({ mode }) => ({
  test: {
    include: ["packages/*/test/**/*.test.ts", "bench/test/**/*.test.ts", "test/**/*.test.ts"],
    exclude: mode === "image" ? configDefaults.exclude : [...configDefaults.exclude, image],
    // The machine that runs them may have two cores; end-to-end tests start processes of their own.
    maxWorkers: 2,
    testTimeout: 20_000,
    // Hooks start several processes, and each may take as long as startRelayCommand waits for it.
    hookTimeout: 45_000,
    reporters: ["default", new CountsReporter()],
  },
}));
