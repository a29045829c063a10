// `npm run test:node -- 24 [vitest arguments]`: runs what `npm test` runs on another release of Node, from
// the npm package that holds its binary. It leaves nothing behind in the work tree. Tests with a command of
// their own take their mode: `--mode security test/security test/fuzz`.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { arch, platform, tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const [release, ...vitestArguments] = process.argv.slice(2);
if (release === undefined || !/^\d+(\.\d+){0,2}$/.test(release)) {
  console.error("usage: npm run test:node -- RELEASE [vitest arguments]   (RELEASE such as 22 or 24.1.0)");
  process.exit(2);
}

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const folder = mkdtempSync(join(tmpdir(), "mcp-tunnel-node-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

const packageName = `node-${platform() === "win32" ? "win" : platform()}-${arch()}`;
run("npm", ["install", "--no-save", "--prefix", folder, `${packageName}@${release}`]);
const bin = join(folder, "node_modules", packageName, "bin");
if (!readdirSync(bin).some((file) => file.startsWith("node")))
  throw new Error(`${packageName} holds no node`);

const env = { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}` };
run("node", ["--version"], env);
run("node", [join(root, "node_modules", "vitest", "vitest.mjs"), "run", ...vitestArguments], env);

function run(command, args, environment = process.env) {
  const { status, error } = spawnSync(command, args, {
    cwd: root,
    env: environment,
    stdio: "inherit",
    shell: platform() === "win32",
  });
  if (error !== undefined) throw error;
  if (status !== 0) process.exit(status ?? 1);
}
