import { configDefaults, defineConfig } from "vitest/config";
import { CountsReporter } from "./scripts/counts-reporter.js";

/**
 * Tests with a command of their own, `npm run test:NAME` (or `NAME`), because they take long: they install
 * software of others, start a browser, measure time, cut links, or play what people, hosts and attackers do
 * from end to end.
 */
const separate: Readonly<Record<string, readonly string[]>> = {
  cluster: ["test/cluster/**", "test/workers/**"],
  dashboard: ["test/dashboard/**"],
  docs: ["test/docs/transcripts.test.ts"],
  executables: ["test/executables/**"],
  hosts: ["test/hosts/**", "test/commands/visitors.test.ts"],
  inspector: ["test/inspector/**"],
  newcomer: ["test/newcomer/**"],
  packaging: ["test/packaging/**"],
  pictures: ["test/pictures/**"],
  resilience: ["test/resilience/**", "test/soak/**"],
  security: ["test/fuzz/**", "test/security/**"],
  services: ["test/services/**", "test/doctor/**", "test/tls/acme.test.ts"],
  skew: ["test/skew/**"],
  stdio: ["test/stdio/**"],
  survey: ["test/survey/**"],
};

export default defineConfig(({ mode }) => ({
  test: {
    include: ["packages/*/test/**/*.test.ts", "bench/test/**/*.test.ts", "test/**/*.test.ts"],
    exclude: [
      ...configDefaults.exclude,
      ...Object.entries(separate).flatMap(([name, files]) => (name === mode ? [] : files)),
    ],
    // The machine that runs the tests may have two cores. End-to-end tests start processes of their own, and
    // spend a third of their time waiting.
    maxWorkers: 3,
    testTimeout: 20_000,
    // Hooks start several processes, and each may take as long as startRelayCommand waits for it.
    hookTimeout: 45_000,
    reporters: ["default", new CountsReporter()],
  },
}));
