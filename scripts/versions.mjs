// `npm run release:version` calls this when the manifests have their new version. It writes the version into
// the sources.
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const packages = join(dirname(fileURLToPath(import.meta.url)), "..", "packages");

for (const name of ["client", "cli", "inspector", "relay", "stdio"]) {
  const { version } = JSON.parse(readFileSync(join(packages, name, "package.json"), "utf8"));
  const file = join(packages, name, "src", "version.ts");
  const source = readFileSync(file, "utf8");
  writeFileSync(file, source.replace(/version = "[^"]*"/, `version = "${version}"`));
}
