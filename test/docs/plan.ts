import { type PageBlock, shellBlocks } from "./pages.js";

// Which test runs a shell block of the pages. A block that is in neither table is run by
// transcripts.test.ts, as it is written.

/** Pages with a test of their own, which runs all blocks but those in `notRun`. */
export const ranElsewhere: Readonly<Record<string, string>> = {
  "docs/cluster.md": "test/cluster/docs.test.ts",
  "docs/dashboard.md": "test/docs/dashboard-api.test.ts",
  "docs/deploy.md": "test/docs/deploy.test.ts",
  "docs/inspector-api.md": "test/docs/inspector-api.test.ts",
};

interface NotRun {
  page: string;
  /** A part of the block that no other block of the page has; or a mark that several have. */
  has: string | { mark: string };
  why: string;
}

/** Blocks that no test runs as they are written. The options of our own commands in them are parsed. */
export const notRun: readonly NotRun[] = [
  { page: "README.md", has: "npm start", why: "test/mcp/npm-start.test.ts starts it; npm test is the tests" },
  { page: "README.md", has: "./packages/relay", why: "it replaces the packages that the tests use" },
  { page: "README.md", has: "./packages/cli", why: "it replaces the packages that the tests use" },
  { page: "docs/cluster.md", has: { mark: "root" }, why: "apt, systemd and other machines" },
  { page: "docs/config.md", has: "systemctl", why: "systemd; test/packaging/client-services.test.ts" },
  { page: "docs/config.md", has: "launchctl", why: "macOS; test/packaging/client-services.test.ts" },
  { page: "docs/deploy.md", has: { mark: "root" }, why: "apt, systemd, Docker and users of the machine" },
  { page: "docs/embedding.md", has: "npm install", why: "it replaces the packages that the tests use" },
  { page: "docs/executables.md", has: "npm ci", why: "test/executables builds them" },
  { page: "docs/executables.md", has: "gh ", why: "GitHub, and a release" },
  { page: "docs/performance.md", has: "bench", why: "hours; bench/test has the options" },
  { page: "docs/recipes.md", has: "--acme-hook", why: "Let's Encrypt and a DNS provider; test/tls has both" },
  { page: "docs/recipes.md", has: "npm install", why: "it replaces the packages that the tests use" },
  {
    page: "docs/restarts.md",
    has: { mark: "root" },
    why: "systemd; test/resilience/socket-activation.test.ts",
  },
  {
    page: "docs/restarts.md",
    has: "systemctl start",
    why: "systemd; test/resilience/socket-activation.test.ts",
  },
  { page: "docs/restarts.md", has: "rolling", why: "systemd; test/resilience/socket-activation.test.ts" },
  { page: "docs/tls.md", has: "--acme-hook", why: "Let's Encrypt and a DNS provider; test/tls has both" },
  { page: "docs/troubleshooting.md", has: "journalctl", why: "the journal of a server" },
  { page: "docs/visitor-auth.md", has: "accounts.google.com", why: "an account at Google" },
  { page: "packages/relay/README.md", has: "redis.internal", why: "Redis; test/cluster/docs.test.ts" },
];

function isOf({ page, has }: NotRun, block: PageBlock): boolean {
  if (page !== block.page) return false;
  return typeof has === "string" ? block.text.includes(has) : block.marks[0] === has.mark;
}

export const blocksOf = (entry: NotRun): PageBlock[] => shellBlocks.filter((block) => isOf(entry, block));

export const isNotRun = (block: PageBlock): boolean => notRun.some((entry) => isOf(entry, block));

/** The blocks that transcripts.test.ts runs. */
export const transcriptBlocks: readonly PageBlock[] = shellBlocks.filter(
  (block) => ranElsewhere[block.page] === undefined && !isNotRun(block),
);
