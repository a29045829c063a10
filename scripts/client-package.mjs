// Builds the package that relays hand out, `npx -y https://RELAY/client-VERSION-HEX.tgz`: the client's
// command in one file, with no dependencies. It goes into packages/relay/dist/built-client.js as a text, so
// that it is wherever the relay is: in a clone, a package, an image, a bundle and an executable. Nothing is
// built if nothing has changed.
//
//   node scripts/client-package.mjs [FOLDER]
//
// writes the package besides as FOLDER/client.tgz, and prints its checksums. The same sources give the same
// archive wherever they are. The compressor belongs to Node, so that other releases may compress it
// otherwise.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { gunzipSync, gzipSync } from "node:zlib";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const output = join(root, "packages", "relay", "dist", "built-client.js");
/** Packages of ours that are in the client's command. */
const parts = ["shared", "protocol", "config", "client", "stdio", "gate", "inspector", "cli"];
/** What people wait for, in bytes: a command that grew beyond it has taken in something by mistake. */
const maxBytes = 1_500_000;

/**
 * npm asks its registry for a package that was installed from a URL, by its name alone, when everything is
 * brought up to date (`npm update --global`). The registry takes no new names with capitals, so nobody can
 * have this one.
 */
const packageName = "MCP-Tunnel-Client";

const readme = `# mcp-tunnel-client

A public URL for a local MCP server, or any HTTP service, through a relay of mcp-tunnel.

This package came from a relay, and not from a registry of packages: the relay that hands it out says on its page
how to run it. It is the whole command in one file, \`mcp-tunnel-client.cjs\`, which needs nothing but Node 20.19 or
newer. \`mcp-tunnel-client --help\` tells the rest.

THIRD-PARTY-LICENSES.txt has the licences of the packages that are in the file.
`;

function isUpToDate() {
  if (!existsSync(output)) return false;
  const builtAt = statSync(output).mtimeMs;
  const sources = parts.flatMap((name) => filesIn(join(root, "packages", name, "dist")));
  for (const file of ["package-lock.json", "LICENSE", "packages/cli/package.json", "scripts/bundle.mjs"]) {
    sources.push(join(root, file));
  }
  sources.push(fileURLToPath(import.meta.url));
  return sources.every((file) => statSync(file).mtimeMs <= builtAt);
}

function filesIn(folder) {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

async function build() {
  // esbuild takes a while to load.
  const { bundleCommand } = await import("./bundle.mjs");
  const { code, licences } = await bundleCommand("mcp-tunnel-client");
  const { version, description, license, engines } = JSON.parse(
    readFileSync(join(root, "packages", "cli", "package.json"), "utf8"),
  );
  const manifest = {
    name: packageName,
    version,
    description,
    license,
    engines,
    bin: { "mcp-tunnel-client": "mcp-tunnel-client.cjs" },
  };
  const archive = tar({
    "package.json": `${JSON.stringify(manifest, undefined, 2)}\n`,
    LICENSE: readFileSync(join(root, "LICENSE"), "utf8"),
    "README.md": readme,
    "THIRD-PARTY-LICENSES.txt": licences,
    "mcp-tunnel-client.cjs": `#!/usr/bin/env node\n${code}`,
  });
  const file = gzipSync(archive, { level: 9 });
  // The system that packed it (RFC 1952 section 2.3.1): unknown, so that all systems write the same.
  file[9] = 255;
  return { version, file };
}

/**
 * An archive in the format of POSIX (ustar) in which nothing depends on when, where and by whom it was made.
 *
 * @param {Record<string, string>} files Their texts by their names.
 */
function tar(files) {
  const blocks = Object.entries(files).flatMap(([name, text]) => {
    const content = Buffer.from(text);
    const header = Buffer.alloc(512);
    header.write(`package/${name}`, 0);
    header.write(name.endsWith(".cjs") ? "0000755\0" : "0000644\0", 100);
    header.write("0000000\0".repeat(2), 108); // the owner and his group
    header.write(`${content.length.toString(8).padStart(11, "0")}\0`, 124);
    // The time that npm gives to files: zip files, into which others put them, know none before 1980.
    header.write(`${(499_162_500).toString(8).padStart(11, "0")}\0`, 136);
    header.write(" ".repeat(8), 148); // the checksum counts as this
    header.write("0", 156); // a file
    header.write("ustar\x0000", 257);
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
    return [header, content, Buffer.alloc(-content.length & 511)];
  });
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

if (!isUpToDate()) {
  const { version, file } = await build();
  if (file.length > maxBytes)
    throw new Error(`the client's package has ${file.length} bytes, more than ${maxBytes}`);
  mkdirSync(dirname(output), { recursive: true });
  const text = `export const version = ${JSON.stringify(version)};\nexport const base64 =\n  "${file.toString("base64")}";\n`;
  writeFileSync(output, text);
  console.error(`client package: ${file.length} bytes`);
}

const [folder] = process.argv.slice(2);
if (folder !== undefined) {
  const { base64 } = await import(pathToFileURL(output).href);
  const file = Buffer.from(base64, "base64");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "client.tgz"), file);
  const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");
  console.log(`${sha256(file)}  client.tgz\n${sha256(gunzipSync(file))}  its content, as a .tar`);
}
