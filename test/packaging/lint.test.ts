import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { describe, expect, it } from "vitest";
import { createFolder } from "../support/certificates.js";
import { closingAfterEach } from "../support/cleanup.js";

const closing = closingAfterEach();
const repository = fileURLToPath(new URL("../..", import.meta.url));

/** A folder with these files, given as paths and contents. */
function tree(files: Record<string, string>): string {
  const folder = closing(createFolder()).path;
  for (const [path, source] of Object.entries(files)) {
    mkdirSync(join(folder, path, ".."), { recursive: true });
    writeFileSync(join(folder, path), source);
  }
  return folder;
}

/**
 * The linter's output for source files, by the repository's own rules, except the rules that need the types.
 */
function lint(files: Record<string, string>): string {
  const folder = tree(files);
  const config = JSON.parse(readFileSync(join(repository, ".oxlintrc.json"), "utf8")) as object;
  writeFileSync(join(folder, ".oxlintrc.json"), JSON.stringify({ ...config, options: {} }));
  for (const name of ["node_modules", "scripts"]) symlinkSync(join(repository, name), join(folder, name));
  const oxlint = join(repository, "node_modules", "oxlint", "bin", "oxlint");
  const { stdout, stderr } = spawnSync(process.execPath, [oxlint, "--deny-warnings", "packages"], {
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
      const source = `export const strip = (text: string): string => text.replace(${regex}, "");\n`;
      const said = lint({ "packages/shared/src/text.ts": source });
      expect(said).toMatch(/no-super-linear-(move|backtracking)/);
    },
  );

  it("takes one that is linear", () => {
    const said = lint({
      "packages/shared/src/text.ts":
        'export const strip = (text: string): string => text.replace(/^\\.+/, "");\n',
    });
    expect(said).toContain("Found 0 warnings and 0 errors");
  });

  it("lets what both ends share import nothing", () => {
    const said = lint({
      "packages/shared/src/text.ts":
        'import { isIP } from "node:net";\n\nexport const version = (text: string): number => isIP(text);\n',
    });
    expect(said).toContain("no-restricted-imports");
  });

  it.each([
    ["node:fs", "Found 0 warnings and 0 errors"],
    ["commander", "no-restricted-imports"],
    ["mcp-tunnel-protocol", "no-restricted-imports"],
  ])("is told what the commands' part of it may import: %s: %s", (name, verdict) => {
    const said = lint({ "packages/shared/src/command/all.ts": `export * as all from "${name}";\n` });
    expect(said).toContain(verdict);
  });
});

describe("the layers", () => {
  const clean = "Found 0 warnings and 0 errors";

  it.each([
    'import { wsLink } from "./ws-link.js";\n\nexport const made = wsLink();\n',
    'import type { WsLink } from "./ws-link.js";\n\nexport type Made = WsLink;\n',
    'export { wsLink } from "./ws-link.js";\n',
    'export type { WsLink } from "./ws-link.js";\n',
    'export * from "./ws-link.js";\n',
    'export const made = await import("./ws-link.js");\n',
    'export type Made = import("./ws-link.js").WsLink;\n',
  ])("forbid a lower room to import from a higher one: %j", (source) => {
    expect(lint({ "packages/protocol/src/link.ts": source })).toContain(
      "link.ts is in a lower layer than ws-link.ts and must not import from it.",
    );
  });

  it("let a higher room import from a lower one, and a room from itself", () => {
    const said = lint({
      "packages/protocol/src/v1/session.ts":
        'import type { Link } from "../link.js";\nimport { frame } from "./frame.js";\n\n' +
        "export const link = (first: Link): unknown => [first, frame];\n",
    });
    expect(said).toContain(clean);
  });

  it("keep the rooms of one layer from one another", () => {
    const said = lint({
      "packages/protocol/src/v1/frame.ts": 'export { guard } from "../json/guard.js";\n',
    });
    expect(said).toContain("v1 and json are in one layer and must not know one another.");
  });

  it("take a folder inside a room for a room where they list it", () => {
    const upward = lint({
      "packages/relay/src/http/message.ts": 'export { page } from "./answer/page.js";\n',
    });
    expect(upward).toContain("http is in a lower layer than http/answer");
    const downward = lint({
      "packages/relay/src/http/answer/page.ts": 'export { head } from "../message.js";\n',
    });
    expect(downward).toContain(clean);
  });

  it("are complete: a file in no room and a package without layers are errors", () => {
    const nothing = "export const nothing = undefined;\n";
    expect(lint({ "packages/protocol/src/v2/frame.ts": nothing })).toContain("v2/frame.ts is in no room.");
    expect(lint({ "packages/relay/src/http/new/a.ts": nothing })).toContain("http/new/a.ts is in no room.");
    expect(lint({ "packages/other/src/index.ts": nothing })).toContain("packages/other has no layers.");
  });

  it.each([
    ["relay", "mcp-tunnel-client"],
    ["client", "mcp-tunnel"],
    ["protocol", "mcp-tunnel-client"],
    ["protocol", "mcp-tunnel/anything"],
  ])("keep packages/%s from importing %s", (folder, name) => {
    const said = lint({ [`packages/${folder}/src/index.ts`]: `export { made } from "${name}";\n` });
    expect(said).toMatch(new RegExp(`packages/${folder} must not import mcp-tunnel`));
  });

  it("keep an import from leaving the package's src", () => {
    const said = lint({
      "packages/relay/src/index.ts": 'export { made } from "../../client/src/index.js";\n',
    });
    expect(said).toContain("An import must not leave the package's src.");
  });

  it("let one room alone of the protocol know sockets", () => {
    const source = 'import { Socket } from "node:net";\n\nexport const made = new Socket();\n';
    expect(lint({ "packages/protocol/src/v1/session.ts": source })).toContain("must not import node:net.");
    expect(lint({ "packages/protocol/src/ws-link.ts": source })).toContain(clean);
  });

  it("name only rooms that exist", async () => {
    const { packages } = (await import(
      pathToFileURL(join(repository, "scripts", "lint", "layers.mjs")).href
    )) as { packages: Record<string, { layers: Record<string, string>[] }> };
    const paths = Object.entries(packages).flatMap(([folder, { layers }]) =>
      layers.flatMap((layer) => Object.keys(layer).map((room) => `packages/${folder}/src/${room}`)),
    );
    expect(paths).not.toEqual([]);
    expect(paths.filter((path) => !existsSync(join(repository, path)))).toEqual([]);
  });
});

describe("a cycle of imports", () => {
  it.each(["import type", "import"])("is an error within a room, with %s", (keyword) => {
    const half = (own: string, other: string) =>
      `${keyword} { ${other} } from "./${other}.js";\n\nexport type ${own} = typeof ${other};\n`;
    const said = lint({
      "packages/protocol/src/v1/a.ts": half("a", "b"),
      "packages/protocol/src/v1/b.ts": half("b", "a"),
    });
    expect(said).toContain("import(no-cycle)");
  });
});

describe("the count of rooms", () => {
  it("says how many imports go between rooms, how many of them upward, and what goes in circles", () => {
    const importing = (...files: string[]) => files.map((file) => `export * from "${file}.js";\n`).join("");
    const folder = tree({
      "packages/other/src/index.ts": importing("./low/a", "./middle/b", "./high"),
      "packages/other/src/high.ts": importing("./low/a", "./low/c", "./middle/b"),
      "packages/other/src/middle/b.ts": importing("../low/a"),
      "packages/other/src/low/a.ts": importing("./c"),
      "packages/other/src/low/c.ts": importing("../high"),
    });
    const rooms = join(repository, "scripts", "lint", "rooms.mjs");
    const { stdout } = spawnSync(process.execPath, [rooms, folder], { encoding: "utf8" });
    expect(stdout).toBe(`other: 5 files
  cycles of files: 1; high.ts, low/a.ts, low/c.ts, middle/b.ts
  by folder: 4 rooms, 7 imports between them, 1 upward
    cycles of rooms: 1; high.ts, low, middle
`);
  });
});
