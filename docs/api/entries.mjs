// The entries of the packages, as their package.json files name them.
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const folder = new URL("../../packages/", import.meta.url);

/** The packages that a program may use, in the order of the reference. */
const order = ["client", "relay", "cluster", "gate", "stdio", "inspector", "protocol"];

/** The entries of these packages that are made for our own commands, and change with them. */
const forCommands = new Set([
  "mcp-tunnel-client/options",
  "mcp-tunnel-client/own-exchange",
  "mcp-tunnel-gate/files",
  "mcp-tunnel-inspector/lines",
]);

/**
 * @typedef {object} Entry
 * @property {string} name What a program imports, such as `mcp-tunnel-gate/state`.
 * @property {string} source The path of its source file.
 * @property {string} description What its package is, in a line.
 * @property {boolean} isPublic Whether the reference has it.
 */

/** All entries of all packages: those of the reference first, in its order. */
export function readEntries() {
  const others = readdirSync(folder).filter((name) => !order.includes(name));
  return [...order, ...others].flatMap((name) => entriesOf(name, order.includes(name)));
}

/** @returns {Entry[]} */
function entriesOf(name, isPublic) {
  const manifest = JSON.parse(readFileSync(new URL(`${name}/package.json`, folder), "utf8"));
  // What has no types, such as the parts of our pages, is for no program.
  const typed = Object.entries(manifest.exports ?? {}).filter(([, { types }]) => types !== undefined);
  return typed.map(([path, { types }]) => {
    const imported = manifest.name + path.slice(1);
    const source = types.replace(/^\.\/dist\/(.*)\.d\.ts$/, "src/$1.ts");
    return {
      name: imported,
      source: fileURLToPath(new URL(`${name}/${source}`, folder)),
      description: manifest.description,
      isPublic: isPublic && !forCommands.has(imported),
    };
  });
}
