import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { installedOnce } from "../support/installed.js";
import { missing } from "../support/requires.js";

/** The commit whose commands stand for those that people have had for long. */
const firstCommit = "3f63e07963b43491e14f7b45c60eac31bcb886f6";

const repository = fileURLToPath(new URL("../..", import.meta.url));
/** What npm installs: the two commands' workspaces, and the root's tools to build them. */
const scope = [
  "--ignore-scripts",
  "--no-audit",
  "--no-fund",
  "--loglevel=error",
  "--include-workspace-root",
  "--workspace=packages/protocol",
  "--workspace=packages/relay",
  "--workspace=packages/client",
];
/** The tools are nine tenths of what is installed, and go when they have built the commands. */
const steps = [
  { command: "npm", args: ["ci", ...scope] },
  { command: process.execPath, args: ["node_modules/typescript/bin/tsc", "-b"] },
  { command: "npm", args: ["prune", "--omit=dev", ...scope] },
];

/**
 * A folder with this commit, its locked dependencies installed and its commands built. It is made once, in
 * the user's cache. If that fails, the caller has to skip its tests: the function returns undefined and tells
 * the reason on stderr. Under CI it throws.
 */
function checkout(): string | undefined {
  if (!isInHistory()) {
    missing(`the commit ${firstCommit} is not in this history: "git fetch --unshallow" brings it`);
    return undefined;
  }
  return installedOnce(
    "node",
    `the commit ${firstCommit}`,
    () => [firstCommit, ...steps.flatMap(({ args }) => args)],
    (folder) => {
      const archive = execFileSync("git", ["archive", firstCommit], {
        cwd: repository,
        maxBuffer: 64 * 1024 * 1024,
      });
      execFileSync("tar", ["-x"], { cwd: folder, input: archive, stdio: "pipe" });
      for (const { command, args } of steps) execFileSync(command, args, { cwd: folder, stdio: "pipe" });
    },
  );
}

function isInHistory(): boolean {
  try {
    execFileSync("git", ["cat-file", "-e", `${firstCommit}^{commit}`], { cwd: repository, stdio: "pipe" });
    return true;
  } catch {
    return false;
  }
}

const folder = checkout();

/** Whether the commit's commands are not there, so that tests of them are skipped. */
export const isFirstMissing = folder === undefined;

/** Its commands, as the `bin` entries of its packages name them. */
export const firstCommands = {
  relay: join(folder ?? "", "packages/relay/bin/mcp-tunnel.js"),
  client: join(folder ?? "", "packages/client/bin/mcp-tunnel-client.js"),
};
