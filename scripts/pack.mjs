// `npm run release:pack -- FOLDER`: packs the packages as they are published, built, into archives in FOLDER.
// In a GitHub workflow they name the repository, and their links lead there.
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { publishedManifest, publishedReadme, repositoryOf } from "./published.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const [given] = process.argv.slice(2);
if (given === undefined || given.startsWith("-")) {
  console.error("usage: npm run release:pack -- FOLDER");
  process.exit(2);
}
const folder = resolve(given);
const repository = repositoryOf(process.env);

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
    if (repository !== undefined) {
      const from = `packages/${name}`;
      change(join(copy, "package.json"), (text) => {
        return `${JSON.stringify(publishedManifest(JSON.parse(text), from, repository), undefined, 2)}\n`;
      });
      change(join(copy, "README.md"), (text) => publishedReadme(text, from, repository, root));
    }
    execFileSync("npm", ["pack", "--silent", "--ignore-scripts", "--pack-destination", folder], {
      cwd: copy,
    });
  } finally {
    rmSync(copy, { recursive: true });
  }
}

function change(file, toNew) {
  writeFileSync(file, toNew(readFileSync(file, "utf8")));
}
