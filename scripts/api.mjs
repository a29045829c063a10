// `npm run api`: builds the API reference into docs/api/dist. It fails on a warning. Typedoc knows TypeScript
// up to release 6, and this repository is compiled by 7, so docs/api has packages of its own.
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { installLocked, runOrExit } from "./install.mjs";

const folder = fileURLToPath(new URL("../docs/api", import.meta.url));

installLocked(folder, "api");
runOrExit(folder, "api", process.execPath, [join(folder, "build.mjs")]);
