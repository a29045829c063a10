// Makes a fresh clone ready: installs the locked dependencies when they are missing or out of date, then
// builds. `npm start`, `npm test` and `npm run check` run it, so that none of them needs a step before it.
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { installLocked, runOrExit } from "./install.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const run = (...args) => runOrExit(root, "setup", process.execPath, args);

installLocked(root, "setup");
run(join(root, "node_modules", "typescript", "bin", "tsc"), "-b");
for (const name of ["inspector", "dashboard"]) run(join(root, "packages", name, "build-page.mjs"));
run(join(root, "scripts", "client-package.mjs"));
