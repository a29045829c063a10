import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { createFolder } from "../support/certificates.js";
import { closingAfterEach } from "../support/cleanup.js";

const closing = closingAfterEach();
const repository = fileURLToPath(new URL("../..", import.meta.url));

/** What the linter says of a source file of a package by the repository's own rules, but for those that need the types. */
function lint(path: string, source: string): string {
  const folder = closing(createFolder()).path;
  const config = JSON.parse(readFileSync(join(repository, ".oxlintrc.json"), "utf8")) as object;
  writeFileSync(join(folder, ".oxlintrc.json"), JSON.stringify({ ...config, options: {} }));
  symlinkSync(join(repository, "node_modules"), join(folder, "node_modules"));
  mkdirSync(join(folder, path, ".."), { recursive: true });
  writeFileSync(join(folder, path), source);
  const oxlint = join(repository, "node_modules", "oxlint", "bin", "oxlint");
  const { stdout, stderr } = spawnSync(process.execPath, [oxlint, "--deny-warnings", path], {
    cwd: folder,
    encoding: "utf8",
    env: { ...process.env, NO_COLOR: "1" },
  });
  return stdout + stderr;
}

describe("the linter", () => {
  it.each(["/^\\.+|\\.+$/g", "/\\s*\\n\\s*/g", "/^(a+)+$/"])(
    "finds that %s takes more than linear time",
    (regex) => {
      const said = lint(
        "packages/relay/src/text.ts",
        `export const strip = (text: string): string => text.replace(${regex}, "");\n`,
      );
      expect(said).toMatch(/no-super-linear-(move|backtracking)/);
    },
  );

  it("takes one that is linear", () => {
    const said = lint(
      "packages/relay/src/text.ts",
      'export const strip = (text: string): string => text.replace(/^\\.+/, "");\n',
    );
    expect(said).toContain("Found 0 warnings and 0 errors");
  });

  it("lets what both ends share import nothing", () => {
    const said = lint(
      "packages/shared/src/text.ts",
      'import { isIP } from "node:net";\n\nexport const version = (text: string): number => isIP(text);\n',
    );
    expect(said).toContain("no-restricted-imports");
  });

  it.each([
    ["node:fs", "Found 0 warnings and 0 errors"],
    ["commander", "no-restricted-imports"],
    ["mcp-tunnel-protocol", "no-restricted-imports"],
  ])("is told what the commands' part of it may import: %s: %s", (name, verdict) => {
    const said = lint("packages/shared/src/command/all.ts", `export * as all from "${name}";\n`);
    expect(said).toContain(verdict);
  });
});
