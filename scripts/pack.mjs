// `npm run release:pack -- FOLDER`: packs the packages as they are published, built, into archives in FOLDER.
// In a GitHub workflow they name the repository: npm accepts a provenance only for packages that say where
// they come from.
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const [given] = process.argv.slice(2);
if (given === undefined) {
  console.error("usage: npm run release:pack -- FOLDER");
  process.exit(2);
}
const folder = resolve(given);
const { GITHUB_SERVER_URL: server, GITHUB_REPOSITORY: repository } = process.env;

mkdirSync(folder, { recursive: true });
execFileSync(process.execPath, [join(root, "node_modules", "typescript", "bin", "tsc"), "-b", root]);
for (const name of ["inspector", "dashboard"]) {
  execFileSync(process.execPath, [join(root, "packages", name, "build-page.mjs")]);
}
execFileSync(process.execPath, [join(root, "scripts", "client-package.mjs")]);
for (const name of [
  "shared",
  "protocol",
  "config",
  "cluster",
  "relay",
  "client",
  "stdio",
  "gate",
  "inspector",
  "dashboard",
  "cli",
]) {
  // A copy, so that the manifest in the work tree does not change.
  const copy = mkdtempSync(join(tmpdir(), "mcp-tunnel-release-"));
  try {
    cpSync(join(root, "packages", name), copy, {
      recursive: true,
      filter: (path) => !path.includes("node_modules"),
    });
    if (repository !== undefined) nameRepository(join(copy, "package.json"), `packages/${name}`);
    execFileSync("npm", ["pack", "--silent", "--ignore-scripts", "--pack-destination", folder], {
      cwd: copy,
    });
  } finally {
    rmSync(copy, { recursive: true });
  }
}

function nameRepository(file, directory) {
  const manifest = JSON.parse(readFileSync(file, "utf8"));
  manifest.repository = { type: "git", url: `git+${server}/${repository}.git`, directory };
  writeFileSync(file, `${JSON.stringify(manifest, undefined, 2)}\n`);
}
