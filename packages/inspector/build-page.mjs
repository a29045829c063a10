// Builds the page of the inspector into dist/page.js, a module that has the files of the page as texts. So a
// bundle of the command, or a single executable, has the page in it. Nothing is built if nothing has changed.
import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const root = dirname(fileURLToPath(import.meta.url));
const output = join(root, "dist", "page.js");
/** Bytes of all files, gzipped. A page on a laptop could be longer, but not without a reason. */
const maxBytes = 60_000;

const types = {
  css: "text/css; charset=utf-8",
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  svg: "image/svg+xml",
};

function isUpToDate() {
  if (!existsSync(output)) return false;
  const builtAt = statSync(output).mtimeMs;
  const sources = readdirSync(join(root, "page"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  sources.push(fileURLToPath(import.meta.url), join(root, "src", "model.ts"), join(root, "package.json"));
  return sources.every((file) => statSync(file).mtimeMs <= builtAt);
}

/** @returns {Promise<Record<string, { type: string, gzipped: string }>>} */
async function build() {
  // Vite builds something else for tests, and the same sources have to give the same page.
  process.env.NODE_ENV = "production";
  // Vite takes half a second to load.
  const { build: bundle } = await import("vite");
  const result = await bundle({
    root: join(root, "page"),
    configFile: false,
    logLevel: "warn",
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

if (!isUpToDate()) {
  const files = await build();
  const bytes = Object.values(files).reduce((sum, { gzipped }) => sum + (gzipped.length / 4) * 3, 0);
  if (bytes > maxBytes) throw new Error(`the page has ${bytes} bytes gzipped, more than ${maxBytes}`);
  mkdirSync(dirname(output), { recursive: true });
  writeFileSync(output, `export const files = ${JSON.stringify(files, undefined, 2)};\n`);
  console.error(`page: ${Math.round(bytes)} bytes gzipped`);
}
