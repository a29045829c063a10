import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { describe, expect, it } from "vitest";
import { startConformanceServer } from "../mcp/conformance-server.js";
import { localOnly, type Outcome, runConformance } from "../mcp/conformance-suite.js";
import { closingAfterEach } from "../support/cleanup.js";
import { startServer } from "../services/matrix/run.js";
import { startOne } from "./bridge.js";
import { everything, missingNpmServers, type StdioServer, scratchFolder } from "./servers.js";

/**
 * The suite logs each event of a stream. Over HTTP, a server says to which request a notification belongs.
 * Over stdio it cannot, and one that belongs to none may come on the stream of the only open request.
 */
const logged = "incoming-sse-event: INFO";

describe("the conformance suite of MCP, over a server's HTTP and over its stdio behind the bridge", () => {
  const closing = closingAfterEach();

  async function outcomes(url: string): Promise<Map<string, Outcome>> {
    const all = await runConformance(url);
    return new Map(
      Array.from(all, ([scenario, checks]) => [scenario, checks.filter((check) => check !== logged)]),
    );
  }

  /** Compares all scenarios. Returns the outcomes over the server's own HTTP. */
  async function compare(httpUrl: string, server: StdioServer): Promise<Map<string, Outcome>> {
    const bridge = closing(await startOne(server));
    const directly = await outcomes(httpUrl);
    const through = await outcomes(bridge.urlOf(server.name));
    expect(directly.size).toBeGreaterThanOrEqual(32);
    expect(directly.delete(localOnly) && through.delete(localOnly)).toBe(true);
    // No scenario differs.
    expect(Object.fromEntries(through)).toEqual(Object.fromEntries(directly));
    return directly;
  }

  it.skipIf(missingNpmServers())("is equal for server-everything", { timeout: 120_000 }, async () => {
    const server = everything();
    const [script = ""] = server.args;
    const http = closing(
      await startServer(
        server.command,
        () => [script, "streamableHttp"],
        (port) => ({ env: { PORT: String(port) } }),
      ),
    );
    await compare(`http://127.0.0.1:${http.port}/mcp`, server);
  });

  it("is equal for a server that has what the scenarios ask for", { timeout: 120_000 }, async () => {
    const folder = closing(scratchFolder());
    const outfile = join(folder.path, "server.mjs");
    const banner =
      'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);';
    await build({
      entryPoints: [fileURLToPath(new URL("conformance-over-stdio.ts", import.meta.url))],
      outfile,
      bundle: true,
      platform: "node",
      format: "esm",
      banner: { js: banner },
      logLevel: "error",
    });
    const http = closing(await startConformanceServer());
    const server = { name: "conformance", command: process.execPath, args: [outfile] };
    const seen = await compare(`http://127.0.0.1:${http.port}/mcp`, server);
    // All scenarios succeed, so equal outcomes are not two failures.
    expect([...seen.values()].flat().filter((check) => check.includes(": FAILURE"))).toEqual([]);
  });
});
