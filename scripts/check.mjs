// `npm run check`: all checks that do not run the product. All steps run, also after one that failed, so that
// one run tells the whole story. The exit status is 1 if any step failed.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const published = "shared protocol config cluster relay client stdio gate inspector dashboard cli".split(" ");
const commands = ["cli"];
/** Folders in packages/ of what runs in a browser. */
const pages = [["page"], ["inspector", "page"], ["dashboard", "page"]];

/** Runs a command of node_modules/.bin (or of the system). Returns its output and whether it succeeded. */
function run(command, args, cwd = root) {
  const result = spawnSync(command, args, {
    cwd,
    encoding: "utf8",
    env: { ...process.env, PATH: `${join(root, "node_modules", ".bin")}:${process.env.PATH}`, NO_COLOR: "1" },
    shell: process.platform === "win32",
  });
  const output = result.error === undefined ? result.stdout + result.stderr : String(result.error);
  return { ok: result.status === 0, output };
}

/** Packs each published package as npm would and checks the archive, which users get. */
function packages() {
  const folder = mkdtempSync(join(tmpdir(), "mcp-tunnel-pack-"));
  try {
    const results = published.flatMap((name) => {
      const packed = run(
        "npm",
        ["pack", "--silent", "--pack-destination", folder],
        join(root, "packages", name),
      );
      if (!packed.ok) return [packed];
      const file = packed.output.split("\n").find((line) => line.endsWith(".tgz"));
      if (file === undefined) return [{ ok: false, output: `npm pack named no archive:\n${packed.output}` }];
      const archive = join(folder, file);
      const lint = run("publint", ["run", archive, "--strict"]);
      // A package that is only a command has no types.
      if (commands.includes(name)) return [lint];
      return [lint, run("attw", [archive, "--profile", "esm-only", "--no-emoji", "--no-color"])];
    });
    return merge(results);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function merge(results) {
  return { ok: results.every((r) => r.ok), output: results.map((r) => r.output).join("") };
}

/** No committed file may depend on the machine it was written on, or tell about it. */
function machinePaths() {
  const registry = run("npm", ["config", "get", "registry"]).output.match(/https?:\/\/([^/\s]+)/)?.[1];
  const secrets = [root, homedir()].filter((path) => path.split("/").length > 2);
  if (registry !== undefined && registry !== "registry.npmjs.org") secrets.push(registry);
  const personal = /(?:^|[\s"'`=(])\/(?:home|Users|root)\/[\w.-]+/;
  const files = run("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).output.split(
    "\0",
  );
  const found = [];
  for (const file of files.filter((name) => name !== "")) {
    let text;
    try {
      text = readFileSync(join(root, file), "utf8");
    } catch {
      continue; // deleted in the work tree, or a link to nowhere
    }
    for (const [i, line] of text.split("\n").entries()) {
      if (personal.test(line) || secrets.some((secret) => line.includes(secret))) {
        found.push(`${file}:${i + 1}: ${line.trim().slice(0, 120)}`);
      }
    }
  }
  return { ok: found.length === 0, output: found.join("\n") };
}

/** Comments and documents are read in columns as narrow as the code's (lineWidth in biome.json). */
function columns() {
  const width = JSON.parse(readFileSync(join(root, "biome.json"), "utf8")).formatter.lineWidth;
  const files = run("git", ["ls-files", "-z", "*.ts", "*.mjs", "*.md", ":!.changeset", ":!*CHANGELOG.md"]);
  const found = [];
  for (const file of files.output.split("\0").filter((name) => existsSync(join(root, name)) && name !== "")) {
    const isProse = file.endsWith(".md");
    // Between markers such as <!-- attacks --> a program writes.
    let isCode = false;
    for (const [i, line] of readFileSync(join(root, file), "utf8").split("\n").entries()) {
      if (isProse && /^\s*(```|~~~|<!-- (end of )?attacks)/.test(line)) isCode = !isCode;
      // Tables cannot be wrapped, nor can one long word or code span. The formatter wraps code.
      const isRead = isProse ? !isCode && !/^\s*(\||<!--|\[)/.test(line) : /^\s*(\/\/|\/?\*)/.test(line);
      if (isRead && Array.from(line).length > width && / /.test(line.trim().replaceAll(/`[^`]*`/g, ""))) {
        found.push(`${file}:${i + 1}: ${Array.from(line).length} columns`);
      }
    }
  }
  return { ok: found.length === 0, output: found.join("\n") };
}

const steps = [
  { name: "types of the packages and the bench (tsc -b)", run: () => run("tsc", ["-b", ".", "bench"]) },
  { name: "types of the tests", run: () => run("tsc", ["-p", "test", "--noEmit"]) },
  {
    name: "types of the pages",
    run: () => merge(pages.map((folder) => run("tsc", ["-p", join("packages", ...folder)]))),
  },
  { name: "types of the scripts and examples", run: () => run("tsc", ["-p", "tsconfig.tools.json"]) },
  {
    name: "lint, layers and import cycles (oxlint, type-aware)",
    run: () => run("oxlint", ["--deny-warnings"]),
  },
  { name: "format (biome)", run: () => run("biome", ["format", "."]) },
  { name: "unused code and dependencies (knip)", run: () => run("knip", ["--no-progress"]) },
  { name: "published packages (publint, attw)", run: packages },
  {
    name: "reference of the packages, without a warning (typedoc)",
    run: () => run("node", ["scripts/api.mjs"]),
  },
  { name: "lock file complete", run: () => run("node", ["scripts/lock.mjs"]) },
  { name: "no machine paths", run: machinePaths },
  { name: "columns of comments and documents", run: columns },
];

const failed = [];
for (const step of steps) {
  const startedAt = performance.now();
  const { ok, output } = step.run();
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  console.log(`${ok ? "ok    " : "FAILED"} ${step.name} (${seconds} s)`);
  if (!ok) {
    failed.push(step.name);
    console.log(output.trimEnd().replaceAll(/^/gm, "       "));
  }
}
if (failed.length > 0) {
  console.log(`check: ${failed.length} of ${steps.length} steps failed: ${failed.join(", ")}`);
  process.exit(1);
}
console.log(`check: all ${steps.length} steps passed`);
