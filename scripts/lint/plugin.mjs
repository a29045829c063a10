// The linter's plugin with the project's own rule, `layers/no-restricted-imports`. It reports an import that
// goes from a lower room to a higher one, an import that a package may not make, and a file that is in no
// room. The layers are written in layers.mjs.
import { posix } from "node:path";
import { packages } from "./layers.mjs";

const written = "The layers are written in scripts/lint/layers.mjs.";
const folders = new Map(Object.entries(packages).map(([folder, { name }]) => [name, folder]));

/** The packages with the number of each room's layer, the lowest 0, keyed by their folder in packages/. */
const plans = new Map(
  Object.entries(packages).map(([folder, { knows, modules, layers }]) => {
    /** @type {Map<string, number>} */
    const heights = new Map();
    for (const [height, layer] of layers.entries()) {
      for (const room of Object.keys(layer)) heights.set(room, height);
    }
    return [folder, { folder, knows, modules, heights }];
  }),
);

/**
 * The number of each room's layer in packages/`folder`, or undefined for a package without layers.
 * @returns {Map<string, number> | undefined}
 */
export function heightsOf(folder) {
  return plans.get(folder)?.heights;
}

/**
 * The room that a file belongs to: the longest of the paths that fits. A folder that is not listed, inside a
 * room whose other folders are, is in no room. `file` is a path below src.
 */
export function roomOf(file, heights) {
  let room = file;
  while (!heights.has(room)) {
    if (room === ".") return undefined;
    room = posix.dirname(room);
  }
  const parted = [...heights.keys()].some((other) => other.startsWith(`${room}/`));
  return parted && posix.dirname(file) !== room ? undefined : room;
}

/** The file that a relative import names, as a path below src. */
export function targetOf(file, specifier) {
  return posix.join(posix.dirname(file), specifier).replace(/\.js$/, ".ts");
}

/** The fault of an import by a file in a room, or undefined. */
function fault(plan, room, file, specifier) {
  if (!specifier.startsWith(".")) return outsideFault(plan, room, specifier);
  const target = targetOf(file, specifier);
  if (target.startsWith("../")) return "An import must not leave the package's src.";
  const to = roomOf(target, plan.heights);
  // A target in no room has a report of its own.
  if (to === undefined || to === room) return undefined;
  const above = plan.heights.get(to) - plan.heights.get(room);
  if (above < 0) return undefined;
  return above === 0
    ? `${room} and ${to} are in one layer and must not know one another. ${written}`
    : `${room} is in a lower layer than ${to} and must not import from it. ${written}`;
}

/** The same for an import from another package, or of a module of Node's. */
function outsideFault({ folder, knows, modules }, room, specifier) {
  const name = specifier.match(/^(?:@[^/]+\/)?[^/]+/)?.[0] ?? specifier;
  const other = folders.get(name);
  if (other !== undefined) {
    return knows.includes(other) ? undefined : `packages/${folder} must not import ${name}. ${written}`;
  }
  if (modules === undefined || modules["*"].includes(name) || modules[room]?.includes(name)) return undefined;
  return `${room} of packages/${folder} must not import ${name}. ${written}`;
}

const noRestrictedImports = {
  meta: { type: "problem", docs: { description: "Hold imports to the layers of scripts/lint/layers.mjs" } },
  create(context) {
    const [, folder, file] =
      context.filename.replaceAll("\\", "/").match(/.*\/packages\/([^/]+)\/src\/(.+)$/) ?? [];
    if (folder === undefined) return {};
    const plan = plans.get(folder);
    const room = plan && roomOf(file, plan.heights);
    if (room === undefined) {
      const unlisted = plan === undefined ? `packages/${folder} has no layers` : `${file} is in no room`;
      return { Program: (node) => context.report({ node, message: `${unlisted}. ${written}` }) };
    }
    const judge = ({ source }) => {
      if (typeof source?.value !== "string") return;
      const message = fault(plan, room, file, source.value);
      if (message !== undefined) context.report({ node: source, message });
    };
    return {
      ImportDeclaration: judge,
      ExportNamedDeclaration: judge,
      ExportAllDeclaration: judge,
      ImportExpression: judge,
      TSImportType: judge,
    };
  },
};

export default { meta: { name: "layers" }, rules: { "no-restricted-imports": noRestrictedImports } };
