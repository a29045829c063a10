// Finds, and with `--fix` adds, the entries that package-lock.json lacks for other platforms:
// `node scripts/lock.mjs [--fix]`.
//
// Native tools come as one optional package for each platform. npm leaves packages out of the lock that its
// registry cannot serve at the moment (a mirror may hold only some platforms). Then `npm ci` refuses the
// whole lock, everywhere. An added entry has the exact version that the tool names, and the platform that is
// in the package's own name, so that npm skips it elsewhere. It has no checksum until somebody installs it on
// such a platform and saves the lock.
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const file = join(dirname(fileURLToPath(import.meta.url)), "..", "package-lock.json");
const lock = JSON.parse(readFileSync(file, "utf8"));

const locked = new Set(Object.keys(lock.packages).map((path) => path.split("node_modules/").at(-1)));
const missing = [];
for (const entry of Object.values(lock.packages)) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    if (!locked.has(name)) missing.push({ name, version, dev: entry.dev === true });
  }
}

if (missing.length === 0) process.exit(0);
if (!process.argv.includes("--fix")) {
  console.log(
    "package-lock.json lacks optional packages, so that npm ci refuses it (node scripts/lock.mjs --fix):",
  );
  for (const { name, version } of missing) console.log(`  ${name}@${version}`);
  process.exit(1);
}
for (const { name, version, dev } of missing) {
  const { os, cpu, libc } = platformOf(name);
  // The fields are in npm's order, so that its next run changes nothing.
  lock.packages[`node_modules/${name}`] = {
    version,
    cpu,
    ...(dev ? { dev } : {}),
    ...libc,
    optional: true,
    os,
  };
}
lock.packages = Object.fromEntries(Object.entries(lock.packages).toSorted(([a], [b]) => (a < b ? -1 : 1)));
writeFileSync(file, `${JSON.stringify(lock, undefined, 2)}\n`);

/** `@oxlint/binding-linux-x64-musl` -> linux, x64, musl. */
function platformOf(name) {
  const systems = "android|darwin|freebsd|linux|openbsd|openharmony|win32";
  const match = new RegExp(`(${systems})-(arm64|arm|ia32|loong64|ppc64|riscv64|s390x|x64)(-musl|-gnu)?`).exec(
    name,
  );
  if (match === null) throw new Error(`${name} does not tell its platform; use a registry that has it`);
  const [, os, cpu, abi] = match;
  const libc = os === "linux" && abi !== undefined ? { libc: [abi === "-musl" ? "musl" : "glibc"] } : {};
  return { os: [os], cpu: [cpu], libc };
}
