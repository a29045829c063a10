// Builds the page of the dashboard into dist/page.js.
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { buildPage } from "mcp-tunnel-page/build";

/** What the relay's code says of its limits and refusals, so that the page says the same. */
async function relayWords() {
  const { limitList } = await import("../relay/dist/limits.js");
  const { relayErrors } = await import("../relay/dist/http/answer/errors.js");
  const counted = limitList.filter(({ name }) => name !== undefined);
  return {
    limits: Object.fromEntries(counted.map(({ name, text, flag }) => [name, { text, option: `--${flag}` }])),
    refusals: Object.fromEntries(
      Object.entries(relayErrors).map(([code, { status, text }]) => [code, { status, text }]),
    ),
  };
}

await buildPage({
  folder: dirname(fileURLToPath(import.meta.url)),
  maxBytes: 40_000,
  sources: ["src/model.ts", "../relay/dist/limits.js", "../relay/dist/http/answer/errors.js"],
  constants: async () => ({ relayWords: await relayWords() }),
});
