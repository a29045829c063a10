// Builds the page of the inspector into dist/page.js.
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { buildPage } from "mcp-tunnel-page/build";

await buildPage({
  folder: dirname(fileURLToPath(import.meta.url)),
  // A page on a laptop could be longer, but not without a reason.
  maxBytes: 60_000,
  sources: ["src/model.ts"],
});
