// Builds the page of the dashboard into dist/page.js.
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { buildPage } from "mcp-tunnel-page/build";

await buildPage({
  folder: dirname(fileURLToPath(import.meta.url)),
  maxBytes: 40_000,
  sources: ["src/model.ts"],
});
