import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";

it("loads the library of Redis only for who calls an engine of Redis", async () => {
  const program = `
    import module from "node:module";
    const { RedisEngine } = await import("mcp-tunnel-cluster");
    const isLoaded = () => Object.keys(module._cache).some((file) => file.includes("@redis"));
    const times = { leaseMs: 1, keepNamesMs: 1, verdictMs: 1 };
    const engine = new RedisEngine({ url: "redis://127.0.0.1:1", times, onWarning() {} });
    const before = isLoaded();
    await engine.nodes().catch(() => {});
    console.log(before, isLoaded());
  `;
  const options = { cwd: fileURLToPath(new URL("..", import.meta.url)) };
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ["--input-type=module", "-e", program],
    options,
  );
  expect(stdout).toBe("false true\n");
});
