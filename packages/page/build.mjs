// Builds a page into dist/page.js of its package, a module that has the files of the page as texts. So a
// bundle of a command, or a single executable, has the page in it. Nothing is built if nothing has changed.
import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const shared = dirname(fileURLToPath(import.meta.url));

const types = {
  css: "text/css; charset=utf-8",
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  svg: "image/svg+xml",
};

/**
 * Builds the page whose sources are in `page/` of a package.
 *
 * @param {object} options
 * @param {string} options.folder The folder of the package.
 * @param {number} options.maxBytes Most bytes of all files, gzipped.
 * @param {string[]} options.sources Further files that the page is made of, as seen from the folder.
 * @param {() => Promise<Record<string, unknown>>} [options.constants] Values by the names that the sources
 *   have for them. Asked for only when there is something to build.
 * @throws Error when the page is larger than `maxBytes`, or has a file of an unknown kind.
 */
export async function buildPage({ folder, maxBytes, sources, constants = async () => ({}) }) {
  const output = join(folder, "dist", "page.js");
  const made = ["page", "build-page.mjs", "package.json", ...sources].map((name) => join(folder, name));
  if (isUpToDate(output, [...made, shared])) return;
  const files = await bundle(join(folder, "page"), await constants());
  const bytes = Object.values(files).reduce((sum, { gzipped }) => sum + (gzipped.length / 4) * 3, 0);
  if (bytes > maxBytes) throw new Error(`the page has ${bytes} bytes gzipped, more than ${maxBytes}`);
  mkdirSync(dirname(output), { recursive: true });
  writeFileSync(output, `export const files = ${JSON.stringify(files, undefined, 2)};\n`);
  console.error(`page: ${Math.round(bytes)} bytes gzipped`);
}

/** @param {string} output @param {string[]} sources Files, and folders with all that is in them. */
function isUpToDate(output, sources) {
  if (!existsSync(output)) return false;
  const builtAt = statSync(output).mtimeMs;
  return sources.flatMap(filesOf).every((file) => statSync(file).mtimeMs <= builtAt);
}

/** @param {string} path @returns {string[]} */
function filesOf(path) {
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path, { withFileTypes: true }).flatMap((entry) =>
    entry.name === "node_modules" ? [] : filesOf(join(path, entry.name)),
  );
}

/**
 * @param {string} root @param {Record<string, unknown>} constants
 * @returns {Promise<Record<string, { type: string, gzipped: string }>>}
 */
async function bundle(root, constants) {
  // Vite builds something else for tests, and the same sources have to give the same page.
  process.env.NODE_ENV = "production";
  // Vite takes half a second to load.
  const { build } = await import("vite");
  const result = await build({
    root,
    configFile: false,
    logLevel: "warn",
    define: Object.fromEntries(
      Object.entries(constants).map(([name, value]) => [name, JSON.stringify(value)]),
    ),
    oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
    build: { write: false, target: "es2022", assetsInlineLimit: 0, modulePreload: false },
  });
  const [{ output: chunks }] = Array.isArray(result) ? result : [result];
  const files = {};
  for (const chunk of chunks) {
    const content = Buffer.from(chunk.type === "chunk" ? chunk.code : chunk.source);
    const path = chunk.fileName === "index.html" ? "/" : `/${chunk.fileName}`;
    const type = types[chunk.fileName.split(".").at(-1)];
    if (type === undefined) throw new Error(`no media type is known for ${chunk.fileName}`);
    files[path] = { type, gzipped: gzipSync(content, { level: 9 }).toString("base64") };
  }
  return files;
}
